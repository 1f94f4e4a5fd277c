"""Small things: on a table in the corner of a room, and on a plate that turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .. import demo_objects, surfaces
from ..demo_objects import displaced_sphere, lying_book
from ..shapes import quad, revolved
from ..stress import furniture
from ..stress.furniture import cuboid, placed
from ..stress.rooms import Wall, decorate, floor_texture, wall_texture
from ..things import Thing

_FLOOR = -0.74


def set_table(seed: int) -> Iterator[Thing]:
    """Two walls, a table whose top is z = 0, and some ten things on it; seen from -y."""
    rng = np.random.default_rng([seed, 31])
    back, right = Wall((-1.9, 1.3), (1.9, 1.3), 2.3), Wall((1.9, 1.3), (1.9, -1.6), 2.3)
    left = Wall((-1.9, -1.6), (-1.9, 1.3), 2.3)
    for number, wall in enumerate((back, right, left)):
        for thing in (
            wall.surface(wall_texture((number + seed) % 4, seed=seed + number)),
            *decorate(wall, seed=seed + 5 * number, count=3, low=1.0),
        ):
            yield thing.moved((0, 0, _FLOOR))
    yield Thing(quad((-2, 1.3, _FLOOR), (4, 0, 0), (0, -4, 0)), floor_texture(seed=seed))
    wood = surfaces.planks(900, 1400, count=7, seed=seed, tone=float(rng.uniform(-0.2, 0.2)))
    yield cuboid((1.8, 1.2, 0.04), wood, (0, 0.05, -0.04))
    cloth = surfaces.kilim if seed % 2 else surfaces.linen
    sheet = quad((-0.5, 0.45, 0.002), (1.0, 0, 0), (0, -0.8, 0))
    yield Thing(sheet, cloth(700, 900, seed=seed))
    spots = [(x, y) for x in (-0.62, -0.22, 0.2, 0.6) for y in (-0.28, 0.08, 0.42)]
    for number, spot in enumerate(rng.permutation(spots)[:11]):
        x, y = spot + rng.normal(size=2) * 0.03
        yield from placed(_thing(seed * 40 + number, rng), (x, y, 0), rng.uniform(-40, 40))


def plate(seed: int) -> Iterator[Thing]:
    """Things on a round plate of 0.5 metres, its middle the origin; nothing else."""
    rng = np.random.default_rng([seed, 32])
    top = revolved(np.array([(0.0, 0.0), (0.3, 0.0), (0.3, -0.03)]))
    wood = surfaces.stone if seed % 2 else surfaces.leaves
    yield Thing(top, wood(seed=seed, size=512))
    yield from placed(_thing(seed * 40, rng), (0.01, 0.02, 0), rng.uniform(0, 360))
    start = rng.uniform(0, 2 * np.pi)
    for number in range(5):
        a = start + number * 2 * np.pi / 5 + rng.normal() * 0.12
        spot = (0.19 * np.cos(a), 0.19 * np.sin(a), 0.0)
        yield from placed(_thing(seed * 40 + number + 1, rng), spot, rng.uniform(0, 360))


def _thing(seed: int, rng: np.random.Generator) -> Iterator[Thing]:
    """One of eight kinds; its middle is the origin."""
    kinds: tuple[Callable[[], Iterator[Thing]], ...] = (
        lambda: _books(seed, rng),
        lambda: furniture.tin(seed=seed),
        lambda: furniture.vase(seed=seed, scale=0.8),
        lambda: _rocks(seed, rng),
        lambda: furniture.tin(seed=seed + 7),
        lambda: demo_objects.mug((0.0, 0.0, 0.0)),
        lambda: _fruits(seed, rng),
        lambda: demo_objects.house((0.0, 0.0, 0.0)),
    )
    return kinds[int(rng.integers(len(kinds)))]()


def _books(seed: int, rng: np.random.Generator) -> Iterator[Thing]:
    z = 0.0
    for number in range(int(rng.integers(1, 4))):
        size = (0.24 - 0.02 * number, 0.17 - 0.015 * number, float(rng.uniform(0.025, 0.045)))
        yield from lying_book((0, 0, z), size, rng.normal() * 12, seed * 5 + number)
        z += size[2] + 0.001


def _rocks(seed: int, rng: np.random.Generator) -> Iterator[Thing]:
    for number in range(3):
        radius = float(rng.uniform(0.04, 0.075))
        rock = displaced_sphere(radius, (1.2, 1, 0.8), seed + number, 0.08, 1.4)
        spot = (*(rng.normal(size=2) * 0.04), 0.7 * radius)
        yield Thing(rock, surfaces.stone(seed=seed + number, size=200)).moved(spot)


def _fruits(seed: int, rng: np.random.Generator) -> Iterator[Thing]:
    for number in range(4):
        kind = str(rng.choice(["apple", "orange", "lemon"]))
        ball = displaced_sphere(0.042, (1, 1, 0.93), seed + number, 0.02, 1.0)
        skin = surfaces.fruit(kind, seed=seed + number)
        spot = (0.05 * np.cos(1.6 * number), 0.05 * np.sin(1.6 * number), 0.04)
        yield Thing(ball, skin).moved(spot, turn=40.0 * number)
