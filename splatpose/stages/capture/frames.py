"""The frames of a video as photos."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from ...events import EventSink, Message, Progress
from ...io.atomic import write_bytes
from ...io.video import VideoSampling, encode_jpeg, unreadable_video
from ...scene.capture import VideoUse
from .config import CaptureConfig
from .scan import Candidate

FRAMES = "frames"


@dataclass(frozen=True)
class Taken:
    """Frames of a video that were written as photos."""

    candidates: tuple[Candidate, ...]
    use: VideoUse


def take_frames(video: Path, config: CaptureConfig, folder: Path, emit: EventSink) -> Taken:
    """Writes the sharpest frames of a video into `folder`/frames as JPEG.

    Raises:
        SplatposeError: the video cannot be read, or shows nothing.
    """
    frames = folder / FRAMES
    # What an interrupted run left.
    shutil.rmtree(frames, ignore_errors=True)
    frames.mkdir()
    sampling = VideoSampling(video, rate=config.video_rate, max_frames=config.max_frames)
    taken: list[Candidate] = []
    indices: list[int] = []
    for frame in sampling.frames():
        name = f"frame_{frame.index:06d}.jpg"
        write_bytes(frames / name, encode_jpeg(frame.pixels))
        taken.append(Candidate(name, frames / name, frame.seconds))
        indices.append(frame.index)
        emit(Progress("capture", len(taken), frame.expected, "frames taken from the video"))
    use = replace(sampling.use(indices), name=video.name)
    if not taken:
        raise unreadable_video(video, _nothing_seen(use))
    _tell(use, len(taken), emit)
    return Taken(tuple(taken), use)


def _tell(use: VideoUse, count: int, emit: EventSink) -> None:
    emit(Message("capture", f"Took {count} frames from {use.name}, {use.seconds:.1f} s long."))
    for note in use.notes:
        emit(Message("capture", f"{use.name}: {note}.", "warning"))
    for span in use.unused[:5]:
        text = f"Of {use.name}, {span.start:.1f} s to {span.end:.1f} s is not used: {span.reason}."
        emit(Message("capture", text, "warning"))
    if len(use.unused) > 5:
        more = f"{len(use.unused) - 5} more spans of {use.name} are not used; report.json has them."
        emit(Message("capture", more, "warning"))


def _nothing_seen(use: VideoUse) -> str:
    reasons = sorted({span.reason for span in use.unused})
    return f"it gives no picture ({', '.join(reasons)})" if reasons else ""
