"""What stands in the places. Each piece stands on z = 0 about the origin; its front faces -y."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from .. import prints, surfaces
from ..demo_objects import displaced_sphere, foliage
from ..noise import fbm, rgb
from ..shapes import Mesh, box, joined, quad, revolved, smooth_profile
from ..things import Thing

Place = tuple[float, float, float]


def placed(things: Iterable[Thing], to: Place, turn: float = 0.0) -> Iterator[Thing]:
    """A piece of furniture turned about z (degrees) and carried to its place."""
    for thing in things:
        yield thing.moved(to, turn=turn)


def flat(color: str, *, seed: int, size: int = 128, grain: float = 0.02) -> np.ndarray:
    """One colour with the faint unevenness of paint."""
    return np.clip(
        rgb(color) * (1 + grain * fbm(size, size, seed=seed, slope=1.2))[..., None], 0, 1
    )


def cuboid(size: Place, texture: np.ndarray, to: Place = (0, 0, 0), turn: float = 0.0) -> Thing:
    """A box with the same texture on every side."""
    return Thing(joined(list(box(size).values())).moved(to, turn=turn), texture)


def bookcase(*, seed: int, width: float = 1.1, rows: int = 4) -> Iterator[Thing]:
    """Shelves full of books of all sizes, with a few stones between them."""
    rng = np.random.default_rng(seed)
    wood = surfaces.planks(256, 512, count=2, seed=seed, tone=rng.uniform(-0.2, 0.1))
    depth, pitch = 0.28, 0.37
    tall = rows * pitch
    for x in (-width / 2, width / 2):
        yield cuboid((0.03, depth, tall), wood, (x, 0, 0))
    yield Thing(quad((-width / 2, depth / 2, tall), (width, 0, 0), (0, 0, -tall)), wood)
    for row in range(rows + 1):
        yield cuboid((width, depth, 0.025), wood, (0, 0, row * pitch))
    for row in range(rows):
        yield _book_row(width - 0.06, seed=seed * 10 + row).moved((0, 0, row * pitch + 0.025))
    for number in range(2):
        rock = displaced_sphere(0.09, (1.2, 1.0, 0.8), seed + number, 0.08, 1.4)
        spot = (rng.uniform(-0.4, 0.4) * width, 0.0, tall + 0.09)
        yield Thing(rock.moved(spot), surfaces.stone(seed=seed + number, size=128))


def _book_row(width: float, *, seed: int) -> Thing:
    """Books side by side: one mesh, one texture of all their spines."""
    rng = np.random.default_rng(seed)
    pixels = 760  # a metre
    spines, meshes, x = [], [], -width / 2
    while x < width / 2 - 0.07:
        if rng.random() < 0.06:
            x += rng.uniform(0.03, 0.1)
        thick, tall = rng.uniform(0.02, 0.06), rng.uniform(0.2, 0.32)
        front = -rng.uniform(0.05, 0.13)
        spine = np.rot90(prints.book_spine(240, int(thick * pixels), seed=seed * 50 + len(spines)))
        start = sum(part.shape[1] for part in spines)
        spines.append(spine)
        sides = [
            quad((x, front, tall), (thick, 0, 0), (0, 0, -tall)),
            quad((x, 0.1, tall), (thick, 0, 0), (0, front - 0.1, 0)),
            quad((x, 0.1, tall), (0, front - 0.1, 0), (0, 0, -tall)),
            quad((x + thick, front, tall), (0, 0.1 - front, 0), (0, 0, -tall)),
        ]
        for side in sides:
            u = start + 0.5 + side.uv[:, 0] * (spine.shape[1] - 1)
            meshes.append(Mesh(side.vertices, side.faces, np.stack([u, side.uv[:, 1]], 1)))
        x += thick + 0.002
    sheet = np.concatenate(spines, 1)
    mesh = joined(meshes)
    return Thing(Mesh(mesh.vertices, mesh.faces, mesh.uv / (sheet.shape[1], 1)), sheet)


def crates(*, seed: int, count: int = 3) -> Iterator[Thing]:
    """Printed boxes piled up."""
    rng = np.random.default_rng(seed)
    z = 0.0
    for number in range(count):
        size = tuple(rng.uniform(0.32, 0.62, 3) * (1, 1, 0.75))
        words = tuple(str(word) for word in rng.choice(prints.WORDS, 2, replace=False))
        kind = rng.integers(3)
        if kind == 0:
            texture = prints.label(300, 420, seed=seed + number, words=words)
        elif kind == 1:
            texture = surfaces.planks(300, 420, count=4, seed=seed + number)
        else:
            texture = prints.poster(420, 420, seed=seed + number, title=words[0])
        x, y = rng.normal(size=2) * 0.04
        yield cuboid(size, texture, (x, y, z), rng.uniform(-25, 25))
        z += size[2]


def plant(*, seed: int, tall: float = 1.1) -> Iterator[Thing]:
    """A pot with a leafy plant."""
    pot = [(0.19, 0.36), (0.2, 0.36), (0.18, 0.3), (0.16, 0.12), (0.13, 0.0)]
    yield Thing(
        revolved(smooth_profile(pot)), surfaces.glaze(256, 800, seed=seed, style="vase"), gloss=0.2
    )
    soil = revolved(np.array([(0.0, 0.32), (0.19, 0.32)]))
    yield Thing(soil, surfaces.stone(seed=seed, size=96) * 0.45)
    yield from foliage(
        (0, 0, 0.3), count=12, spread=0.4 * tall, rise=0.75 * tall, length=0.22 * tall, seed=seed
    )


def table(*, seed: int) -> Iterator[Thing]:
    """A table under a woven cloth with tins, a vase, stones and lying books on it."""
    rng = np.random.default_rng(seed)
    top = 0.72
    wood = surfaces.planks(300, 600, count=4, seed=seed)
    yield cuboid((1.3, 0.8, 0.04), wood, (0, 0, top - 0.04))
    for x in (-0.58, 0.58):
        for y in (-0.33, 0.33):
            yield cuboid((0.06, 0.06, top - 0.04), wood, (x, y, 0))
    cloth = quad((-0.35, 0.41, top + 0.003), (0.7, 0, 0), (0, -0.82, 0))
    weave = surfaces.kilim if rng.random() < 0.5 else surfaces.linen
    yield Thing(cloth, weave(512, 512, seed=seed))
    spots = rng.permutation([(-0.45, 0.2), (0.0, 0.22), (0.45, 0.2), (-0.4, -0.2), (0.4, -0.18)])
    yield from placed(tin(seed=seed), (*spots[0], top))
    yield from placed(tin(seed=seed + 1), (*spots[1], top))
    yield from placed(vase(seed=seed), (*spots[2], top))
    rock = displaced_sphere(0.09, (1.2, 1, 0.8), seed, 0.08, 1.4)
    yield Thing(rock, surfaces.stone(seed=seed, size=160)).moved((*spots[3], top + 0.07))
    for number in range(3):
        cover = prints.book_cover(320, 240, seed=seed + number)
        size = (0.2 - 0.02 * number, 0.27 - 0.02 * number, 0.04)
        yield cuboid(size, cover, (*spots[4], top + 0.042 * number), rng.uniform(-40, 40))


def tin(*, seed: int) -> Iterator[Thing]:
    """A labelled tin with its lid."""
    rng = np.random.default_rng(seed)
    radius, tall = rng.uniform(0.05, 0.09), rng.uniform(0.14, 0.28)
    words = tuple(str(word) for word in rng.choice(prints.WORDS, 3, replace=False))
    side = revolved(np.array([(radius, tall), (radius, 0.0)]))
    yield Thing(side, prints.label(240, 640, seed=seed, words=words), gloss=0.2)
    lid = revolved(np.array([(0.0, tall), (radius, tall)]))
    yield Thing(lid, surfaces.glaze(64, 256, seed=seed, style="mug"))


def vase(*, seed: int, scale: float = 1.0, texture: np.ndarray | None = None) -> Iterator[Thing]:
    """A turned vase, painted unless another texture is given."""
    rng = np.random.default_rng(seed)
    heights = np.linspace(0.34, 0.0, 6)
    radii = rng.uniform(0.04, 0.1, 6)
    profile = [(r * scale, z * scale) for r, z in zip(radii, heights, strict=True)]
    if texture is None:
        texture = surfaces.glaze(320, 800, seed=seed, style="vase")
    yield Thing(revolved(smooth_profile(profile)), texture, gloss=0.3)


def sofa(*, seed: int) -> Iterator[Thing]:
    """A low seat in woven cloth with cushions."""
    rng = np.random.default_rng(seed)
    cloth = surfaces.linen(500, 700, seed=seed)
    yield cuboid((1.7, 0.75, 0.4), cloth)
    yield cuboid((1.7, 0.2, 0.8), cloth, (0, 0.38, 0))
    for x in (-0.85, 0.85):
        yield cuboid((0.18, 0.75, 0.58), cloth, (x, 0, 0))
    for x in (-0.5, 0.05, 0.55):
        ball = displaced_sphere(0.22, (1, 0.45, 0.9), int(rng.integers(999)), 0.03, 1.0)
        rug = surfaces.kilim(256, 400, seed=seed + int(100 * (x + 1)))
        yield Thing(ball.moved((x, 0.12, 0.58), turn=rng.uniform(-20, 20)), rug)


def statue(*, seed: int, tall: float = 1.5) -> Iterator[Thing]:
    """A stone figure: plinth, turned body, a rough head and two arms."""
    rng = np.random.default_rng(seed)
    rock = surfaces.stone(seed=seed, size=256)
    yield cuboid((0.5 * tall / 1.5, 0.5 * tall / 1.5, 0.3 * tall), rock)
    heights = np.linspace(0.82, 0.3, 7) * tall
    radii = rng.uniform(0.07, 0.16, 7) * tall / 1.5
    body = [(float(r), float(z)) for r, z in zip(radii, heights, strict=True)]
    yield Thing(revolved(smooth_profile(body), segments=48), rock)
    head = displaced_sphere(0.13 * tall / 1.5, (0.9, 1, 1.15), seed, 0.12, 1.6)
    yield Thing(head.moved((0, 0, 0.9 * tall)), rock)
    for side in (-1, 1):
        arm = displaced_sphere(0.2 * tall / 1.5, (0.3, 0.35, 1.0), seed + side, 0.1, 1.5)
        yield Thing(arm.moved((side * 0.2 * tall / 1.5, -0.05, 0.62 * tall), tilt=20 * side), rock)


def boulders(spots: Iterable[tuple[float, float, float]], *, seed: int) -> Iterator[Thing]:
    """Rocks (x, y, radius) lying on the ground."""
    for number, (x, y, radius) in enumerate(spots):
        mesh = displaced_sphere(radius, (1.2, 1.0, 0.75), seed + number, 0.1, 1.4)
        rock = surfaces.stone(seed=seed + number, size=160)
        yield Thing(mesh.moved((x, y, 0.6 * radius), turn=70.0 * number), rock)
