"""When the frames of a video are shown, and which of them stand for which stretch of time.

Only the frames' own time stamps are believed. What a container claims of its length or rate is
not: phones pause, recorders lose frames, and converters write nonsense into headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Int

_LONG_PAUSE = 8.0
"""Frame intervals (median) from which on no pictures are missing between two frames, but time."""
_FASTEST = 1 / 300
"""Shortest believable frame interval (median) in seconds; below it, stamps are in a wrong unit."""
_USUAL = 1 / 30
"""Frame interval in seconds where no stamps can be believed."""
_MIDDLE = 0.25
"""Half of the part of a stretch that candidates are from, as a share of the stretch."""


Stamps = tuple[Fraction | None, Fraction | None]
"""Times of presentation and of decoding in seconds, None where the file has none."""


@dataclass(frozen=True)
class FrameTimes:
    """The F frames of a video in the order in which they are shown."""

    stamps: tuple[Fraction | None, ...]
    """Time stamps in seconds as they are in the file."""
    seconds: Float[np.ndarray, " F"]
    """Time at which each is shown, from the first one's; never decreasing."""
    lasts: Float[np.ndarray, " F"]
    """Seconds for which each is the picture to be had; a pause counts as a short while."""
    believed: bool
    """Whether the time stamps are; otherwise frames are taken to be 1/30 s apart."""

    @property
    def end(self) -> float:
        """Time in seconds at which the last frame ends."""
        return float(self.seconds[-1] + self.lasts[-1])

    def pauses(self) -> list[tuple[float, float]]:
        """Spans in seconds, longer than any frame's, without a picture."""
        gaps = np.diff(self.seconds) - self.lasts[:-1]
        return [
            (float(self.seconds[i] + self.lasts[i]), float(self.seconds[i + 1]))
            for i in np.flatnonzero(gaps > 1e-6)
        ]


def frame_times(packets: Sequence[Stamps], rate: float) -> FrameTimes:
    """Times from time stamps.

    Args:
        packets: of all frames in decoding order. Their stamps may begin anew (recordings that were
            joined): each recording then follows the one before.
        rate: frames that are wanted a second; no pause is shorter than they are apart.
    """
    runs = _runs(packets)
    ordered = tuple(stamp for run in runs for stamp in sorted(run))
    if len(ordered) < len(packets) or not ordered:
        # Some have none: the order of decoding is all that is known.
        steps = np.full(len(packets), _USUAL)
        shown = tuple(shown for shown, _ in packets)
        return FrameTimes(shown, np.cumsum(steps) - _USUAL, steps, believed=False)
    steps = np.diff(np.array([float(stamp - ordered[0]) for stamp in ordered]))
    inside = steps[steps > 0]
    usual = float(np.median(inside)) if len(inside) else _USUAL
    starts = np.cumsum([len(run) for run in runs])[:-1] - 1
    steps[starts[steps[starts] <= 0]] = usual
    believed = bool(len(ordered) == 1 or (len(inside) and np.median(steps) >= _FASTEST))
    if not believed:
        steps[:], usual = _USUAL, _USUAL
    seconds = np.concatenate([[0.0], np.cumsum(steps)])
    long = max(_LONG_PAUSE * usual, 1 / rate)
    lasts = np.append(np.where(steps > long, usual, steps), usual)
    return FrameTimes(ordered, seconds, lasts, believed)


def stretches(times: FrameTimes, wanted: int) -> Int[np.ndarray, " F"]:
    """The number of the stretch, of `wanted` equally long ones, that each frame is in.

    Pauses take no room. Where every frame is wanted each has a stretch of its own.
    """
    count = len(times.seconds)
    if wanted >= count:
        return np.arange(count)
    middles = np.cumsum(times.lasts) - times.lasts / 2
    number = np.floor(middles / times.lasts.sum() * wanted).astype(np.int64)
    return np.clip(number, 0, wanted - 1)


def candidates(
    times: FrameTimes, number: Int[np.ndarray, " F"], most: int
) -> Bool[np.ndarray, " F"]:
    """Frames that are looked at: up to `most` from the middle half of each stretch.

    So two neighbours are never less than half a stretch apart. A stretch of one or two frames has
    no middle half to speak of: all of it is looked at.
    """
    middles = np.cumsum(times.lasts) - times.lasts / 2
    length = times.lasts.sum() / (number[-1] + 1)
    place = middles / length - number
    chosen = np.zeros(len(number), bool)
    for frames in np.split(np.arange(len(number)), np.flatnonzero(np.diff(number)) + 1):
        inner = frames[np.abs(place[frames] - 0.5) <= _MIDDLE]
        part = inner if len(frames) >= 3 and len(inner) else frames
        spread = np.linspace(0, len(part) - 1, min(most, len(part)))
        chosen[part[spread.round().astype(np.int64)]] = True
    return chosen


def _runs(packets: Sequence[Stamps]) -> list[list[Fraction]]:
    """Time stamps of presentation, cut where those of decoding step back: there others begin."""
    runs: list[list[Fraction]] = []
    latest: Fraction | None = None
    for shown, decoded in packets:
        if shown is None:
            continue
        if not runs or (latest is not None and decoded is not None and decoded < latest):
            runs.append([])
        runs[-1].append(shown)
        latest = decoded if decoded is not None else latest
    return runs
