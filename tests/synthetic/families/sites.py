"""Where one may stand in the worlds, which way to look, and how much room there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..stress.scenes import Split
from ..stress.stages import room_size
from ..walks.plan import HALF, SPUR, crossing
from .worlds import VILLAGE


@dataclass(frozen=True)
class Site:
    """A place to photograph from. Metres."""

    world: str
    eye: np.ndarray
    aim: np.ndarray
    ahead: float
    """Room to walk towards the aim."""
    aside: float
    """Room to either side."""
    around: float = 0.0
    """Degrees that one can walk about the aim."""
    place: str = ""
    """Its name: no two splits share one."""

    @property
    def depth(self) -> float:
        """Distance of what is looked at."""
        return float(np.linalg.norm(self.aim - self.eye))


STREETS: dict[Split, tuple[tuple[tuple[float, float], tuple[float, float]], ...]] = {
    "tune": (
        ((0, 0), (1, 0)), ((1, 0), (1, 1)), ((1, 1), (0, 1)), ((0, 1), (0, 0)),
        ((0, 1), (0, 2)), ((0, 2), (1, 2)), ((0, -0.8), (0, 0)),
    ),
    "test": (
        ((1, 0), (2, 0)), ((2, 0), (2, 1)), ((2, 1), (2, 2)), ((2, 2), (1, 2)),
        ((1, 1), (2, 1)), ((1, 1), (1, 2)),
    ),
}  # fmt: skip
"""Streets of the village by the crossings they join; the lane is 0.8 of a block long."""
WORLD_SEEDS: dict[Split, tuple[int, ...]] = {"tune": (1101, 1102), "test": (2201, 2202)}
"""Of worlds made of meshes."""


def site(kind: str, split: Split, rng: np.random.Generator) -> Site:
    """A site of a kind, of those of a split."""
    if kind in ("street", "front", "blank"):
        return _village(kind, split, rng)
    seed = int(rng.choice(WORLD_SEEDS[split]))
    return _mesh_site(kind, seed, rng)


def _village(kind: str, split: Split, rng: np.random.Generator) -> Site:
    """Along a street, or across it at a front; "blank": along a wall without texture."""
    if kind == "blank" and split == "tune":
        number, start, stop = 99, crossing(1, 1.1), crossing(1, 2)
    else:
        number = int(rng.integers(len(STREETS[split])))
        first, last = STREETS[split][number]
        start, stop = _spot(first), _spot(last)
    way = np.subtract(stop, start)
    length = float(np.linalg.norm(way))
    way = way / length
    left = np.array((-way[1], way[0]))
    place = f"{VILLAGE} {split} {number}"
    if kind == "front":
        side = rng.choice([-1.0, 1.0])
        along = rng.uniform(0.35, 0.65) * length
        foot = np.array(start) + along * way
        eye = np.array((*(foot - side * 1.2 * left), rng.uniform(1.35, 1.6)))
        aim = np.array((*(foot + side * HALF * left), 1.45))
        return Site(VILLAGE, eye, aim, 0.8, 1.9, place=f"{place} {side:+.0f}")
    if kind == "street" and rng.random() < 0.5:
        start, way = np.asarray(stop), -way
    foot = np.array(start) + rng.uniform(0.8, 1.6) * way + rng.uniform(-0.35, 0.35) * left
    eye = np.array((*foot, rng.uniform(1.4, 1.65)))
    aim = eye + np.array((*(7.0 * way), -0.35))
    return Site(VILLAGE, eye, aim, 0.55 * length, 0.9, place=place)


def _spot(node: tuple[float, float]) -> tuple[float, float]:
    """A crossing, or the lane's end below the first one."""
    if node[1] < 0:
        return (0.0, -SPUR * 0.9)
    return crossing(*node)


def _mesh_site(kind: str, seed: int, rng: np.random.Generator) -> Site:
    world = f"{kind}-{seed}"
    lift = rng.uniform(-0.1, 0.1)
    if kind == "room":
        w, d = room_size(seed)
        side = rng.choice([-1, 1])
        eye, aim = (side * 0.05 * w, -0.28 * d, 1.45 + lift), (-side * 0.12 * w, 0.48 * d, 1.05)
        return _of(world, eye, aim, 0.28 * d, 0.22 * w, 50)
    if kind == "corridor":
        return _of(world, (0.05, -0.3, 1.5), (0.0, 5.0, 1.25), 4.0, 0.45)
    if kind == "square":
        a = rng.uniform(0, 2 * np.pi)
        return _of(
            world, (2.7 * np.cos(a), 2.7 * np.sin(a), 1.55 + lift), (0, 0, 0.75), 0.6, 1.2, 360
        )
    if kind == "facade":
        x = rng.uniform(-1.2, 1.2)
        return _of(world, (x, -4.1, 1.6), (x, 0, 1.3), 1.0, 4.5)
    if kind == "alley":
        return _of(world, (lift, -0.7, 1.6), (0, 8.0, 1.45), 5.5, 0.5)
    if kind == "stall":
        return _of(world, (lift, -3.0, 1.45), (0, 0.2, 1.05), 0.7, 0.85, 60)
    if kind == "plain":
        return _of(world, (0.3, -2.3, 1.2), (0.1, 0, 0.45), 0.4, 0.8, 100)
    if kind == "table":
        return _of(world, (2 * lift, -1.15, 0.6 + lift), (0, 0.08, 0.06), 0.35, 0.6, 110)
    if kind == "terrain":
        x, y = rng.uniform(-4, 4, 2)
        return _of(world, (x, y, 24 + 20 * lift), (x, y + 1e-3, 0), 4.0, 14.0)
    a = rng.uniform(0, 2 * np.pi)
    return _of(
        world, (0.72 * np.cos(a), 0.72 * np.sin(a), 0.38 + lift), (0, 0, 0.06), 0.1, 0.2, 360
    )


def _of(
    world: str, eye: tuple, aim: tuple, ahead: float, aside: float, around: float = 0.0
) -> Site:
    return Site(world, np.array(eye, float), np.array(aim, float), ahead, aside, around, world)
