"""The page is there before what it shows has been read."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from splatpose.errors import SplatposeError
from splatpose.viewer.web.opening import check_target, show


def test_a_page_and_cameras_are_shown_before_what_gaussians_need_is_imported() -> None:
    code = """
import sys
import splatpose.viewer.web.opening
print("splatpose.viewer.web.show" in sys.modules)
import splatpose.viewer.web.show
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_what_cannot_be_shown_gets_no_page(tmp_path: Path) -> None:
    check_target(tmp_path / "absent", wait=True)
    for target, words in ((tmp_path / "absent", "nothing"), (tmp_path, "no output folder")):
        said: list[str] = []
        with pytest.raises(SplatposeError, match=words):
            show(target, host="127.0.0.1", port=0, say=said.append, stop=threading.Event())
        assert said == []


def test_a_damaged_file_is_told_after_the_address(tmp_path: Path) -> None:
    """The page is served at that moment, and no more afterwards."""
    path = tmp_path / "damaged.ply"
    path.write_text("no splat")
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        with urllib.request.urlopen(line.removeprefix("viewer: "), timeout=20) as answer:
            said.append(str(answer.status))

    with pytest.raises(SplatposeError, match=r"damaged\.ply"):
        show(path, host="127.0.0.1", port=0, say=say, stop=threading.Event())
    assert said[1:] == ["200"]
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(said[0].removeprefix("viewer: "), timeout=20)
