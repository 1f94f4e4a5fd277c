"""What a capture knows of each photo beside its pixels: how it is stored, and when it was taken."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from splatpose.events import ignore_events
from splatpose.scene.capture import Capture
from splatpose.stages.capture.config import CaptureConfig
from splatpose.stages.capture.stage import build_capture, load_capture


def captured(source: Path, folder: Path) -> Capture:
    folder.mkdir()
    build_capture(source, CaptureConfig(), folder, ignore_events)
    return load_capture(folder)


def textured(seed: int, width: int = 96, height: int = 72) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_orientation_and_time_survive_the_disk(tmp_path: Path, suffix: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, orientation in enumerate((1, 6, 3)):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        exif[ExifTags.Base.DateTime] = f"2021:07:31 12:00:0{number}"
        Image.fromarray(textured(number)).save(photos / f"{number}.{suffix}", exif=exif)
    found = captured(photos, tmp_path / "stage").photos
    assert [photo.orientation for photo in found] == [1, 6, 3]
    assert [(photo.width, photo.height) for photo in found] == [(96, 72), (72, 96), (96, 72)]
    assert [photo.video_seconds for photo in found] == [None] * 3
    first, *_ = (photo.exif_seconds for photo in found)
    assert first == 1627732800
    assert [photo.exif_seconds for photo in found] == [first, first + 1, first + 2]


def test_frames_of_a_video_have_its_times(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 72))
    for number in range(20):
        writer.write(textured(number))
    writer.release()
    found = captured(path, tmp_path / "stage").photos
    times = [photo.video_seconds for photo in found]
    assert len(times) >= 3
    assert times == sorted(t for t in times if t is not None)
    assert 0 <= times[0] < times[-1] <= 2
    assert all(photo.exif_seconds is None and photo.orientation == 1 for photo in found)
