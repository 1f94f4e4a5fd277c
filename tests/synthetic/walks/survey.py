"""Where the pictures are taken that a splat of the village is trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..cameras import look_at
from .plan import GARDEN, SPUR, crossing

WIDTH, HEIGHT, FOCAL = 560, 420, 315.0
"""Of the survey's pictures, pixels; the principal point is the middle."""
APART = 2.3
"""Metres along a street between two places where the survey stops."""

STREETS: tuple[tuple[tuple[float, float], tuple[float, float]], ...] = (
    ((0.0, -SPUR + 0.8), crossing(0, 0)),
    *(
        (crossing(*a), crossing(*b))
        for a, b in (
            ((0, 0), (1, 0)), ((1, 0), (1, 1)), ((1, 1), (0, 1)), ((0, 1), (0, 0)),
            ((1, 0), (2, 0)), ((2, 0), (2, 1)), ((2, 1), (2, 2)), ((2, 2), (1, 2)),
            ((1, 2), (1, 1)), ((1, 1), (2, 1)), ((0, 1), (0, 2)), ((0, 2), (1, 2)),
        )
    ),
)  # fmt: skip
"""Middles of all streets, in the order in which the walk first comes to them."""


def survey(seed: int) -> np.ndarray:
    """world_from_camera [V, 4, 4], OpenCV axes: at every stop a look to all four sides."""
    rng = np.random.default_rng([seed, 51])
    poses = [pose for street in STREETS for pose in _along(*street, rng)]
    poses += _in_garden(rng)
    return np.stack(poses)


def _along(
    start: tuple[float, float], stop: tuple[float, float], rng: np.random.Generator
) -> Iterator[np.ndarray]:
    way = np.subtract(stop, start)
    length = float(np.hypot(*way))
    ahead = float(np.arctan2(way[1], way[0]))
    side = np.array((-way[1], way[0])) / length
    count = max(2, round(length / APART))
    for number in range(count):
        share = (number + 0.5) / count
        shift = (0.6 if number % 2 else -0.6) + rng.normal() * 0.15
        spot = np.add(start, share * way) + side * shift
        for quarter in range(4):
            yield _look(spot, ahead + quarter * np.pi / 2, rng)


def _in_garden(rng: np.random.Generator) -> list[np.ndarray]:
    poses = []
    for angle in np.arange(9) / 9 * 2 * np.pi:
        spot = np.add(GARDEN, 2.3 * np.array((np.cos(angle), np.sin(angle))))
        poses += [_look(spot, angle + turn, rng) for turn in (0.3, np.pi / 2 + 0.3, np.pi)]
        poses.append(_look(spot, angle - np.pi / 2, rng))
    for side in (-1, 1):
        gate = np.add(GARDEN, (side * 4.7, 0.0))
        poses += [_look(gate, turn, rng) for turn in (0.0, np.pi)]
        inside = np.add(GARDEN, (side * 3.6, 0.2))
        poses += [_look(inside, turn, rng) for turn in (0.5, 1.6, np.pi, -1.6)]
    return poses


def _look(spot: np.ndarray, azimuth: float, rng: np.random.Generator) -> np.ndarray:
    """From about eye height, about level, a little beside `azimuth` (radians from +x)."""
    eye = np.array((*spot, rng.uniform(1.3, 1.8)))
    a, b = azimuth + rng.normal() * 0.14, rng.normal() * 0.07 - 0.02
    aim = eye + np.array((np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)))
    return look_at(eye, aim, roll=rng.normal() * 2)
