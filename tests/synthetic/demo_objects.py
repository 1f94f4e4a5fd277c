"""What stands on the table of the demo, and what is used again around it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import prints, surfaces
from .noise import fbm_at
from .shapes import Mesh, box, grid, joined, leaf, quad, revolved, smooth_profile, torus
from .things import Thing

Place = tuple[float, float, float]


def displaced_sphere(radius: float, squash: Place, seed: int, rough: float, scale: float) -> Mesh:
    """A ball pressed to an ellipsoid, with bumps of `rough` times the radius."""
    points = surfaces.sphere_points(72, 144)
    bump = 1 + rough * fbm_at(points, seed=seed, scale=scale, octaves=4)
    return grid(points * bump[..., None] * radius * np.array(squash))


def globe(place: Place) -> Iterator[Thing]:
    x, y, _ = place
    ball = grid(surfaces.sphere_points(96, 192) * 0.165)
    yield Thing(ball.moved((x, y, 0.30), turn=35, tilt=23), prints.globe(seed=71), gloss=0.4)
    brass = surfaces.planks(64, 64, count=1, seed=72, tone=0.1)
    yield Thing(torus(0.185, 0.008, arc=250).moved((x, y, 0.30), turn=200), brass)
    foot = [(0.0, 0.14), (0.018, 0.135), (0.016, 0.09), (0.03, 0.05), (0.085, 0.025), (0.10, 0.0)]
    yield Thing(
        revolved(smooth_profile(foot)).moved(place),
        surfaces.planks(128, 512, count=1, seed=73, tone=-0.1),
    )


def lying_book(
    place: Place, size: tuple[float, float, float], turn: float, seed: int
) -> Iterator[Thing]:
    spine = prints.book_spine(512, 96, seed=seed)
    pages = prints.page_edges(96, 512, seed=seed)
    cover = np.rot90(prints.book_cover(640, 450, seed=seed), 1)
    parts = {"front": spine, "left": pages, "right": pages, "top": cover, "back": pages}
    for side, mesh in box(size).items():
        yield Thing(mesh.moved(place, turn=turn), parts[side])


def books(place: Place) -> Iterator[Thing]:
    rng = np.random.default_rng(17)
    x, y, z = place
    for number in range(5):
        size = (0.31 - 0.022 * number, 0.22 - 0.014 * number, rng.uniform(0.03, 0.05))
        yield from lying_book((x, y, z), size, rng.normal() * 9, 80 + number)
        z += size[2] + 0.001
    apple = displaced_sphere(0.043, (1, 1, 0.92), 91, 0.02, 1.0)
    yield Thing(
        apple.moved((x + 0.05, y, z + 0.038), tilt=12), surfaces.fruit("apple", seed=91), gloss=0.5
    )
    pear = smooth_profile(
        [
            (0.0, 0.105),
            (0.012, 0.10),
            (0.02, 0.075),
            (0.036, 0.045),
            (0.038, 0.02),
            (0.02, 0.002),
            (0.0, 0.0),
        ]
    )
    yield Thing(
        revolved(pear).moved((x - 0.05, y + 0.01, z)), surfaces.fruit("pear", seed=92), gloss=0.4
    )


def foliage(
    place: Place, *, count: int, spread: float, rise: float, length: float, seed: int
) -> Iterator[Thing]:
    """A bunch of arching stems with leaves, from one point."""
    rng = np.random.default_rng(seed)
    blades, stems = [], []
    for _ in range(count):
        turn, lean = rng.random() * 360, rng.uniform(0.15, 1.0)
        s = np.linspace(0, 1, 12)
        a = np.radians(turn)
        out = spread * lean * s**1.6
        curve = np.stack([out * np.cos(a), out * np.sin(a), rise * (1 - 0.35 * lean) * s], 1)
        angle = np.linspace(0, 2 * np.pi, 7)
        ring = 0.0025 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
        stems.append(grid(curve[:, None] + ring[None]).moved(place))
        for where in (5, 7, 8, 9, 10, 11):
            blade = leaf(
                length * rng.uniform(0.7, 1.2),
                length * rng.uniform(0.34, 0.5),
                bend=rng.uniform(0.4, 1.3),
                kind=int(rng.integers(4)),
            )
            at = np.array(place) + curve[where]
            blades.append(
                blade.moved(tuple(at), turn=turn - 90 + rng.normal() * 70, tilt=rng.uniform(5, 60))
            )
    texture = surfaces.leaves(seed=seed)
    yield Thing(joined(blades), texture)
    yield Thing(joined(stems), texture[:, 600:700])


def vase(place: Place) -> Iterator[Thing]:
    profile = [
        (0.040, 0.285),
        (0.046, 0.29),
        (0.044, 0.27),
        (0.034, 0.235),
        (0.055, 0.19),
        (0.092, 0.12),
        (0.085, 0.055),
        (0.052, 0.012),
        (0.055, 0.0),
    ]
    yield Thing(
        revolved(smooth_profile(profile)).moved(place),
        surfaces.glaze(700, 1300, seed=94, style="vase"),
        gloss=0.6,
    )
    x, y, z = place
    yield from foliage((x, y, z + 0.24), count=9, spread=0.24, rise=0.30, length=0.105, seed=95)


def fruit_bowl(place: Place) -> Iterator[Thing]:
    x, y, z = place
    outer = [
        (0.152, 0.082),
        (0.148, 0.08),
        (0.135, 0.055),
        (0.10, 0.022),
        (0.055, 0.008),
        (0.05, 0.0),
    ]
    inner = [
        (0.0, 0.014),
        (0.05, 0.016),
        (0.095, 0.03),
        (0.130, 0.058),
        (0.146, 0.08),
        (0.152, 0.082),
    ]
    glaze = surfaces.glaze(420, 1600, seed=97, style="bowl")
    yield Thing(revolved(smooth_profile(outer)).moved(place), glaze, gloss=0.6)
    yield Thing(revolved(smooth_profile(inner)).moved(place), glaze, gloss=0.6)
    fruits = (
        ("orange", 0.040, (-0.066, -0.03, 0.066)),
        ("apple", 0.040, (0.015, -0.072, 0.066)),
        ("lemon", 0.034, (0.078, -0.012, 0.066)),
        ("orange", 0.041, (0.036, 0.064, 0.067)),
        ("plum", 0.031, (-0.048, 0.056, 0.064)),
        ("apple", 0.039, (-0.012, -0.002, 0.112)),
        ("plum", 0.030, (-0.012, 0.088, 0.072)),
        ("lemon", 0.032, (0.056, 0.034, 0.112)),
    )
    for number, (kind, radius, (dx, dy, dz)) in enumerate(fruits):
        squash = (1.0, 1.0, 1.28) if kind == "lemon" else (1.0, 1.0, 0.93)
        mesh = displaced_sphere(radius, squash, 200 + number, 0.018, 1.2)
        skin = surfaces.fruit(kind, seed=210 + number)
        lie = 80.0 if kind == "lemon" else 15.0
        yield Thing(
            mesh.moved((x + dx, y + dy, z + dz), turn=57.0 * number, tilt=lie), skin, gloss=0.4
        )


def mug(place: Place) -> Iterator[Thing]:
    x, y, z = place
    wall = [
        (0.040, 0.098),
        (0.043, 0.10),
        (0.045, 0.096),
        (0.044, 0.05),
        (0.042, 0.008),
        (0.036, 0.0),
    ]
    glaze = surfaces.glaze(360, 900, seed=99, style="mug")
    yield Thing(revolved(smooth_profile(wall)).moved(place), glaze, gloss=0.6)
    yield Thing(
        revolved(np.array([(0.0, 0.075), (0.042, 0.075)])).moved(place),
        surfaces.planks(64, 64, count=1, seed=1, tone=-0.35),
    )
    yield Thing(
        torus(0.028, 0.006, arc=210).moved((x + 0.040, y - 0.004, z + 0.052), turn=-8),
        glaze[:64, :256],
        gloss=0.6,
    )


def blocks() -> Iterator[Thing]:
    places = (
        ("S", -0.305, -0.325, 0.0, 8),
        ("P", -0.225, -0.345, 0.0, -6),
        ("L", -0.148, -0.330, 0.0, 11),
        ("A", -0.070, -0.350, 0.0, -4),
        ("T", 0.008, -0.335, 0.0, 7),
        ("3", -0.190, -0.338, 0.058, 21),
        ("D", -0.108, -0.340, 0.058, -13),
    )
    for number, (character, x, y, z, turn) in enumerate(places):
        lift = z + (0.008 if abs(x) < 0.28 else 0.0)
        for face, (_, mesh) in enumerate(box((0.057, 0.057, 0.057)).items()):
            other = "AEKMRXZ"[(number + face) % 7]
            texture = prints.letter(character if face == 0 else other, seed=300 + 7 * number + face)
            yield Thing(mesh.moved((x, y, lift), turn=turn), texture)


def open_book(place: Place) -> Iterator[Thing]:
    for number, side in enumerate((-1, 1)):
        across = np.linspace(0, 1, 24) if side > 0 else np.linspace(1, 0, 24)
        arch = 0.026 * np.sqrt(np.clip(across, 0.0, 1)) * (1.25 - across)
        x, y = np.meshgrid(side * across * 0.155, np.linspace(0.11, -0.11, 16))
        sheet = grid(np.stack([x, y, np.broadcast_to(arch + 0.004, x.shape)], -1))
        yield Thing(sheet.moved(place, turn=24), prints.page(620, 440, seed=400 + number))


def stones() -> Iterator[Thing]:
    spots = (
        (0.22, -0.335, 0.045),
        (0.295, -0.365, 0.030),
        (0.175, -0.385, 0.026),
        (0.245, -0.405, 0.022),
        (-0.30, 0.03, 0.036),
        (0.29, 0.03, 0.028),
    )
    for number, (x, y, radius) in enumerate(spots):
        mesh = displaced_sphere(radius, (1.2, 0.95, 0.72), 500 + number, 0.09, 1.4)
        yield Thing(
            mesh.moved((x, y, radius * 0.62 + 0.006), turn=40.0 * number),
            surfaces.stone(seed=510 + number),
        )


def tins() -> Iterator[Thing]:
    for place, radius, tall, seed, words in (
        ((-0.20, 0.17, 0.004), 0.048, 0.15, 600, ("TEA", "GARDEN", "FIELD")),
        ((0.27, 0.33, 0.004), 0.055, 0.24, 605, ("COPPER", "LENS", "RAYS")),
        ((-0.70, 0.42, 0.0), 0.060, 0.20, 611, ("NORTH", "TIDE", "ECHO")),
    ):
        side = np.array([(radius, tall), (radius, 0.0)])
        yield Thing(
            revolved(side).moved(place, turn=200),
            prints.label(360, 900, seed=seed, words=words),
            gloss=0.3,
        )
        lid = np.array([(0.0, tall), (radius, tall)])
        yield Thing(
            revolved(lid).moved(place), surfaces.glaze(96, 512, seed=seed, style="mug"), gloss=0.3
        )


def house(place: Place) -> Iterator[Thing]:
    """A toy house with a gabled roof."""
    w, d, h, top = 0.15, 0.12, 0.11, 0.085
    turn = -22.0
    front = prints.poster(256, 340, seed=701, title="HOTEL")
    side = prints.label(256, 300, seed=702, words=("A", "B"))
    for name, mesh in box((w, d, h)).items():
        yield Thing(mesh.moved(place, turn=turn), front if name in ("front", "back") else side)
    roof, _ = surfaces.bricks(256, 384, rows=9, seed=703)
    eave = 0.02
    for sign in (-1, 1):
        ridge_left = np.array([sign * (w / 2 + eave), 0.0, h + top])
        slope = np.array([0.0, sign * (d / 2 + eave), -top * (1 + eave / (d / 2))])
        yield Thing(
            quad(ridge_left, (sign * -(w + 2 * eave), 0, 0), slope).moved(place, turn=turn), roof
        )
    for sign in (-1, 1):
        x = sign * w / 2
        gable = Mesh(
            np.array([(x, -d / 2, h), (x, d / 2, h), (x, 0, h + top)]),
            np.array([(0, 1, 2)]),
            np.array([(0, 1), (1, 1), (0.5, 0)]),
        )
        yield Thing(gable.moved(place, turn=turn), side)
