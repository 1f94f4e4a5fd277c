"""Places outdoors: a facade, an alley, a square; and a plain thing on a plain ground."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import prints, surfaces
from ..demo_objects import displaced_sphere
from ..noise import fbm, mix, ramp, rgb, smoothstep
from ..shapes import quad, revolved, smooth_profile
from ..things import Thing
from . import furniture
from .furniture import cuboid, flat, placed
from .rooms import Wall, decorate, ground, paving, wall_texture

MODULE = 3.2
"""Metres from one module of the facade to the next."""


def facade(seed: int, modules: int = 5) -> Iterator[Thing]:
    """The same bay again and again: window, arch and statue, every copy exactly the same.

    Only the pavement, some plants and boxes before it tell one bay from another. It stands at
    y = 0 and is seen from -y.
    """
    rng = np.random.default_rng(seed)
    wide = MODULE * modules
    bay = list(_bay(seed))
    for number in range(modules):
        x = (number - (modules - 1) / 2) * MODULE
        yield from placed(bay, (x, 0, 0))
    street = paving(1100, 2600, count=16, seed=seed)
    yield Thing(quad((-wide / 2 - 6, 0.3, 0), (wide + 12, 0, 0), (0, -9, 0)), street)
    for number, x in enumerate((-wide / 2 - 6, wide / 2)):
        house = Wall((x, 0.1), (x + 6, 0.1), 5.5)
        yield house.surface(wall_texture(2 + number, seed=seed + 5 + number))
    for number in range(modules + 1):
        x = (number - modules / 2) * MODULE + rng.uniform(-0.9, 0.9)
        piece = furniture.crates(seed=seed * 9 + number, count=1 + number % 2)
        if number % 3 == 1:
            piece = furniture.plant(seed=seed * 9 + number, tall=rng.uniform(0.6, 0.9))
        yield from placed(piece, (x, -rng.uniform(0.7, 1.5), 0), rng.uniform(-30, 30))


def _bay(seed: int) -> Iterator[Thing]:
    """One module: plastered wall with cornices, a window in its frame, a statue beside it."""
    high = 4.6
    wall = surfaces.plaster(800, 560, seed=seed, color="#c2b08c")
    yield Thing(quad((-MODULE / 2, 0, high), (MODULE, 0, 0), (0, 0, -high)), wall)
    stone = surfaces.stone(seed=seed + 1, size=256)
    for z, out in ((0.0, 0.12), (3.6, 0.14), (high - 0.15, 0.22)):
        yield cuboid((MODULE, out, 0.16), stone, (0, -out / 2, z))
    for x in (-MODULE / 2 + 0.12, MODULE / 2 - 0.12):
        yield cuboid((0.24, 0.16, 3.6), stone, (x, -0.08, 0))
    frame = surfaces.planks(256, 256, count=2, seed=seed + 2, tone=-0.2)
    glass = ramp(fbm(256, 256, seed=seed + 3), (-2, "#27313a"), (0, "#46545c"), (2, "#74828a"))
    yield Thing(quad((-0.95, -0.02, 2.9), (1.1, 0, 0), (0, 0, -1.7)), glass)
    for x in (-0.97, -0.42, 0.13):
        yield cuboid((0.09, 0.08, 1.78), frame, (x, -0.04, 1.17))
    for z in (1.12, 1.95, 2.86):
        yield cuboid((1.25, 0.1, 0.09), frame, (-0.42, -0.05, z))
    yield from placed(furniture.statue(seed=seed, tall=1.7), (0.85, -0.45, 0.0))


def alley(seed: int, length: float = 14.0, width: float = 3.4) -> Iterator[Thing]:
    """Between two rows of houses, with things along both sides. Runs along +y."""
    rng = np.random.default_rng(seed)
    floor = paving(1600, 640, count=26, seed=seed)
    yield Thing(quad((-width / 2, length, 0), (width, 0, 0), (0, -length - 1.5, 0)), floor)
    left = Wall((-width / 2, -1.5), (-width / 2, length), 4.2)
    right = Wall((width / 2, length), (width / 2, -1.5), 4.2)
    end = Wall((-width / 2, length), (width / 2, length), 4.2)
    for number, wall in enumerate((left, right)):
        for part in range(3):
            start, stop = wall.length * part / 3, wall.length * (part + 1) / 3
            piece = Wall(wall.at(start, 0)[:2], wall.at(stop, 0)[:2], 4.2)
            yield piece.surface(
                wall_texture((part + 2 * number) % 4, seed=seed + 7 * number + part)
            )
        yield from decorate(wall, seed=seed + number, count=9, low=1.4)
        for spot in np.arange(1.2 + number, wall.length - 0.5, 2.3):
            own = int(rng.integers(99999))
            pieces = (
                lambda s: furniture.crates(seed=s, count=2),
                lambda s: furniture.plant(seed=s),
                lambda s: furniture.vase(seed=s, scale=2.2),
            )
            piece = pieces[int(rng.integers(3))]
            yield from placed(piece(own), wall.at(float(spot), 0.42), wall.turn)
    yield end.surface(wall_texture(0, seed=seed + 50))
    yield from decorate(end, seed=seed + 51, count=2)


def square(seed: int) -> Iterator[Thing]:
    """A monument in the middle of a paved court with four different walls."""
    rng = np.random.default_rng(seed)
    side = 9.0
    yield ground(side, side, paving(1500, 1500, count=20, seed=seed))
    x = side / 2
    corners = [(-x, x), (x, x), (x, -x), (-x, -x)]
    for number in range(4):
        wall = Wall(corners[number], corners[(number + 1) % 4], 3.4)
        yield wall.surface(wall_texture((number + seed) % 4, seed=seed + number))
        yield from decorate(wall, seed=seed + 11 * number, count=5)
        pieces = (furniture.crates(seed=seed + number), furniture.plant(seed=seed + number))
        for piece, along in zip(pieces, (0.3, 0.72), strict=True):
            yield from placed(piece, wall.at(along * side, 0.6), wall.turn)
    yield cuboid((1.3, 1.3, 0.25), surfaces.stone(seed=seed + 3, size=256))
    yield from placed(furniture.statue(seed=seed, tall=1.5), (0.0, 0.05, 0.25), rng.uniform(0, 90))
    for number in range(4):
        a = number * np.pi / 2 + rng.uniform(0.3, 0.9)
        spot = (0.95 * np.cos(a), 0.95 * np.sin(a), 0.0)
        piece = furniture.vase(seed=seed + number, scale=1.6)
        if number % 2:
            piece = furniture.crates(seed=seed * 3 + number, count=1)
        yield from placed(piece, spot, rng.uniform(0, 360))


def market_stall(seed: int) -> Iterator[Thing]:
    """A laden table with shelves before a wall, to be seen from -y."""
    rng = np.random.default_rng(seed)
    wall = Wall((-3.2, 0.9), (3.2, 0.9), 3.2)
    yield wall.surface(wall_texture(seed % 4, seed=seed))
    yield ground(7, 9, paving(900, 700, count=12, seed=seed + 1))
    yield from decorate(wall, seed=seed, count=5, low=1.8)
    yield from placed(furniture.table(seed=seed), (-0.3, -0.5, 0))
    yield from placed(furniture.bookcase(seed=seed), wall.at(3.0, 0.3), 0.0)
    yield from placed(furniture.crates(seed=seed), (0.95, -0.3, 0), 12)
    yield from placed(furniture.plant(seed=seed), (-1.5, 0.1, 0))
    yield from placed(furniture.statue(seed=seed + 2, tall=1.5), (1.75, 0.35, 0), -15)
    yield from furniture.boulders(
        [(float(x), float(-1.2 - 0.4 * rng.random()), 0.13) for x in (-1.1, -0.2, 0.8)], seed=seed
    )


def plain_object(seed: int) -> Iterator[Thing]:
    """A big turned body of one colour on a faintly stained floor before a plain wall."""
    rng = np.random.default_rng(seed)
    stain = fbm(1200, 1200, seed=seed, slope=1.25, coarsest=3)
    speck = smoothstep(2.3, 2.9, fbm(1200, 1200, seed=seed + 1, slope=0.6, coarsest=40))
    floor = rgb("#a59d8f") * (1 + 0.05 * stain)[..., None]
    yield ground(7, 7, mix(floor, rgb("#6f675c"), 0.5 * speck))
    for number, wall in enumerate((Wall((-3.5, 3), (3.5, 3)), Wall((3.5, 3), (3.5, -3.5)))):
        yield wall.surface(flat("#b9b6ac", seed=seed + 2 + number, size=512, grain=0.012))
    left = Wall((-3.5, -3.5), (-3.5, 3))
    yield left.surface(flat("#b4b8b4", seed=seed + 4, size=512, grain=0.012))
    heights = np.linspace(1.05, 0.0, 7)
    radii = rng.uniform(0.16, 0.42, 7)
    body = [(0.0, 1.1), *zip(map(float, radii), map(float, heights), strict=True)]
    colors = ("#b7b2a6", "#8fa0a8", "#b59a86", "#9aa58d")
    skin = np.ones((8, 8, 3)) * rgb(colors[seed % 4])
    yield Thing(revolved(smooth_profile(body)), skin, gloss=0.2)
    ball = displaced_sphere(0.26, (1, 1, 1), seed, 0.0, 1.0)
    yield Thing(ball, np.ones((8, 8, 3)) * rgb("#a9a59b")).moved((0.75, -0.25, 0.26))


def cart(seed: int) -> Iterator[Thing]:
    """Something big and richly textured that can be pushed through a picture."""
    yield from furniture.crates(seed=seed, count=3)
    poster = prints.poster(420, 420, seed=seed, title="MOTION")
    yield cuboid((0.75, 0.55, 0.5), poster, (0.0, 0.0, 0.0), 20)
