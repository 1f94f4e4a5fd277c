"""One decoded frame as a picture: without interlacing, upright, of square pixels, worth having."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

_SHARPNESS_SIZE = 640
"""Long side in pixels at which sharpness is compared: cheap beside decoding."""
_FLAT = 1.5
"""Standard deviation of grey levels below which a frame shows nothing: black, white, a fade."""
_SQUARE = 0.01
"""Relative difference of a pixel's sides that counts as none."""


@dataclass(frozen=True)
class Picture:
    """A frame that is worth having."""

    index: int
    """Number of the frame in the video, from 0."""
    pixels: UInt8[np.ndarray, "H W 3"]
    thumbnail: UInt8[np.ndarray, "h w"]
    sharpness: float


def picture_of(
    index: int, frame: Any, before: UInt8[np.ndarray, "_ _"] | None, aspect: float
) -> Picture | str:
    """The picture of a decoded frame, or why it is none.

    Args:
        index: number of the frame in the video.
        frame: an `av.VideoFrame`.
        before: thumbnail of the last good frame that was looked at.
        aspect: width of a pixel over its height.
    """
    if frame.is_corrupt:
        return "its frames are damaged"
    pixels = _upright(frame.to_ndarray(format="rgb24"), frame.rotation, aspect)
    thumbnail = _thumbnail(pixels)
    if thumbnail.std() < _FLAT:
        return "its frames show a single colour"
    if before is not None and np.array_equal(thumbnail, before):
        return "its frames repeat the one before"
    return Picture(index, pixels, thumbnail, float(cv2.Laplacian(thumbnail, cv2.CV_32F).var()))


class Deinterlaced:
    """Frames of a video with both fields of interlaced ones brought to one moment.

    By ffmpeg's bwdif, one frame for each: half the lines are those of the file, the others are
    interpolated in space and time. Progressive frames pass unchanged.
    """

    def __init__(self, frames: Iterable[Any]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[Any]:
        graph, kind = None, None
        for frame in self._frames:
            if graph is not None and kind != _kind(frame):
                yield from _drained(graph)  # the picture's size changes in mid-video
                graph = None
            if graph is None and not frame.interlaced_frame:
                yield frame
                continue
            if graph is None:
                graph, kind = _graph(frame), _kind(frame)
            graph.push(frame)
            yield from _pulled(graph)
        if graph is not None:
            yield from _drained(graph)


def _kind(frame: Any) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


def _graph(frame: Any) -> Any:
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    sink = graph.add("buffersink")
    source.link_to(bwdif)
    bwdif.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: Any) -> Iterator[Any]:
    from av.error import BlockingIOError, EOFError

    while True:
        try:
            yield graph.pull()
        except (BlockingIOError, EOFError):
            return


def _drained(graph: Any) -> Iterator[Any]:
    graph.push(None)
    yield from _pulled(graph)


def _upright(
    pixels: UInt8[np.ndarray, "H W 3"], rotation: int, aspect: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Turned by the file's display matrix, after pixels that are not square were made so."""
    if abs(aspect - 1) > _SQUARE and 0.2 < aspect < 5:
        height, width = pixels.shape[:2]
        size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
    quarters = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels


def _thumbnail(pixels: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w"]:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, _SHARPNESS_SIZE / max(grey.shape))
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return grey
