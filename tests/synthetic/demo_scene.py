"""The demo: a still life on a table in the corner of a room, everything made in code."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import demo_objects, prints, surfaces
from .demo_objects import Place
from .noise import fbm
from .shapes import Mesh, box, grid, quad, revolved, smooth_profile
from .things import Lamp, Thing

LAMPS = (
    Lamp((-1.9, -2.6, 2.5), (0, 0.1, 0), (2.0, 1.6), 190.0, (1.0, 0.91, 0.78)),
    Lamp((2.3, -2.2, 1.9), (0, 0.2, 0), (1.6, 1.4), 45.0, (0.84, 0.91, 1.0)),
)
AMBIENT = (0.42, 0.43, 0.46)
TARGET = np.array([0.0, 0.12, 0.08])
FLOOR = -0.74
CEILING = 1.5


def things() -> Iterator[Thing]:
    """Everything in the room. Origin: middle of the table's top; +y away from the viewer."""
    yield from _room()
    yield from _walls_hung()
    yield from _table()
    yield from demo_objects.globe((-0.47, 0.20, 0.0))
    yield from demo_objects.books((0.06, 0.27, 0.012))
    yield from demo_objects.vase((0.47, 0.20, 0.012))
    yield from demo_objects.fruit_bowl((0.0, -0.10, 0.012))
    yield from demo_objects.mug((0.36, -0.17, 0.012))
    yield from demo_objects.blocks()
    yield from demo_objects.open_book((-0.52, -0.20, 0.006))
    yield from demo_objects.stones()
    yield from demo_objects.tins()
    yield from demo_objects.house((0.66, -0.10, 0.0))
    yield from _floor_things()


def _room() -> Iterator[Thing]:
    yield Thing(
        quad((-3, 1.6, FLOOR), (6, 0, 0), (0, -6, 0)),
        surfaces.planks(2048, 2048, count=30, seed=5, tone=-0.12),
    )
    rug = fbm(90, 140, seed=8, slope=1.8)
    x, y = np.meshgrid(np.linspace(-1.25, 1.25, 140), np.linspace(0.75, -1.1, 90))
    yield Thing(
        grid(np.stack([x, y, FLOOR + 0.012 + 0.003 * rug], -1)), surfaces.kilim(1200, 1600, seed=3)
    )
    color, relief = surfaces.bricks(1320, 2304, rows=31, seed=11)
    rows, columns = 660, 1152
    x, z = np.meshgrid(np.linspace(-1.9, 1.9, columns), np.linspace(CEILING, FLOOR, rows))
    y = 1.25 - 0.018 * relief[::2, ::2]
    yield Thing(grid(np.stack([x, y, z], -1)), color)
    yield Thing(
        quad((-1.9, -1.2, CEILING), (0, 2.5, 0), (0, 0, FLOOR - CEILING)),
        surfaces.wallpaper(1800, 2000, seed=21),
    )
    yield Thing(
        quad((1.9, 1.25, CEILING), (0, -2.5, 0), (0, 0, FLOOR - CEILING)),
        surfaces.plaster(1320, 1470, seed=31),
    )
    skirting = surfaces.planks(64, 2048, count=1, seed=41, tone=-0.2)
    for mesh in (
        quad((-1.9, 1.22, FLOOR + 0.1), (3.8, 0, 0), (0, 0, -0.1)),
        quad((-1.88, -1.2, FLOOR + 0.1), (0, 2.45, 0), (0, 0, -0.1)),
        quad((1.88, 1.25, FLOOR + 0.1), (0, -2.45, 0), (0, 0, -0.1)),
    ):
        yield Thing(mesh, skirting)


def _hung(texture: np.ndarray, place: Place, width: float, *, wall: str) -> Iterator[Thing]:
    """A picture as a thin box on the "back", "left" or "right" wall; `place` is its centre."""
    height = width * texture.shape[0] / texture.shape[1]
    turn = {"back": 0.0, "left": 90.0, "right": -90.0}[wall]
    frame = surfaces.planks(64, 256, count=1, seed=int(width * 1000), tone=-0.25)
    for side, mesh in box((width, 0.03, height)).items():
        centred = Mesh(mesh.vertices - (0, 0, height / 2), mesh.faces, mesh.uv)
        yield Thing(centred.moved(place, turn=turn), texture if side == "front" else frame)


def _walls_hung() -> Iterator[Thing]:
    yield from _hung(prints.landscape(560, 800, seed=4), (-0.72, 1.215, 0.44), 0.66, wall="back")
    yield from _hung(
        prints.poster(900, 640, seed=7, title="SPLATPOSE"), (0.98, 1.215, 0.36), 0.46, wall="back"
    )
    yield from _hung(prints.clock(), (1.55, 1.215, 0.50), 0.30, wall="back")
    yield from _hung(
        prints.poster(800, 600, seed=15, title="ATLAS"), (-1.86, 0.15, 0.30), 0.50, wall="left"
    )
    yield from _hung(prints.landscape(500, 640, seed=19), (-1.86, 0.82, 0.36), 0.46, wall="left")
    yield from _hung(
        prints.poster(700, 900, seed=23, title="HARBOUR"), (1.86, 0.28, 0.28), 0.72, wall="right"
    )
    yield from _hung(prints.page(800, 600, seed=29), (1.86, 0.92, 0.34), 0.34, wall="right")
    board = surfaces.planks(64, 512, count=1, seed=52)
    for mesh in box((0.72, 0.22, 0.025)).values():
        yield Thing(mesh.moved((0.22, 1.12, 0.22)), board)
    rng = np.random.default_rng(3)
    x = -0.10
    for number in range(13):
        thick, tall = rng.uniform(0.022, 0.05), rng.uniform(0.19, 0.29)
        lean = rng.normal() * 1.2
        yield from _standing_book(
            (x + thick / 2, 1.11, 0.245), (thick, 0.16, tall), lean, 100 + number
        )
        x += thick + 0.003


