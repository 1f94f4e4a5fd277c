"""Video in: the sharpest frame of each stretch of time."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from ..errors import SplatposeError

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"})
"""Lower-case suffixes of files that are taken for videos."""

# Sharpness is compared among this many frames of a stretch, at this long side in pixels: enough
# to dodge shake, and cheap beside decoding.
_CANDIDATES = 8
_SHARPNESS_SIZE = 640


@dataclass(frozen=True)
class Frame:
    """One frame of a video."""

    index: int
    """Number of the frame in the video, from 0."""
    seconds: float
    """Time in seconds at which the frame is shown."""
    expected: int
    """Frames that the sampling will give in all, about."""
    pixels: UInt8[np.ndarray, "H W 3"]
    """RGB picture, turned as the video's rotation flag says."""


def sample_frames(path: Path, *, rate: float, max_frames: int) -> Iterator[Frame]:
    """Yields the sharpest frame of each stretch of equal duration, in order of time.

    Only the middle half of a stretch is considered, so that two neighbours are never less than
    half a stretch apart.

    Args:
        path: the video.
        rate: frames wanted a second.
        max_frames: frames wanted at most; a long video gets longer stretches.

    Raises:
        SplatposeError: the file cannot be decoded.
    """
    count, fps = _length(path)
    wanted = max(1, min(max_frames, round(count / fps * rate), count))
    stretch = count / fps / wanted
    step = max(1, round(stretch * fps / 2 / _CANDIDATES))
    # A stretch of one or two frames has no middle half to speak of.
    everything = stretch * fps < 3
    best: Frame | None = None
    best_sharpness, current, seconds = -1.0, 0, -1.0
    with _opened(path) as video:
        for index in itertools.count():
            if not video.grab():
                break
            # Half a frame's time keeps frames clear of the boundaries.
            seconds = max(video.get(cv2.CAP_PROP_POS_MSEC) / 1000, seconds + 1e-6)
            number, position = divmod((seconds + 0.5 / fps) / stretch, 1.0)
            if number != current:
                if best is not None:
                    yield best
                best, best_sharpness, current = None, -1.0, number
                if number >= max_frames:
                    break
            if not everything and (abs(position - 0.5) > 0.25 or index % step):
                continue
            read, image = video.retrieve()
            if not read:
                continue
            sharpness = _sharpness(image)
            if sharpness > best_sharpness:
                best_sharpness = sharpness
                best = Frame(index, seconds, wanted, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        if best is not None:
            yield best


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


def _length(path: Path) -> tuple[int, float]:
    """Number of frames and frames a second, as the container claims them.

    Streams claim none: their frames are counted. A false claim does no harm beyond stretches that
    are too long or too short.
    """
    with _opened(path) as video:
        fps, claimed = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
        if not (np.isfinite(fps) and 1 <= fps <= 1000):
            fps = 30.0
        if 1 <= claimed < 1e8:
            return int(claimed), fps
        count = 0
        while video.grab():
            count += 1
    return max(1, count), fps


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    # The decoder writes its own complaints to the terminal unless told before it is first used.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise unreadable_video(path)
        yield video
    finally:
        video.release()


def unreadable_video(path: Path) -> SplatposeError:
    """What to say of a video that gives no frame."""
    return SplatposeError(
        f"{path} cannot be read as a video: it is damaged or its codec is not known.",
        "Convert it to an H.264 .mp4, or give a folder with its frames as photos.",
    )


def _sharpness(image: UInt8[np.ndarray, "H W 3"]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000), of the picture made small."""
    height, width = image.shape[:2]
    scale = min(1.0, _SHARPNESS_SIZE / max(height, width))
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
