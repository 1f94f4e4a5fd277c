"""Fixtures for everybody, and shape checking of every public array."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from jaxtyping import install_import_hook
from shape_checking import ROOT, checked_modules

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers share the cores, and waiting threads would take them from each other. What
    # tests say about several threads they ask for themselves.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Mappings in processes of their own take a quarter of a second each. Tests of that ask for it.
os.environ.setdefault("SPLATPOSE_ONE_PROCESS", "1")

_hook = install_import_hook(checked_modules(), "shape_checking.checked_when_called")

LONGEST = (
    "test_pipeline.py",
    "test_local.py",
    "test_suites.py",
    "test_motion.py",
    "test_joint.py",
    "test_cpu.py",
    "test_train.py",
    "test_poses.py",
)
"""Files that take longest, which start first, so that no worker is left alone with them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real photos with true poses, and network weights; never part of the project."""
    path = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared"))
    if not (path / "data").is_dir():
        pytest.skip(f"no real photo sets at {path} (set SPLATPOSE_SHARED)")
    return path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without network weights: an empty cache, no package that carries any, and no use of
    the network."""
    places = importlib.import_module("splatpose.weights.resolve")
    monkeypatch.setattr(places, "distributions", lambda name: ())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SPLATPOSE_OFFLINE", "1")
    monkeypatch.delenv("SPLATPOSE_WEIGHTS", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _kernels(tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a fresh checkout, one worker compiles the CPU rasterizer while the others wait for it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    sources = ROOT / "splatpose" / "render" / "cpu"
    newest = max(path.stat().st_mtime for path in sources.glob("*.py"))
    with FileLock(tmp_path_factory.getbasetemp().parent / "kernels.lock"):
        compiled = [path.stat().st_mtime for path in sources.glob("__pycache__/*.nbi")]
        if max(compiled, default=0) < newest:
            code = "from splatpose.render.cpu import warmup; warmup()"
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium with software GL, driven by playwright."""
    from scenes.viewer_browsing import (  # here, because it imports what is checked
        CHROMIUM,
        SOFTWARE_GL,
    )

    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_GL)
        yield chromium
        chromium.close()
