"""Families that differ in how the camera moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..cameras import look_at
from . import paths
from .lenses import Lens
from .photos import Shot
from .scenes import SIZES, Draft, Scene, label_of, lens_of, shots_of
from .sites import site


def shake(d: Draft) -> Scene:
    """Two seconds of video from the hand."""
    where = site(
        d.pick(("street", "room", "front", "table", "stall"), ("street", "alley", "room")),
        d.split,
        d.rng,
    )
    kind = d.pick(("moustache", "plain", "barrel", "phone"), ("moustache", "zoomed out", "plain"))
    sway = d.pick((0.015, 0.03, 0.06), (0.02, 0.045))
    poses = paths.shaken(where, d.pick((12, 16, 20), (14, 18)), d.rng, sway=sway)
    about = f"Held in the hand, swaying by {sway:.1%} of the distance; {kind} lens."
    return d.scene(about, where, shots_of(poses, lens_of(kind, d.rng)))


def forward_dolly(d: Draft) -> Scene:
    """Straight ahead."""
    where = site(
        d.pick(("street", "alley", "street", "corridor"), ("street", "alley")), d.split, d.rng
    )
    kind = d.pick(("plain", "moustache", "wide", "phone"), ("mild", "pincushion", "plain"))
    poses = paths.forward(where, d.pick((10, 14, 12), (12, 9)), d.rng, share=d.pick((0.9, 0.5)))
    return d.scene(
        f"Straight ahead; {kind} lens.", where, _labelled(d, poses, lens_of(kind, d.rng))
    )


def sideways_dolly(d: Draft) -> Scene:
    """Along something that is looked at."""
    where = site(
        d.pick(("front", "stall", "room", "table", "street"), ("front", "stall", "room")),
        d.split,
        d.rng,
    )
    kind = d.pick(("plain", "barrel", "long", "moustache"), ("phone", "fisheye", "long plain"))
    poses = paths.sideways(where, d.pick((9, 12, 8), (10, 12)), d.rng)
    return d.scene(f"Left to right; {kind} lens.", where, _labelled(d, poses, lens_of(kind, d.rng)))


def planar_wall(d: Draft) -> Scene:
    """A flat front from a grid of places."""
    where = site("front", d.split, d.rng)
    kind = d.pick(("plain", "moustache", "mild"), ("barrel", "phone"))
    poses = paths.sheet(where, *d.pick(((2, 5), (3, 4), (1, 8)), ((2, 4), (3, 4))), d.rng)
    return d.scene(f"A flat front; {kind} lens.", where, _labelled(d, poses, lens_of(kind, d.rng)))


def aerial(d: Draft) -> Scene:
    """Straight down on fields and houses."""
    where = site("terrain", d.split, d.rng)
    kind = d.pick(("plain", "mild", "phone"), ("plain", "barrel"))
    poses = paths.nadir(where, *d.pick(((3, 4), (3, 6), (2, 5)), ((3, 5), (4, 6))), d.rng)
    shots = _labelled(d, poses, lens_of(kind, d.rng))
    return d.scene(f"Strips of a drone's photos; {kind} lens.", where, shots)


def _labelled(d: Draft, poses: np.ndarray, lens: Lens) -> list[Shot]:
    """Every second scene's photos tell their focal length in EXIF, rightly."""
    return shots_of(poses, lens, label=label_of(lens) if d.number % 2 else None)


def turntable(d: Draft) -> Scene:
    """Things turn on a plate while the camera and all behind them stand still."""
    where = site("turned_things", d.split, d.rng)
    behind = site(
        d.pick(("corridor", "plain", "room"), ("plain", "corridor", "table")), d.split, d.rng
    )
    view = paths.still(behind, 1, d.rng)[0]
    count = d.pick((16, 12, 24), (18, 14))
    degrees = d.pick((330, 150, 345), (340, 120))
    poses = _turned(where.eye, where.aim, count, degrees, d.rng)
    lens = lens_of(d.pick(("plain", "phone"), ("mild", "plain")), d.rng)
    about = f"A turntable by {degrees} degrees before {behind.place}, which stands still."
    return d.scene(about, where, shots_of(poses, lens), backdrop=(behind.world, view))


