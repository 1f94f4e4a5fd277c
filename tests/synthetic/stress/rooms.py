"""Places indoors: furnished rooms and a corridor. z up, the floor at z = 0, metres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .. import prints, surfaces
from ..noise import fbm, mix, ramp, rgb, smoothstep
from ..shapes import box, joined, quad
from ..things import Thing
from . import furniture
from .furniture import cuboid, flat, placed


@dataclass(frozen=True)
class Wall:
    """From `a` to `b` [2] on the floor, left to right for who stands before it."""

    a: tuple[float, float]
    b: tuple[float, float]
    height: float = 2.6

    @property
    def length(self) -> float:
        return float(np.hypot(self.b[0] - self.a[0], self.b[1] - self.a[1]))

    @property
    def turn(self) -> float:
        """Degrees that furniture turns to stand with its back to the wall."""
        return float(np.degrees(np.arctan2(self.b[1] - self.a[1], self.b[0] - self.a[0])))

    def at(self, along: float, out: float, z: float = 0.0) -> tuple[float, float, float]:
        """The point `along` metres from a, `out` metres into the room."""
        d = (np.array(self.b) - self.a) / self.length
        x, y = np.array(self.a) + along * d + out * np.array((d[1], -d[0]))
        return (float(x), float(y), z)

    def surface(self, texture: np.ndarray) -> Thing:
        across = (self.b[0] - self.a[0], self.b[1] - self.a[1], 0.0)
        mesh = quad((*self.a, self.height), np.array(across), np.array((0, 0, -self.height)))
        return Thing(mesh, texture)

    def hung(
        self, texture: np.ndarray, along: float, z: float, width: float, *, mirror: bool = False
    ) -> Iterator[Thing]:
        """A picture (or a mirror) in a thin frame; its centre at `along`, `z`."""
        height = width * texture.shape[0] / texture.shape[1]
        back = joined(list(box((width + 0.06, 0.03, height + 0.06)).values()))
        wood = surfaces.planks(64, 256, count=1, seed=int(width * 1000), tone=-0.2)
        yield Thing(back, wood).moved(self.at(along, 0.015, z - height / 2 - 0.03), turn=self.turn)
        sheet = quad((-width / 2, -0.02, height / 2), (width, 0, 0), (0, 0, -height))
        yield Thing(sheet, texture, mirror=mirror).moved(self.at(along, 0.015, z), turn=self.turn)


def walls_of(width: float, depth: float, height: float = 2.6) -> tuple[Wall, Wall, Wall, Wall]:
    """Back (+y), right (+x), front (-y), left (-x) of a room about the origin."""
    x, y = width / 2, depth / 2
    return (
        Wall((-x, y), (x, y), height),
        Wall((x, y), (x, -y), height),
        Wall((x, -y), (-x, -y), height),
        Wall((-x, -y), (-x, y), height),
    )


def ground(width: float, depth: float, texture: np.ndarray) -> Thing:
    return Thing(quad((-width / 2, depth / 2, 0), (width, 0, 0), (0, -depth, 0)), texture)


def ceiling(width: float, depth: float, height: float, *, seed: int) -> Thing:
    """Painted boards; the sky's light comes through them."""
    paint = surfaces.plaster(256, 256, seed=seed, color="#d8d3c6")
    mesh = quad((-width / 2, -depth / 2, height), (width, 0, 0), (0, depth, 0))
    return Thing(mesh, paint, lets_light_in=True)


def wall_texture(kind: int, *, seed: int) -> np.ndarray:
    """One of four ways to finish a wall, about 380 pixels a metre for 3 metres."""
    if kind == 0:
        return surfaces.bricks(800, 1200, rows=30, seed=seed)[0]
    if kind == 1:
        grounds = ("#2f4d4a", "#6d3b34", "#d9cfb4", "#39456b")
        return surfaces.wallpaper(900, 1500, seed=seed, ground=grounds[seed % 4])
    if kind == 2:
        colors = ("#c9b48a", "#a9bfb8", "#c79a80", "#b9bba0")
        return surfaces.plaster(800, 1200, seed=seed, color=colors[seed % 4])
    return surfaces.planks(800, 1200, count=9, seed=seed, tone=0.1)


