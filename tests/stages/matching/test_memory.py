"""What matching holds in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from splatpose.features.matcher import Features
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.stages.matching import memory
from splatpose.stages.matching.memory import plan_memory

GIB = 2**30


def capture_of(count: int, width: int, height: int) -> Capture:
    photos = tuple(Photo(f"{i}.jpg", Path("x"), width, height, 0, "") for i in range(count))
    return Capture(photos, (CameraGroup("x", width, height, None),))


def features_of(count: int) -> list[Features]:
    one = Features(np.zeros((2048, 2)), np.zeros((2048, 64), np.float32), 4000, 3000)
    return [one] * count


@pytest.mark.parametrize(("left", "kept"), [(16, 2236), (1, 139), (0.1, 50)])
def test_as_many_photos_are_kept_as_memory_allows(
    left: float, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grey photos of 1600 x 1200 have 1.92 MB."""
    monkeypatch.setattr(memory, "available_memory", lambda: int(left * GIB))
    plan = plan_memory(capture_of(1000, 4000, 3000), features_of(1000), 1600)
    assert plan.photos_kept == kept


def test_the_plan_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 8 * GIB)
    plan = plan_memory(capture_of(1000, 640, 360), features_of(1000), 1600)
    assert str(plan) == (
        "Memory: keypoints of 1000 photos take 0.5 GiB, grey photos up to 0.2 GiB; "
        "8.0 GiB are left."
    )


def test_what_is_left_is_no_more_than_the_machine_has() -> None:
    import psutil

    assert 0 < memory.available_memory() <= psutil.virtual_memory().total
