"""Which way the walks go, and what their parts are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .plan import GARDEN, PITCH, SPUR, crossing

Point = tuple[float, float]

STEP = 0.42
"""Metres from one photo to the next: someone who films at 2 to 3 photos a second."""
RING = 2.25
"""Radius of the way round the statue in the garden."""


@dataclass(frozen=True)
class Leg:
    """A part of a walk, from where the one before it ended through `points` [P, 2]."""

    section: str
    points: tuple[Point, ...]
    side: float = 0.0
    """Metres that one keeps to the right of the middle of the street; negative to the left."""
    glances: bool = True
    """Whether one also looks to the sides."""


@dataclass(frozen=True)
class Route:
    """Legs one after the other from `start`."""

    start: Point
    legs: tuple[Leg, ...]


def _through(*nodes: tuple[float, float]) -> tuple[Point, ...]:
    return tuple(crossing(*node) for node in nodes)


def _ring(start: float, degrees: float, count: int = 24) -> tuple[Point, ...]:
    """Points round the statue from azimuth `start`, counter-clockwise for positive degrees."""
    angles = np.radians(start + np.linspace(0, degrees, count))
    x, y = GARDEN
    return tuple((float(x + RING * np.cos(a)), float(y + RING * np.sin(a))) for a in angles)


_WEST, _EAST = crossing(1, 1.5), crossing(2, 1.5)

VILLAGE = Route(
    (0.0, -SPUR + 1.2),
    (
        Leg("straight start", ((0.0, -1.6),), glances=False),
        Leg("turn", (crossing(0, 0), (3.2, 0.0)), glances=False),
        Leg("loop", _through((1, 0), (1, 1), (0, 1), (0, 0)), side=0.4),
        Leg("revisit", _through((1, 0)), side=-0.6),
        Leg("open", _through((2, 0), (2, 1), (2, 2), (1, 2), (1, 1))),
        Leg("revisit", _through((1, 0), (0, 0), (0, 1)), side=0.5),
        Leg("open", _through((0, 2), (1, 2))),
        Leg("revisit", (_WEST,), side=0.7),
        Leg("loop", (*_ring(180, 360), *_ring(180, 180), _EAST)),
        Leg("revisit", _through((2, 0), (1, 0), (1, 1)), side=0.4),
        Leg("open", _through((2, 1))),
        Leg("revisit", _through((2, 2), (1, 2)), side=-0.5),
        Leg("loop", _through((0, 2), (0, 1), (1, 1)), side=0.5),
        Leg("revisit", _through((1, 0), (0, 0), (0, 1)), side=-0.5),
        Leg("loop", _through((0, 2), (1, 2), (1, 1), (2, 1), (2, 2)), side=0.3),
    ),
)
"""Through the whole village, nearly every street from both sides; more than 1,000 photos."""

_APPROACH = 18.9 * STEP
"""Of the thin clip: before the camera is turned."""

THIN = Route(
    (_WEST[0] + 0.1, _WEST[1] - _APPROACH - 0.2),
    (
        Leg("straight start", ((_WEST[0] + 0.1, _WEST[1] - 0.2),), glances=False),
        Leg("thin place", ((_WEST[0] + 1.1, _WEST[1]),), glances=False),
        Leg("turn", ((_WEST[0] + PITCH[0] / 2 - RING - 0.4, _WEST[1]),), glances=False),
        Leg("loop", (*_ring(180, 420),), glances=False),
    ),
)
"""Straight along a blank wall, round a corner without looking, once round the statue."""