def floor_texture(*, seed: int) -> np.ndarray:
    if seed % 2:
        return surfaces.planks(1200, 1200, count=22, seed=seed, tone=-0.1)
    return paving(1200, 1200, count=10, seed=seed)


def paving(height: int, width: int, *, count: int, seed: int) -> np.ndarray:
    """Stone slabs, each of its own tone, worn and stained."""
    rng = np.random.default_rng(seed)
    size = height / count
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (v + 0.03 * size * fbm(height, width, seed=seed + n) for n, v in enumerate((x, y)))
    row = np.clip((y / size).astype(int), 0, count)
    shift = x + rng.random(count + 1)[row] * size
    column = np.floor(shift / size / 1.3).astype(int)
    tone = rng.random((count + 1, column.max() + 2))[row, column]
    rough = fbm(height, width, seed=seed + 3, slope=1.0, coarsest=10)
    stain = fbm(height, width, seed=seed + 4, slope=1.6, coarsest=2)
    stops = ((0, "#4d4a45"), (0.5, "#8a8478"), (1, "#bdb4a2"))
    color = ramp(0.25 + 0.45 * tone + 0.1 * rough + 0.1 * stain, *stops)
    inside = np.minimum(
        np.minimum(y % size, size - y % size),
        np.minimum(shift % (1.3 * size), 1.3 * size - shift % (1.3 * size)),
    )
    return mix(color, rgb("#2b2925"), smoothstep(4.5, 1.5, inside + rough))


