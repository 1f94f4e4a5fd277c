"""A village: streets and houses, a walled garden in it and towers behind the roofs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from .. import surfaces
from ..demo_objects import displaced_sphere, foliage
from ..noise import fbm, mix, ramp, rgb, smoothstep
from ..shapes import grid, quad, revolved, smooth_profile
from ..stress import furniture
from ..stress.furniture import cuboid, placed
from ..stress.rooms import Wall, decorate, paving
from ..things import Lamp, Thing
from .fronts import PIXELS, bare_wall, blank_wall, fine_leaves, front
from .plan import GARDEN, HALF, PITCH, SPUR, STREET, crossing, garden_walls, house_walls


def village(seed: int) -> Iterator[Thing]:
    """Everything that stands in the village."""
    yield from _paved(seed)
    number = seed * 1000
    for wall in house_walls():
        number += 10
        yield from _row(wall, seed=number)
    yield from _garden(seed)
    yield from _street_things(seed)
    yield from _far(seed)


def sun() -> tuple[Lamp, ...]:
    """A low sun over the south-west."""
    x, y = GARDEN
    reach = 42.0
    spot = (x - 0.8 * reach, y - 1.1 * reach, 1.7 * reach)
    size = (0.25 * reach, 0.25 * reach)
    return (Lamp(spot, (x, y, 0), size, 95.0 * reach**2, (1, 0.9, 0.75)),)


SKY = (0.55, 0.62, 0.72)


def _row(wall: Wall, *, seed: int) -> Iterator[Thing]:
    """Houses side by side along a wall, each with its own front, height and roof."""
    rng = np.random.default_rng(seed)
    count = max(1, round(wall.length / 4.6))
    cuts = np.linspace(0, wall.length, count + 1)
    cuts[1:-1] += rng.uniform(-0.5, 0.5, count - 1)
    for number in range(count):
        start, stop = float(cuts[number]), float(cuts[number + 1])
        height = rng.uniform(3.1, 4.5)
        own = seed + number * 7919 + int(rng.integers(6))
        piece = Wall(wall.at(start, 0)[:2], wall.at(stop, 0)[:2], height)
        yield piece.surface(front(stop - start, height, seed=own))
        yield _roof(piece, seed=own)
        for end, far in ((0.0, 0.001), (piece.length, piece.length - 0.001)):
            side = Wall(piece.at(end, 0)[:2], piece.at(far, -2.0)[:2], height)
            yield side.surface(bare_wall(256, 160, kind="plaster", seed=own + 3))


def _roof(wall: Wall, *, seed: int) -> Thing:
    """Tiles that slope back from a little before the wall."""
    rng = np.random.default_rng([seed, 5])
    rise, back = rng.uniform(0.9, 1.9), 2.2
    tiles = surfaces.bricks(220, int(60 * wall.length), rows=14, seed=seed)[0]
    tint = rgb(str(rng.choice(["#b06a50", "#8a8f96", "#a0876a", "#7d8f7a", "#c08a60"])))
    low, high = wall.at(0, 0.25, wall.height - 0.1), wall.at(0, -back, wall.height + rise)
    across = np.array(wall.at(wall.length, 0)) - wall.at(0, 0)
    return Thing(quad(high, across, np.subtract(low, high)), np.clip(tiles * tint * 1.5, 0, 1))


def _paved(seed: int) -> Iterator[Thing]:
    """Streets and crossings, every piece of its own stones, with leaves on them."""
    number = seed * 400
    for i in range(3):
        for j in range(3):
            x, y = crossing(i, j)
            number += 1
            yield _ground((x - HALF, y - HALF), (x + HALF, y + HALF), number)
            if i < 2:
                u = crossing(i + 1, j)[0]
                yield _ground((x + HALF, y - HALF), (u - HALF, y + HALF), number + 100)
            if j < 2:
                v = crossing(i, j + 1)[1]
                yield _ground((x - HALF, y + HALF), (x + HALF, v - HALF), number + 200)
    yield _ground((-HALF, -SPUR), (HALF, -HALF), number + 300)


def _ground(low: tuple[float, float], high: tuple[float, float], seed: int) -> Thing:
    rng = np.random.default_rng([seed, 9])
    size = np.subtract(high, low)
    columns, rows = (size * 90).astype(int)
    count = max(6, int(size[1] * rng.uniform(1.6, 3.4)))
    stones = paving(rows, columns, count=count, seed=seed)
    tint = rgb(str(rng.choice(["#ffffff", "#ffdcb8", "#c8d4e4", "#d8e0b8", "#e8c8b8"])))
    image = Image.fromarray((np.clip(stones * tint, 0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(size.prod() * rng.uniform(3, 14))):
        spot, a = rng.random(2) * (columns, rows), rng.random() * 2 * np.pi
        r = rng.uniform(4, 11)
        along = r * np.array((np.cos(a), np.sin(a)))
        side = 0.45 * r * np.array((-np.sin(a), np.cos(a)))
        outline = [tuple(spot + out) for out in (along, side, -along, -side)]
        color = rng.choice(["#a8552a", "#c98a2b", "#7d6a2a", "#5d7a35", "#d8b45a", "#8c2f24"])
        draw.polygon(outline, fill=str(color))
    puddle = smoothstep(1.4, 1.9, fbm(rows, columns, seed=seed, slope=1.7, coarsest=2))
    texture = mix(np.asarray(image) / 255, rgb("#4d5560"), 0.6 * puddle)
    mesh = quad((low[0], high[1], 0), (size[0], 0, 0), (0, -size[1], 0))
    return Thing(mesh, texture)


def _garden(seed: int) -> Iterator[Thing]:
    """Behind a wall that is blank to the west: a lawn with paths, a statue, trees and hedges."""
    x, y = GARDEN
    wide, deep = PITCH[0] - STREET, PITCH[1] - STREET
    yield Thing(
        quad((x - wide / 2, y + deep / 2, 0), (wide, 0, 0), (0, -deep, 0)), _lawn(seed, wide, deep)
    )
    for side in range(4):
        for part, wall in enumerate(garden_walls(side)):
            yield from _garden_wall(wall, blank=side == 3, seed=seed + 10 * side + part)
    yield cuboid((1.2, 1.2, 0.3), surfaces.stone(seed=seed + 3, size=256), (x, y, 0))
    yield from placed(furniture.statue(seed=seed, tall=1.9), (x, y, 0.3), 30)
    for number, (dx, dy) in enumerate(((-3.8, 2.6), (3.6, 2.8), (3.9, -2.7), (-3.7, -2.8))):
        yield from placed(tree(seed=seed * 5 + number), (x + dx, y + dy, 0))
    for number, (dx, dy, turn) in enumerate(((0.2, 3.2, 0.0), (-0.3, -3.2, 180.0))):
        pieces = (furniture.table(seed=seed + number), furniture.bookcase(seed=seed + number))
        yield from placed(pieces[number], (x + dx, y + dy, 0), turn)
        yield from placed(furniture.plant(seed=seed + number), (x + dx + 1.4, y + dy, 0))
        yield from placed(furniture.crates(seed=seed + number), (x + dx - 1.5, y + dy, 0))


def _garden_wall(wall: Wall, *, blank: bool, seed: int) -> Iterator[Thing]:
    """A wall with two faces and a coping; the inner face is ivy or posters."""
    if blank:
        yield wall.surface(blank_wall(wall.length, wall.height, seed=seed))
    else:
        yield wall.surface(front(wall.length, wall.height, seed=seed + 17))
    inner = Wall(wall.at(wall.length, -0.3)[:2], wall.at(0, -0.3)[:2], wall.height)
    rows, columns = int(wall.height * PIXELS), int(wall.length * PIXELS)
    kind = ("ivy", "bricks", "stone")[seed % 3]
    yield inner.surface(bare_wall(rows, columns, kind=kind, seed=seed))
    yield from decorate(inner, seed=seed, count=max(2, int(wall.length / 1.6)))
    middle = wall.at(wall.length / 2, -0.15, wall.height)
    stone = surfaces.stone(seed=seed, size=200)
    yield cuboid((wall.length, 0.42, 0.1), stone, middle, wall.turn)


def _lawn(seed: int, wide: float, deep: float) -> np.ndarray:
    """Grass, flower beds and gravel round the middle."""
    rows, columns = int(deep * 90), int(wide * 90)
    blades = fbm(rows, columns, seed=seed, slope=0.8, stretch=(3, 1), coarsest=20)
    patch = fbm(rows, columns, seed=seed + 1, slope=1.6, coarsest=3)
    value = 0.5 + 0.2 * blades + 0.15 * patch
    grass = ramp(value, (0, "#33491f"), (0.5, "#5f7d35"), (1, "#a3ab5a"))
    flowers = fine_leaves(rows, columns, seed=seed, ground="#3f4a24")
    grass = mix(grass, flowers, smoothstep(0.5, 0.7, patch))
    v, u = (np.mgrid[0:rows, 0:columns] / 90.0).astype(np.float32)
    ring = np.hypot(u - wide / 2, v - deep / 2)
    gravel = np.minimum(np.abs(ring - 2.2), np.abs(v - deep / 2)) + 0.08 * patch
    stones = paving(rows, columns, count=int(deep * 5), seed=seed)
    return mix(grass, stones, smoothstep(0.75, 0.65, gravel))


def tree(*, seed: int, tall: float = 3.0) -> Iterator[Thing]:
    """A trunk, a knobbly crown of leaves and some twigs that stick out of it."""
    rng = np.random.default_rng([seed, 3])
    trunk = [(0.1, tall), (0.12, 0.7 * tall), (0.16, 0.3 * tall), (0.24, 0.0)]
    bark = np.rot90(surfaces.planks(400, 400, count=5, seed=seed, tone=-0.25))
    yield Thing(revolved(smooth_profile(trunk), segments=24), bark)
    ground = str(rng.choice(["#31502a", "#4d5a22", "#6b4a1f", "#2a4433"]))
    leaves = fine_leaves(600, 1200, seed=seed, ground=ground)
    for _ in range(3):
        spot = (*(rng.normal(size=2) * 0.35), tall + rng.uniform(-0.2, 0.5))
        crown = displaced_sphere(
            rng.uniform(0.7, 1.0), (1, 1, 0.85), int(rng.integers(9999)), 0.16, 2.2
        )
        yield Thing(crown, leaves).moved(spot, turn=rng.uniform(0, 360))
    yield from foliage((0, 0, 0.75 * tall), count=8, spread=1.0, rise=0.9, length=0.3, seed=seed)


def _street_things(seed: int) -> Iterator[Thing]:
    """What stands before the houses: boxes, plants, vases, statues, stones, stalls."""
    rng = np.random.default_rng([seed, 21])
    makers = (
        lambda s: furniture.crates(seed=s, count=int(1 + s % 3)),
        lambda s: furniture.plant(seed=s, tall=0.7 + 0.1 * (s % 6)),
        lambda s: furniture.vase(seed=s, scale=2.4),
        lambda s: furniture.statue(seed=s, tall=1.2 + 0.1 * (s % 4)),
        lambda s: furniture.boulders([(0, 0, 0.22), (0.3, 0.1, 0.15)], seed=s),
    )
    for wall in house_walls():
        if wall.length < STREET + 0.1:
            continue
        spots = np.arange(1.4, wall.length - 1.0, 2.6)
        for spot in spots + rng.uniform(-0.6, 0.6, len(spots)):
            own = int(rng.integers(99999))
            maker = makers[int(rng.choice(5, p=(0.34, 0.26, 0.16, 0.1, 0.14)))]
            yield from placed(maker(own), wall.at(float(spot), 0.4), wall.turn + rng.normal() * 15)


def _far(seed: int) -> Iterator[Thing]:
    """Towers behind the roofs, hills all round and the clouds."""
    x, y = GARDEN
    rng = np.random.default_rng([seed, 33])
    spots = (
        (-7, 5, 11),
        (-8, 20, 9),
        (8, 34, 12),
        (24, 35, 10),
        (38, 21, 13),
        (37, 4, 9),
        (15, -9, 12),
    )
    for number, (u, v, tall) in enumerate(spots):
        side = rng.uniform(2.0, 3.2)
        kind = ("bricks", "stone", "plaster", "planks")[number % 4]
        wall = bare_wall(int(tall * 60), int(side * 60), kind=kind, seed=seed + 400 + number)
        yield cuboid((side, side, tall), wall, (u, v, 0), rng.uniform(-20, 20))
        cap = revolved(np.array([(0.0, 2.4), (0.75 * side, 0.0)]), segments=4)
        tiles = surfaces.bricks(200, 600, rows=14, seed=seed + number)[0]
        yield Thing(cap, tiles).moved((u, v, tall), turn=45)
    angle = np.linspace(0, 2 * np.pi, 97)
    ring = np.stack([x + 70 * np.cos(angle), y + 70 * np.sin(angle), 0 * angle], 1)
    hills = np.stack([ring + np.array((0, 0, 16)), ring + np.array((0, 0, -2))])
    yield Thing(grid(hills), _hills(seed), lets_light_in=True)
    dome = surfaces.sphere_points(48, 96) * 95.0 + np.array((x, y, -5.0))
    yield Thing(grid(dome[:26]), _clouds(seed), lets_light_in=True)


def _hills(seed: int) -> np.ndarray:
    """Woods and fields on ridges, one behind the other, below a hazy sky."""
    rows, columns = 300, 3000
    rng = np.random.default_rng([seed, 41])
    y = np.linspace(0, 1, rows)[:, None] * np.ones(columns)
    color = ramp(y, (0, "#a9c4dc"), (1, "#dce6ea"))
    grain = fbm(rows, columns, seed=seed + 5, slope=0.9, coarsest=30)
    for number, tone in enumerate(("#8d9fb0", "#6f8a78", "#587344", "#465c34")):
        waves = sum(
            np.sin(np.linspace(0, 2 * np.pi * k, columns) + rng.random() * 6) / k**0.8
            for k in (3, 5, 8, 13, 21, 34)
        )
        line = 0.28 + 0.14 * number + 0.045 * waves
        inside = smoothstep(0.0, 0.02, y - line[None] + 0.01 * grain)
        color = mix(color, rgb(tone) * (1 + 0.16 * grain)[..., None], inside)
    return np.clip(color, 0, 1)


def _clouds(seed: int) -> np.ndarray:
    cover = fbm(500, 1500, seed=seed + 6, slope=1.5, stretch=(1, 1), coarsest=6)
    return ramp(cover, (-0.6, "#7fa8d4"), (0.5, "#c4d6e6"), (1.6, "#f4f4f2"))