def _standing_book(
    place: Place, size: tuple[float, float, float], lean: float, seed: int
) -> Iterator[Thing]:
    spine = np.rot90(prints.book_spine(512, max(32, int(512 * size[0] / size[2])), seed=seed), 1)
    cover = prints.book_cover(384, 256, seed=seed)
    pages = prints.page_edges(64, 128, seed=seed)
    parts = {"front": spine, "left": cover, "right": cover, "top": pages, "back": pages}
    for side, mesh in box(size).items():
        yield Thing(mesh.moved(place, turn=lean), parts[side])


def _table() -> Iterator[Thing]:
    wood = surfaces.planks(1100, 1700, count=7, seed=61, tone=0.08)
    edge = surfaces.planks(64, 1024, count=1, seed=62)
    for side, mesh in box((1.70, 1.06, 0.045)).items():
        yield Thing(mesh.moved((0, 0.06, -0.045)), wood if side == "top" else edge)
    yield Thing(quad((-0.85, 0.59, -0.045), (1.7, 0, 0), (0, -1.06, 0)), edge)
    for x in (-0.78, 0.78):
        for y in (-0.40, 0.52):
            for mesh in box((0.075, 0.075, -FLOOR - 0.045)).values():
                yield Thing(mesh.moved((x, y, FLOOR)), surfaces.planks(512, 64, count=1, seed=63))
    yield Thing(_runner(), surfaces.linen(1500, 760, seed=65))


def _runner() -> Mesh:
    """A cloth across the table that hangs over its front edge in soft folds."""
    length, rows, columns = 1.32, 260, 90
    s = np.linspace(0, length, rows)[:, None]
    x = np.linspace(-0.27, 0.27, columns)[None]
    front = -0.47
    top = 0.56 - front
    bend = np.clip((s - top) / 0.03, 0, np.pi / 2)
    y = np.where(s < top, 0.56 - s, front - 0.03 * np.sin(bend)) + 0 * x
    hang = np.where(s < top, 0.0, 0.03 * (1 - np.cos(bend))) + np.maximum(
        s - top - 0.03 * np.pi / 2, 0
    )
    fold = np.clip((s - top) / 0.1, 0, 1) * np.sin(x * 38 + 1.1) * 0.016
    wrinkle = 0.0022 * (1.2 + fbm(rows, columns, seed=66, slope=2.4, coarsest=3))
    z = np.maximum(wrinkle, 0) + 0.0015 - hang
    return grid(
        np.stack([x + 0.02 * s * np.sin(3 * s) + 0 * s, y - np.abs(fold) - 0.004 * bend, z], -1)
    )


def _floor_things() -> Iterator[Thing]:
    crate = surfaces.planks(400, 600, count=4, seed=801)
    for mesh in box((0.44, 0.34, 0.36)).values():
        yield Thing(mesh.moved((-1.40, 0.72, FLOOR), turn=14), crate)
    for number in range(3):
        yield from demo_objects.lying_book(
            (-1.40, 0.72, FLOOR + 0.361 + 0.046 * number),
            (0.30, 0.21, 0.045),
            14 + 13 * number,
            810 + number,
        )
    pot = [(0.17, 0.30), (0.18, 0.30), (0.165, 0.27), (0.15, 0.12), (0.12, 0.0)]
    yield Thing(
        revolved(smooth_profile(pot)).moved((1.38, 0.74, FLOOR)),
        surfaces.glaze(500, 1400, seed=821, style="vase"),
    )
    soil = revolved(np.array([(0.0, 0.26), (0.17, 0.26)])).moved((1.38, 0.74, FLOOR))
    yield Thing(soil, surfaces.stone(seed=822) * 0.45)
    yield from demo_objects.foliage(
        (1.38, 0.74, FLOOR + 0.25), count=16, spread=0.46, rise=0.62, length=0.24, seed=823
    )
    basket = [(0.20, 0.26), (0.21, 0.26), (0.215, 0.15), (0.19, 0.0)]
    yield Thing(
        revolved(smooth_profile(basket)).moved((-0.45, -0.75, FLOOR)),
        surfaces.kilim(500, 1600, seed=831),
    )
    for number in range(6):
        a = number * 1.05
        ball = demo_objects.displaced_sphere(0.085, (1, 1, 1), 840 + number, 0.03, 2.0)
        at = (-0.45 + 0.11 * np.cos(a), -0.75 + 0.11 * np.sin(a), FLOOR + 0.22)
        yield Thing(ball.moved(at, turn=50 * number), surfaces.kilim(256, 512, seed=850 + number))
