"""Worlds by name, made when they are asked for and kept: the village and splats of meshes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from splatpose.scene.splats import Splats

from .. import demo_scene
from ..stress import outdoors, rooms
from ..stress.stages import room_size
from ..things import Lamp, Thing
from ..walks.world import splat_of_village
from . import tabletop
from .surfels import splat_of
from .terrain import land

VILLAGE = "village"
VILLAGE_SEED = 3
_SHARP = 360.0
"""Focal length in pixels for which Gaussians are a pixel wide."""


@dataclass(frozen=True)
class Plan:
    """What a splat of meshes is made from."""

    things: Callable[[], Iterator[Thing]]
    viewers: np.ndarray
    """[P, 3]."""
    lamps: tuple[Lamp, ...]
    ambient: float
    span: float
    """Metres about what the lamps point at that they light."""
    nearest: float
    """Metres from the viewers within which nothing is made finer."""
    focal: float = _SHARP


def room(seed: int) -> Plan:
    w, d = room_size(seed)
    spots = [(x * w, y * d, 1.4) for x in (-0.25, 0, 0.25) for y in (-0.3, 0.0, 0.25)]
    lamp = Lamp((-0.15 * w, -0.15 * d, 2.5), (0.1, 0.2, 0.0), (0.9, 0.7), 0, (0.62, 0.56, 0.46))
    return Plan(lambda: rooms.room(seed, w, d), np.array(spots), (lamp,), 0.5, 6.0, 2.6)


def corridor(seed: int) -> Plan:
    spots = [(0.0, y, 1.5) for y in np.linspace(-0.5, 4.0, 6)]
    lamp = Lamp((0.1, 3.0, 2.4), (0.0, 3.2, 0.0), (0.5, 2.0), 0, (0.4, 0.38, 0.34))
    return Plan(lambda: rooms.corridor(seed), np.array(spots), (lamp,), 0.6, 9.0, 3.0)


def _sunny(
    things: Callable[[], Iterator[Thing]], spots: object, reach: float, nearest: float
) -> Plan:
    lamp = Lamp(
        (-0.8 * reach, -1.1 * reach, 1.7 * reach),
        (0, 0, 0),
        (0.2 * reach,) * 2,
        0,
        (0.85, 0.76, 0.62),
    )
    return Plan(things, np.array(spots, float), (lamp,), 0.42, 1.2 * reach, nearest)


def square(seed: int) -> Plan:
    angles = np.arange(10) / 10 * 2 * np.pi
    spots = [(2.6 * np.cos(a), 2.6 * np.sin(a), 1.5) for a in angles]
    return _sunny(lambda: outdoors.square(seed), spots, 9.0, 1.8)


def facade(seed: int) -> Plan:
    spots = [(x, -4.1, 1.6) for x in np.linspace(-6, 6, 9)]
    return _sunny(lambda: outdoors.facade(seed), spots, 12.0, 3.0)


def alley(seed: int) -> Plan:
    spots = [(0.0, y, 1.6) for y in np.linspace(-1, 7, 9)]
    return _sunny(lambda: outdoors.alley(seed), spots, 14.0, 1.8)


def stall(seed: int) -> Plan:
    spots = [(x, -2.9, z) for x in (-1.2, -0.4, 0.4, 1.2) for z in (1.0, 1.7)]
    return _sunny(lambda: outdoors.market_stall(seed), spots, 7.0, 1.8)


def plain(seed: int) -> Plan:
    spots = [(2.2 * np.cos(a), 2.2 * np.sin(a), 1.2) for a in np.linspace(-2.6, -0.6, 6)]
    return _sunny(lambda: outdoors.plain_object(seed), spots, 6.0, 2.0)


def table(seed: int) -> Plan:
    """A laid table in the corner of a room."""
    spots = [
        (r * np.sin(a), -r * np.cos(a), z)
        for a in np.radians((-60, -30, 0, 30, 60))
        for r, z in ((1.05, 0.45), (1.25, 0.75))
    ]
    lamps = tuple(
        Lamp(lamp.position, lamp.target, lamp.size, 0, tuple(np.multiply(lamp.color, share)))
        for lamp, share in zip(demo_scene.LAMPS, (0.5, 0.22), strict=True)
    )
    return Plan(lambda: tabletop.set_table(seed), np.array(spots), lamps, 0.5, 3.5, 0.8)


def terrain(seed: int) -> Plan:
    rng = np.random.default_rng(seed)
    relief, houses = float(rng.choice([0.35, 0.8, 1.6])), int(rng.integers(6, 16))
    spots = [(x, y, 24.0) for x in (-15, -5, 5, 15) for y in (-15, -5, 5, 15)]
    plan = _sunny(lambda: land(seed, relief=relief, houses=houses), spots, 40.0, 20.0)
    return Plan(plan.things, plan.viewers, plan.lamps, plan.ambient, plan.span, plan.nearest)


def turned_things(seed: int) -> Plan:
    """A few things on a plate, to be turned: nothing round them."""
    spots = [
        (0.85 * np.cos(a), 0.85 * np.sin(a), z)
        for a in np.arange(8) / 8 * 2 * np.pi
        for z in (0.3, 0.6)
    ]
    lamp = Lamp((-0.9, -1.3, 1.7), (0, 0, 0), (0.6, 0.6), 0, (0.6, 0.55, 0.5))
    return Plan(lambda: tabletop.plate(seed), np.array(spots), (lamp,), 0.5, 0.9, 0.55)


KINDS: dict[str, Callable[[int], Plan]] = {
    kind.__name__: kind
    for kind in (room, corridor, square, facade, alley, stall, plain, table, terrain, turned_things)
}
"""Worlds made of meshes; they are called KIND-SEED."""


def splats_of(name: str, out: Path, village: Path, say: Callable[[str], None]) -> Splats:
    """A world's splat.

    Args:
        out: keeps what is made of meshes, in `.worlds`.
        village: folder of the walks, where the village is kept.
    """
    if name == VILLAGE:
        return splat_of_village(village, VILLAGE_SEED, threads=0, say=say)
    path = out / ".worlds" / f"{name}.pt"
    if not path.exists():
        start = time.perf_counter()
        kind, _, seed = name.rpartition("-")
        plan = KINDS[kind](int(seed))
        splats = splat_of(
            plan.things(),
            plan.viewers,
            focal=plan.focal,
            lamps=plan.lamps,
            ambient=plan.ambient,
            span=plan.span,
            nearest=plan.nearest,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        torch.save({f.name: getattr(splats, f.name) for f in fields(splats)}, part)
        part.rename(path)
        say(f"{name}: {len(splats):,} Gaussians in {time.perf_counter() - start:.0f} s")
    return Splats(**torch.load(path, weights_only=True))
