"""Video in: the sharpest frame of each stretch of time, and what of the video was used.

The file is gone through once for its time stamps (without decoding) and once for its pictures.
"""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from jaxtyping import UInt8

from ..errors import SplatposeError
from ..scene.capture import Span, VideoUse
from .hdr import HLG, PQ
from .regular_files import check_regular
from .video_frames import Deinterlaced, Picture, picture_of
from .video_times import FrameTimes, candidates, frame_times, stretches

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "avi", "mkv", "webm"),
        *("mpg", "mpeg", "mts", "m2ts", "3gp", "wmv"),
    )
)
"""Lower-case suffixes of files that are taken for videos."""

_CANDIDATES = 8
"""Frames of a stretch whose sharpness is compared: enough to dodge shake."""
_CUT_OFF = 1.0
"""Seconds by which a file's claimed length may exceed its frames'; more is told as cut off."""
_PAUSE = "no frames: a pause, or a jump of the time stamps"
_HDR = {PQ: "PQ", HLG: "HLG"}


@dataclass(frozen=True)
class Frame:
    """One frame of a video."""

    index: int
    """Number of the frame in the video, from 0."""
    seconds: float
    """Time in seconds at which the frame is shown, from the first frame's."""
    expected: int
    """Frames that the sampling will give in all, at most."""
    pixels: UInt8[np.ndarray, "H W 3"]
    """RGB picture, turned as the video says, of square pixels, without interlacing."""


def sample_frames(path: Path, *, rate: float, max_frames: int) -> Iterator[Frame]:
    """The frames of a `VideoSampling`.

    Raises:
        SplatposeError: the file cannot be decoded.
    """
    yield from VideoSampling(path, rate=rate, max_frames=max_frames).frames()


class VideoSampling:
    """Takes the sharpest frame of each stretch of equal duration.

    Args:
        path: the video.
        rate: frames wanted a second.
        max_frames: frames wanted at most; a long video gets longer stretches.

    Raises:
        SplatposeError: the file cannot be decoded.
    """

    def __init__(self, path: Path, *, rate: float, max_frames: int) -> None:
        self._path = path
        self._times, self._claimed, self._notes = _read_times(path, rate)
        length = float(self._times.lasts.sum())
        count = len(self._times.seconds)
        self.wanted = max(1, min(max_frames, round(length * rate), count))
        self._stretch = stretches(self._times, self.wanted)
        self._looked_at = candidates(self._times, self._stretch, _CANDIDATES)
        looked_at = np.flatnonzero(self._looked_at)
        self._last = dict(zip(self._stretch[looked_at].tolist(), looked_at.tolist(), strict=True))
        self._aspect = 1.0
        self._why_not: dict[int, str] = {}

    def frames(self) -> Iterator[Frame]:
        """Yields the frames in order of time.

        A frame that is no picture (of one colour, damaged, or the very picture before) is passed
        over, and its stretch gives another one, or none where it has none.
        """
        best: Picture | None = None
        place, before = -1, None
        for index, picture in self._decoded():
            number = int(self._stretch[index])
            if number != place:
                if best is not None:
                    yield self._frame(best)
                best, place = None, number
            later = best is None and index > self._last[number]
            if not (self._looked_at[index] or later):
                continue
            found = picture_of(index, picture, before, self._aspect)
            if isinstance(found, str):
                self._why_not.setdefault(number, found)
                continue
            before = found.thumbnail
            if best is None or found.sharpness > best.sharpness:
                best = found
        if best is not None:
            yield self._frame(best)

    def use(self, taken: Sequence[int]) -> VideoUse:
        """What of the video the taken frames, given by their `index`, do not stand for."""
        times = self._times
        used_by = {int(self._stretch[index]) for index in taken}
        unused = [Span(*pause, _PAUSE) for pause in times.pauses()]
        for number in range(self.wanted):
            frames = np.flatnonzero(self._stretch == number)
            if len(frames) and number not in used_by:
                start = float(times.seconds[frames[0]])
                end = float(times.seconds[frames[-1]] + times.lasts[frames[-1]])
                reason = self._why_not.get(number, "its frames cannot be decoded")
                unused.append(Span(start, end, reason))
        if times.believed and self._claimed - times.end > _CUT_OFF:
            unused.append(
                Span(times.end, self._claimed, "the file claims to go on, but holds no frames")
            )
        unused.sort(key=lambda span: span.start)
        return VideoUse(self._path.name, times.end, _joined(unused), self._notes)

    def _frame(self, best: Picture) -> Frame:
        seconds = float(self._times.seconds[best.index])
        return Frame(best.index, seconds, self.wanted, best.pixels)

    def _decoded(self) -> Iterator[tuple[int, Any]]:
        """Each decoded frame with its number, in the order in which they are shown."""
        numbers: dict[Fraction, deque[int]] = defaultdict(deque)
        for index, stamp in enumerate(self._times.stamps):
            if stamp is not None:
                numbers[stamp].append(index)
        last = -1
        with _opened(self._path) as container:
            self._aspect = float(_stream(container).sample_aspect_ratio or 1)
            for frame in Deinterlaced(_frames_of(container)):
                known = None
                if frame.pts is not None and frame.time_base is not None:
                    known = numbers.get(frame.pts * frame.time_base)
                index = known.popleft() if known else last + 1
                if last < index < len(self._stretch):
                    last = index
                    yield index, frame