def _turned(
    eye: np.ndarray, aim: np.ndarray, count: int, degrees: float, rng: np.random.Generator
) -> np.ndarray:
    """One look at the aim, turned about the vertical through it."""
    first = look_at(eye, aim)
    start, poses = rng.uniform(0, 2 * np.pi), []
    for angle in start + np.radians(np.linspace(0, degrees, count)):
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        poses.append(turn @ first)
    return np.stack(poses)


def orbit(d: Draft) -> Scene:
    """Round something, wholly or in part."""
    where = site(
        d.pick(("square", "table", "stall", "square"), ("square", "table")), d.split, d.rng
    )
    kind = d.pick(("plain", "mild", "moustache", "wide"), ("phone", "plain", "barrel"))
    lens, count = lens_of(kind, d.rng), d.pick((14, 10, 16, 12), (15, 12))
    if where.around >= 360 and d.number % 2 == 0:
        return d.scene(
            f"Once round; {kind} lens.", where, shots_of(paths.lap(where, count + 4, d.rng), lens)
        )
    degrees = min(where.around, 140.0) * d.rng.uniform(0.6, 1.0)
    poses = paths.arc(where, count, d.rng, degrees=degrees)
    return d.scene(f"{degrees:.0f} degrees round; {kind} lens.", where, shots_of(poses, lens))


def blank_walls(d: Draft) -> Scene:
    """A walk past walls with next to nothing on them."""
    where = site(d.pick(("corridor", "blank"), ("corridor",)), d.split, d.rng)
    kind = d.pick(("plain", "phone", "wide"), ("mild", "plain", "moustache"))
    poses = paths.wander(where, d.pick((12, 16, 24), (14, 26)), d.rng)
    return d.scene(f"Blank walls; {kind} lens.", where, shots_of(poses, lens_of(kind, d.rng)))


def walk(d: Draft) -> Scene:
    """Ordinary walks: the control."""
    where = site(
        d.pick(("street", "room", "street", "alley", "square"), ("street", "room", "alley")),
        d.split,
        d.rng,
    )
    kind = d.pick(("plain", "mild", "phone"), ("plain", "barrel", "phone"))
    size = d.pick(SIZES)
    poses = paths.wander(where, d.pick((10, 14, 26), (12, 25, 9)), d.rng)
    return d.scene(
        f"A walk; {kind} lens.", where, _labelled(d, poses, lens_of(kind, d.rng, size=size))
    )


def rolling_shutter(d: Draft) -> Scene:
    """The rows are exposed one after the other while the hand moves."""
    where = site(d.pick(("street", "room", "front"), ("street", "stall")), d.split, d.rng)
    angle, travel = d.pick(((0.4, 0.002), (0.9, 0.004)), ((0.6, 0.003), (1.0, 0.004)))
    lens = lens_of("plain", d.rng)
    shots = []
    for shot in shots_of(paths.wander(where, d.pick((12, 10), (11, 14)), d.rng), lens):
        ends = paths.walks.shutter(
            shot.pose[None],
            seed=int(d.rng.integers(1 << 30)),
            travel=travel * where.depth,
            turn=angle,
        )[0]
        shots.append(replace(shot, ends=ends, rolling=True))
    return d.scene(f"Rolling shutter: {angle} degrees a photo.", where, shots)


def thinned(d: Draft) -> Scene:
    """Every second or third photo of a denser walk or orbit."""
    where = site(
        d.pick(("street", "square", "room", "table", "alley"), ("street", "room", "square")),
        d.split,
        d.rng,
    )
    step = d.pick((2, 3), (3, 2))
    lens = lens_of(d.pick(("plain", "phone"), ("mild", "plain")), d.rng)
    dense = 22
    if where.around >= 90:
        poses = paths.arc(where, dense, d.rng, degrees=min(where.around, 200.0))
    else:
        poses = paths.wander(where, dense, d.rng)
    return d.scene(f"One photo in {step}.", where, shots_of(poses, lens)[::step])


def few(d: Draft) -> Scene:
    """Three to five photos."""
    where = site(
        d.pick(
            ("room", "street", "stall", "table", "square", "front"), ("room", "stall", "street")
        ),
        d.split,
        d.rng,
    )
    count = d.pick((3, 4, 5), (4, 3, 5))
    kind = d.pick(("plain", "mild"), ("plain", "phone"))
    make = paths.wander if where.world == "village" else paths.sideways
    return d.scene(
        f"{count} photos.", where, shots_of(make(where, count, d.rng), lens_of(kind, d.rng))
    )
