"""Video: which frames are taken, and videos that cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from splatpose.errors import SplatposeError
from splatpose.events import Event, Message, ignore_events
from splatpose.io.video import encode_jpeg, sample_frames
from splatpose.stages.capture.config import CaptureConfig
from splatpose.stages.capture.stage import build_capture, fingerprint, load_capture

FPS = 25
# One sharp frame in the middle of each half second; all others are blurred.
SHARP = (7, 18, 31, 43)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 25 frames a second; the red channel counts the frames."""
    path = tmp_path_factory.mktemp("video") / "ein Clip.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (120, 240), np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (160, 120))
    assert writer.isOpened()
    for index in range(50):
        view = np.ascontiguousarray(noise[:, index : index + 160])
        view = cv2.GaussianBlur(view, (0, 0), 1.5 if index in SHARP else 5.0)
        writer.write(np.dstack([view, view, np.full_like(view, 5 * index)]))
    writer.release()
    return path


def test_the_sharpest_frame_of_each_stretch_is_taken(clip: Path) -> None:
    frames = list(sample_frames(clip, rate=2.0, max_frames=100))
    assert tuple(frame.index for frame in frames) == SHARP
    for frame in frames:
        assert frame.pixels.shape == (120, 160, 3)
        assert frame.expected == 4
        assert frame.seconds == pytest.approx(frame.index / FPS, abs=1e-3)
        # The frame is the one it says it is, in RGB.
        assert np.median(frame.pixels[..., 0]) == pytest.approx(5 * frame.index, abs=6)


def test_max_frames_spreads_over_the_whole_video(clip: Path) -> None:
    frames = list(sample_frames(clip, rate=25.0, max_frames=2))
    assert len(frames) == 2
    assert 6 <= frames[0].index < 20
    assert 31 <= frames[1].index < 45


def test_all_frames_can_be_taken(clip: Path) -> None:
    frames = list(sample_frames(clip, rate=100.0, max_frames=1000))
    assert [frame.index for frame in frames] == list(range(50))


def test_jpeg_keeps_the_picture() -> None:
    picture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8), (0, 0), 2
    )
    back = cv2.imdecode(np.frombuffer(encode_jpeg(picture), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert back is not None
    assert np.abs(back.astype(int) - picture).max() <= 6


def test_a_video_becomes_a_capture_that_may_move(clip: Path, tmp_path: Path) -> None:
    part, final = tmp_path / "capture.part", tmp_path / "capture"
    part.mkdir()
    (part / "frames").mkdir()
    (part / "frames" / "left over.jpg").touch()
    events: list[Event] = []
    summary = build_capture(clip, CaptureConfig(), part, events.append)
    part.rename(final)
    capture = load_capture(final)
    assert [photo.name for photo in capture.photos] == [f"frame_{i:06d}.jpg" for i in SHARP]
    assert all(photo.path.is_file() and photo.path.is_absolute() for photo in capture.photos)
    assert len(capture.groups) == 1
    assert "4 photos" in summary
    assert any(isinstance(event, Message) and "4 frames" in event.text for event in events)
    assert not (final / "frames" / "left over.jpg").exists()
    assert fingerprint(clip) == fingerprint(clip)


@pytest.mark.parametrize("keep", [0, 500, -400])
def test_a_damaged_video_is_a_clear_error(clip: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "damaged.mp4"
    path.write_bytes(clip.read_bytes()[:keep])
    with pytest.raises(SplatposeError, match="cannot be read as a video") as caught:
        build_capture(path, CaptureConfig(), tmp_path, ignore_events)
    assert "Convert" in caught.value.hint


def test_the_decoder_is_quiet(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    path.write_bytes(clip.read_bytes()[:500])
    code = (
        "import sys, pathlib; from splatpose.errors import SplatposeError\n"
        "from splatpose.io.video import sample_frames\n"
        "try: list(sample_frames(pathlib.Path(sys.argv[1]), rate=1.0, max_frames=1))\n"
        "except SplatposeError: print('refused')"
    )
    # A fresh process, because the decoder reads its log level only once.
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_text_named_mp4(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("not a video")
    with pytest.raises(SplatposeError, match="cannot be read as a video"):
        build_capture(path, CaptureConfig(), tmp_path, ignore_events)


def test_a_cut_off_video_gives_the_frames_it_has(tmp_path: Path) -> None:
    path = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (160, 120))
    noise = np.random.default_rng(1).integers(0, 256, (50, 120, 160, 3), np.uint8)
    for frame in noise:
        writer.write(frame)
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    frames = list(sample_frames(path, rate=5.0, max_frames=100))
    assert 3 <= len(frames) <= 6
    assert frames[-1].index < 27
