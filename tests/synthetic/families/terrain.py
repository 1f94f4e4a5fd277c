"""Land from above: fields, hills, roads, houses and trees. Metres, z up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import surfaces
from ..demo_objects import displaced_sphere
from ..noise import fbm, mix, ramp, rgb, smoothstep
from ..shapes import grid, quad
from ..stress.furniture import cuboid
from ..stress.rooms import paving
from ..things import Thing
from ..walks.fronts import fine_leaves

SIDE = 66.0
"""Metres along each side of the land; the middle is the origin."""
_PIXELS = 18
"""A metre, of textures."""


def height_at(seed: int, relief: float) -> np.ndarray:
    """Heights [N, N] in metres over the square of `SIDE`, the first row in the north."""
    rough = fbm(181, 181, seed=seed, slope=2.4, coarsest=2)
    return relief * (rough - rough.min())


def land(seed: int, *, relief: float, houses: int) -> Iterator[Thing]:
    """Ground with fields and roads; houses and trees on it.

    Args:
        relief: deviation of the heights in metres.
    """
    rng = np.random.default_rng([seed, 21])
    heights = height_at(seed, relief)
    t = np.linspace(-SIDE / 2, SIDE / 2, len(heights))
    x, y = np.meshgrid(t, -t)
    yield Thing(grid(np.stack([x, y, heights], -1)), _fields(seed))

    def at(spot: np.ndarray) -> float:
        column, row = ((spot * (1, -1) / SIDE + 0.5) * (len(t) - 1)).round().astype(int)
        return float(heights[row, column])

    for number in range(houses):
        spot = rng.uniform(-0.42, 0.42, 2) * SIDE
        yield from _house((*spot, at(spot) - 0.4), rng.uniform(0, 180), seed=seed * 50 + number)
    ground = ("#31502a", "#4d5a22", "#2a4433", "#5a5a2c")
    leaves = [fine_leaves(200, 400, seed=seed + n, ground=ground[n]) for n in range(4)]
    for number in range(4 * houses):
        spot = rng.uniform(-0.46, 0.46, 2) * SIDE
        crown = displaced_sphere(rng.uniform(0.8, 2.0), (1, 1, 0.9), number, 0.18, 2.0)
        yield Thing(crown, leaves[number % 4]).moved((*spot, at(spot) + 0.9), turn=number * 40.0)


def _fields(seed: int) -> np.ndarray:
    """Strips of crops and meadows, with paths between them."""
    rng = np.random.default_rng([seed, 22])
    size = int(SIDE * _PIXELS)
    patch = fbm(size, size, seed=seed, slope=1.8, coarsest=4)
    grain = fbm(size, size, seed=seed + 1, slope=0.9, coarsest=60)
    value = 0.5 + 0.16 * patch + 0.12 * grain
    ground = ramp(value, (0, "#3c4a24"), (0.4, "#6b7a3a"), (0.7, "#a39a5e"), (1, "#c2b184"))
    v, u = np.mgrid[0:size, 0:size].astype(np.float32) / size
    for _ in range(9):
        a, (x, y) = rng.uniform(0, np.pi), rng.uniform(0.1, 0.9, 2)
        along = (u - x) * np.cos(a) + (v - y) * np.sin(a)
        across = -(u - x) * np.sin(a) + (v - y) * np.cos(a)
        wide, deep = rng.uniform(0.08, 0.2, 2)
        inside = smoothstep(0.004, 0.0, np.maximum(np.abs(along) - wide, np.abs(across) - deep))
        furrow = 0.5 + 0.5 * np.sin(across * 2 * np.pi * rng.uniform(60, 140) + grain)
        crop = rgb(str(rng.choice(["#7d8a3c", "#b59a4a", "#6b5236", "#8fa05a", "#c8b878"])))
        ground = mix(ground, crop * (0.6 + 0.5 * furrow[..., None]), 0.85 * inside)
    stones = paving(size // 2, size // 2, count=140, seed=seed)
    stones = np.repeat(np.repeat(stones, 2, 0), 2, 1)[:size, :size]
    for _ in range(3):
        a, (x, y) = rng.uniform(0, np.pi), rng.uniform(0.3, 0.7, 2)
        bend = 0.03 * np.sin(7 * (u - x) + 5 * v)
        away = np.abs(-(u - x) * np.sin(a) + (v - y) * np.cos(a) + bend)
        ground = mix(ground, stones, smoothstep(0.02, 0.017, away))
    return np.clip(ground * (1 + 0.12 * grain[..., None]), 0, 1)


def _house(place: tuple[float, float, float], turn: float, *, seed: int) -> Iterator[Thing]:
    """Four walls under two slopes of tiles."""
    rng = np.random.default_rng(seed)
    wide, deep, tall = rng.uniform(5, 10), rng.uniform(4, 7), rng.uniform(2.2, 4.5)
    tint = rgb(str(rng.choice(["#c8b89a", "#b7a58c", "#a8b0b4", "#c09a84"])))
    wall = surfaces.plaster(120, 240, seed=seed) * tint * 1.3
    x, y, z = place
    yield cuboid((wide, deep, tall), np.clip(wall, 0, 1), place, turn)
    rise = rng.uniform(1.0, 2.2)
    tiles = surfaces.bricks(120, int(24 * wide), rows=18, seed=seed)[0]
    color = rgb(str(rng.choice(["#b0563c", "#8a8f96", "#96684a", "#6d7480"])))
    for side in (-1, 1):
        eaves = (-side * (wide / 2 + 0.3), -side * (deep / 2 + 0.3), tall - 0.2)
        across = (side * (wide + 0.6), 0, 0)
        up = (0, side * (deep / 2 + 0.3), rise + 0.2)
        yield Thing(quad(eaves, across, up), np.clip(tiles * color * 1.5, 0, 1)).moved(
            (x, y, z), turn=turn
        )