def decorate(wall: Wall, *, seed: int, count: int, low: float = 1.25) -> Iterator[Thing]:
    """Pictures, posters and a clock along a wall."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        along = (number + 0.5 + rng.uniform(-0.15, 0.15)) / count * wall.length
        width = min(rng.uniform(0.5, 0.95), 0.8 * wall.length / count)
        own = seed * 20 + number
        kind = int(rng.integers(4))
        if kind == 0:
            picture = prints.landscape(360, 520, seed=own)
        elif kind == 1:
            picture = prints.page(480, 360, seed=own)
        else:
            title = str(rng.choice(prints.WORDS))
            picture = prints.poster(520, 400, seed=own, title=title)
        yield from wall.hung(picture, along, rng.uniform(low, low + 0.5), width)


def room(seed: int, width: float, depth: float, *, mirror: float | None = None) -> Iterator[Thing]:
    """A furnished room with a texture on everything; `mirror`: width of one on the back wall."""
    rng = np.random.default_rng(seed)
    walls = walls_of(width, depth)
    yield ground(width, depth, floor_texture(seed=seed))
    yield ceiling(width, depth, 2.6, seed=seed)
    kinds = rng.permutation(4)
    for number, wall in enumerate(walls):
        yield wall.surface(wall_texture(int(kinds[number]), seed=seed + number))
        if number == 0 and mirror:
            glass = np.zeros((30, round(30 * mirror / 1.5), 3))
            yield from wall.hung(glass, wall.length / 2, 1.35, mirror, mirror=True)
        else:
            yield from decorate(wall, seed=seed + number, count=int(wall.length / 1.15))
    pieces = [
        lambda s: furniture.bookcase(seed=s),
        lambda s: furniture.sofa(seed=s),
        lambda s: furniture.crates(seed=s),
        lambda s: furniture.plant(seed=s),
        lambda s: furniture.table(seed=s),
    ]
    order = rng.permutation(len(pieces))
    for number, wall in enumerate(walls):
        if number == 0 and mirror:
            continue
        spots = (0.27, 0.75) if wall.length > 3.5 else (0.5,)
        for place, share in enumerate(spots):
            piece = pieces[order[(2 * number + place) % len(pieces)]]
            along = (share + rng.uniform(-0.04, 0.04)) * wall.length
            yield from placed(piece(seed * 7 + number * 2 + place), wall.at(along, 0.5), wall.turn)
    rug = surfaces.kilim(700, 900, seed=seed)
    mesh = quad((-0.32 * width, 0.25 * depth, 0.006), (0.64 * width, 0, 0), (0, -0.5 * depth, 0))
    yield Thing(mesh, rug)


def corridor(seed: int, length: float = 9.0, width: float = 2.0) -> Iterator[Thing]:
    """Almost nothing to see: painted walls, a plain floor, doors, and few signs. Runs along +y."""
    rng = np.random.default_rng(seed)
    left = Wall((-width / 2, -1.0), (-width / 2, length), 2.5)
    end = Wall((-width / 2, length), (width / 2, length), 2.5)
    right = Wall((width / 2, length), (width / 2, -1.0), 2.5)
    lino = flat("#8d8a80", seed=seed + 1, size=1400, grain=0.05)
    fleck = smoothstep(2.2, 2.8, fbm(1400, 1400, seed=seed + 3, slope=0.7, coarsest=60))
    lino = mix(lino, rgb("#5f5b53"), 0.6 * fleck)
    yield Thing(quad((-width / 2, length, 0), (width, 0, 0), (0, -length - 1, 0)), lino)
    roof = quad((-width / 2, -1, 2.5), (width, 0, 0), (0, length + 1, 0))
    yield Thing(roof, flat("#d5d3cc", seed=seed + 2, grain=0.004), lets_light_in=True)
    paint = flat("#c9c6bd", seed=seed, size=512, grain=0.006)
    colors = rng.choice(["#7a5a3c", "#56626b", "#6b4a44", "#87795c"], 2, replace=False)
    for number, wall in enumerate((left, right)):
        yield wall.surface(paint)
        for spot in np.arange(1.6 + 0.7 * number, wall.length - 1, 2.7):
            along = float(spot + rng.uniform(-0.3, 0.3))
            yield from placed(
                _door(str(colors[number]), seed=int(rng.integers(9999))),
                wall.at(along, 0.0),
                wall.turn,
            )
            title = str(rng.choice(prints.WORDS))
            sign = prints.poster(300, 420, seed=int(rng.integers(9999)), title=title)
            yield from wall.hung(sign, along + 1.0, rng.uniform(1.35, 1.7), 0.36)
            notice = prints.page(420, 300, seed=int(rng.integers(9999)))
            yield from wall.hung(notice, along + 1.7, rng.uniform(1.3, 1.6), 0.24)
    yield end.surface(paint)
    for along in (0.3, width - 0.3):
        sign = prints.label(240, 320, seed=int(rng.integers(9999)), words=("NORTH", "GARDEN"))
        yield from end.hung(sign, along, rng.uniform(1.5, 1.8), 0.34)
    yield from placed(_door("#5b6b5a", seed=seed), end.at(width / 2, 0.0), end.turn)


def _door(color: str, *, seed: int) -> Iterator[Thing]:
    """A painted door in its frame with a number plate and a handle."""
    leaf = flat(color, seed=seed, size=256, grain=0.03)
    frame = flat("#4d4a46", seed=seed + 1, grain=0.03)
    yield cuboid((0.86, 0.04, 2.05), leaf)
    for x in (-0.47, 0.47):
        yield cuboid((0.08, 0.09, 2.1), frame, (x, 0, 0))
    yield cuboid((1.02, 0.09, 0.08), frame, (0, 0, 2.05))
    plate = prints.letter(str(seed % 10), seed=seed)
    yield cuboid((0.14, 0.06, 0.14), plate, (0, 0, 1.5))
    yield cuboid((0.12, 0.12, 0.03), frame, (0.34, 0, 1.02))
