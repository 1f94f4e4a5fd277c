"""The frames of a video as photos."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...events import EventSink, Message, Progress
from ...io.atomic import write_bytes
from ...io.video import encode_jpeg, sample_frames, unreadable_video
from .config import CaptureConfig
from .scan import Candidate

FRAMES = "frames"


def take_frames(
    video: Path, config: CaptureConfig, folder: Path, emit: EventSink
) -> tuple[Candidate, ...]:
    """Writes the sharpest frames of a video into `folder`/frames as JPEG.

    Raises:
        SplatposeError: the video cannot be read.
    """
    frames = folder / FRAMES
    # What an interrupted run left.
    shutil.rmtree(frames, ignore_errors=True)
    frames.mkdir()
    taken: list[Candidate] = []
    for frame in sample_frames(video, rate=config.video_rate, max_frames=config.max_frames):
        name = f"frame_{frame.index:06d}.jpg"
        write_bytes(frames / name, encode_jpeg(frame.pixels))
        taken.append(Candidate(name, frames / name, frame.seconds))
        emit(Progress("capture", len(taken), frame.expected, "frames taken from the video"))
    if not taken:
        raise unreadable_video(video)
    emit(Message("capture", f"Took {len(taken)} frames from {video.name}."))
    return tuple(taken)
