"""Thumbnails are read when they are wanted."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from splatpose.viewer.web.thumbnails import SIZE, Thumbnails


def test_a_thumbnail_is_read_once_and_when_it_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    thumbnails = Thumbnails([path, tmp_path / "gone.png"])  # neither is there yet
    assert len(thumbnails) == 2
    cv2.imwrite(str(path), np.full((600, 800, 3), 200, np.uint8))
    first = thumbnails[0]
    assert first.shape == (SIZE * 3 // 4, SIZE, 3)
    assert abs(float(first.mean()) - 200) < 2
    path.unlink()
    assert thumbnails[0] is first
    assert thumbnails[1].std() == 0, "grey"


def test_nobody_waits_for_a_thumbnail_that_is_not_at_hand(tmp_path: Path) -> None:
    thumbnails = Thumbnails([tmp_path / f"{i}.png" for i in range(20)])
    assert all(thumbnails.at_hand(i) is None for i in range(20))
    end = time.monotonic() + 20
    while any(thumbnails.at_hand(i) is None for i in range(20)) and time.monotonic() < end:
        time.sleep(0.01)
    assert all(thumbnails.at_hand(i) is not None for i in range(20))


def test_few_thumbnails_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splatpose.viewer.web.thumbnails._KEPT", 3)
    thumbnails = Thumbnails([tmp_path / f"{i}.png" for i in range(5)])
    pictures = [thumbnails[i] for i in range(5)]
    assert thumbnails[4] is pictures[4]
    assert thumbnails[0] is not pictures[0]