def encode_jpeg(pixels: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """An RGB picture as JPEG of high quality, colours not subsampled."""
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        95,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    assert done, "OpenCV is built with a JPEG encoder"
    return data.tobytes()


def unreadable_video(path: Path, reason: str = "") -> SplatposeError:
    """What to say of a video that gives no frame."""
    return SplatposeError(
        f"{path} cannot be read as a video: {reason or 'it is damaged or its codec is not known'}.",
        "Convert it to an H.264 .mp4, or give a folder with its frames as photos.",
    )


def _read_times(path: Path, rate: float) -> tuple[FrameTimes, float, tuple[str, ...]]:
    """Times of all frames, the length in seconds that the file claims, and notes for people."""
    from av.error import FFmpegError

    packets: list[tuple[Fraction | None, Fraction | None]] = []
    with _opened(path) as container:
        stream = _stream(container)
        base = stream.time_base
        assert base is not None
        claimed = float(stream.duration * base) if stream.duration else 0.0
        if not claimed and container.duration and len(container.streams) == 1:
            claimed = container.duration / 1e6
        transfer = _HDR.get(int(getattr(stream.codec_context, "color_trc", 0) or 0))
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    shown = packet.pts if packet.pts is not None else packet.dts
                    packets.append(
                        (
                            None if shown is None else shown * base,
                            None if packet.dts is None else packet.dts * base,
                        )
                    )
        except FFmpegError:
            pass  # What is behind the damage has no stamps, and its span is told by its absence.
    if not packets:
        raise unreadable_video(path)
    times = frame_times(packets, rate)
    notes = ()
    if not times.believed:
        notes = ("its time stamps cannot be right: frames were taken to be 1/30 s apart",)
    if transfer:
        notes = (
            *notes,
            f"its colours are HDR ({transfer}) and are brought to an ordinary display's",
        )
    return times, claimed, notes


def _frames_of(container: InputContainer) -> Iterator[Any]:
    """All frames that can be decoded; what is damaged is passed over."""
    from av.error import FFmpegError

    stream = _stream(container)
    stream.thread_type = "AUTO"
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except FFmpegError:
            continue


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    import av
    from av.error import FFmpegError

    try:
        check_regular(path)
        # Titles need not be UTF-8, and nobody asks for them.
        container = av.open(os.fspath(path), metadata_errors="replace")
    except FFmpegError as error:
        raise unreadable_video(path) from error
    except OSError as error:
        raise unreadable_video(path, error.strerror or str(error)) from error
    with container:
        if container.streams.best("video") is None:
            raise unreadable_video(path, "it holds no video, only sound or other data")
        yield container


def _stream(container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    assert stream is not None, "see _opened"
    return cast("VideoStream", stream)


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Neighbouring spans of one reason as one."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].reason == span.reason and span.start - joined[-1].end < 1e-3:
            joined[-1] = Span(joined[-1].start, span.end, span.reason)
        else:
            joined.append(span)
    return tuple(joined)
