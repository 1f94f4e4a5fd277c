"""The families: what each is about, and how its scenes differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..stress.scenes import Split
from . import paths, weather
from .lenses import Lens
from .photos import Label, Shot
from .scenes import SIZES, Draft, Scene, draft, lens_of, shots_of
from .sites import site

PHONES = (
    Label("Vesta", "V11", 26.0),
    Label("Orion", "Pocket 4", 28.0),
    Label("Lumen", "M2", 35.0),
)
"""Cameras that do not exist."""


def shake(d: Draft) -> Scene:
    """Two seconds of video from the hand."""
    where = site(d.pick(("street", "room", "front", "table", "stall"), ("street", "alley", "room")), d.split, d.rng)
    kind = d.pick(("moustache", "plain", "barrel", "phone"), ("moustache", "zoomed out", "plain"))
    sway = d.pick((0.015, 0.03, 0.06), (0.02, 0.045))
    poses = paths.shaken(where, d.pick((12, 16, 20), (14, 18)), d.rng, sway=sway)
    about = f"Held in the hand, swaying by {sway:.1%} of the distance; {kind} lens."
    return d.scene(about, where, shots_of(poses, lens_of(kind, d.rng)))


def forward_dolly(d: Draft) -> Scene:
    """Straight ahead."""
    where = site(d.pick(("street", "alley", "street", "corridor"), ("street", "alley")), d.split, d.rng)
    kind = d.pick(("plain", "moustache", "wide", "phone"), ("mild", "pincushion", "plain"))
    poses = paths.forward(where, d.pick((10, 14, 12), (12, 9)), d.rng, share=d.pick((0.9, 0.5)))
    return d.scene(f"Straight ahead; {kind} lens.", where, shots_of(poses, lens_of(kind, d.rng)))


def sideways_dolly(d: Draft) -> Scene:
    """Along something that is looked at."""
    where = site(d.pick(("front", "stall", "room", "table", "street"), ("front", "stall", "room")), d.split, d.rng)
    kind = d.pick(("plain", "barrel", "long", "moustache"), ("phone", "fisheye", "long plain"))
    poses = paths.sideways(where, d.pick((9, 12, 8), (10, 12)), d.rng)
    return d.scene(f"From left to right; {kind} lens.", where, shots_of(poses, lens_of(kind, d.rng)))


def planar_wall(d: Draft) -> Scene:
    """A flat front from a grid of places."""
    where = site("front", d.split, d.rng)
    kind = d.pick(("plain", "moustache", "mild"), ("barrel", "phone"))
    poses = paths.sheet(where, *d.pick(((2, 5), (3, 4), (1, 8)), ((2, 4), (3, 4))), d.rng)
    return d.scene(f"A flat front; {kind} lens.", where, shots_of(poses, lens_of(kind, d.rng)))


def aerial(d: Draft) -> Scene:
    """Straight down on fields and houses."""
    where = site("terrain", d.split, d.rng)
    kind = d.pick(("plain", "mild", "phone"), ("plain", "barrel"))
    poses = paths.nadir(where, *d.pick(((3, 4), (3, 6), (2, 5)), ((3, 5), (4, 6))), d.rng)
    shots = shots_of(poses, lens_of(kind, d.rng), label=d.pick((None, _true_label(kind))))
    return d.scene(f"Strips of a drone's photos; {kind} lens.", where, shots)


def _true_label(kind: str) -> Label:
    """What a camera of such a lens writes: 35 mm equivalents are of the diagonal, in whole mm."""
    from .scenes import LENSES

    return Label("Aero", "Q3", float(round(LENSES[kind][0] * 0.8 * np.hypot(36, 24))))


def turntable(d: Draft) -> Scene:
    """Things turn on a plate while the camera and all behind them stand still."""
    where = site("turned_things", d.split, d.rng)
    behind = site(d.pick(("corridor", "plain", "room"), ("plain", "corridor", "table")), d.split, d.rng)
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
    first = paths.look_at(eye, aim)
    start, poses = rng.uniform(0, 2 * np.pi), []
    for angle in start + np.radians(np.linspace(0, degrees, count)):
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        poses.append(turn @ first)
    return np.stack(poses)


def orbit(d: Draft) -> Scene:
    """Round something, wholly or in part."""
    where = site(d.pick(("square", "table", "stall", "square"), ("square", "table")), d.split, d.rng)
    kind = d.pick(("plain", "mild", "moustache", "wide"), ("phone", "plain", "barrel"))
    lens, count = lens_of(kind, d.rng), d.pick((14, 10, 16, 12), (15, 12))
    if where.around >= 360 and d.number % 2 == 0:
        return d.scene(f"Once round; {kind} lens.", where, shots_of(paths.lap(where, count + 4, d.rng), lens))
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
    where = site(d.pick(("street", "room", "street", "alley", "square"), ("street", "room", "alley")), d.split, d.rng)
    kind = d.pick(("plain", "mild", "phone"), ("plain", "barrel", "phone"))
    size = d.pick(SIZES)
    poses = paths.wander(where, d.pick((10, 14, 26), (12, 25, 9)), d.rng)
    return d.scene(f"A walk; {kind} lens.", where, shots_of(poses, lens_of(kind, d.rng, size=size)))


def zoom_on_the_spot(d: Draft) -> Scene:
    """From a tripod, zooming in: nothing tells depth."""
    where = site(d.pick(("street", "room", "stall", "table"), ("street", "square", "room")), d.split, d.rng)
    count, zoom = d.pick((10, 8), (9, 12)), d.pick((1.8, 2.4, 1.4), (2.0, 1.6))
    base = lens_of(d.pick(("plain", "mild"), ("plain", "phone")), d.rng)
    poses = paths.still(where, count, d.rng, tremble=d.pick((0.0, 2e-4)))
    focals = base.focal * zoom ** np.linspace(0, 1, count)
    shots = [
        replace(shot, lens=replace(base, focal=float(f)))
        for shot, f in zip(shots_of(poses, base), focals, strict=True)
    ]
    return d.scene(f"A zoom by {zoom} on the spot.", where, shots, decidable=False)


def zooms_under_one_label(d: Draft) -> Scene:
    """Two or three zooms that nothing in the files tells apart."""
    where = site(d.pick(("street", "stall", "room", "square"), ("street", "table", "room")), d.split, d.rng)
    ratios = d.pick(((1.0, 1.5), (1.0, 1.35, 1.9), (1.0, 2.0)), ((1.0, 1.6), (1.0, 1.3, 1.75)))
    count = d.pick((12, 15, 10), (12, 14))
    base = lens_of(d.pick(("plain", "mild"), ("plain", "phone")), d.rng)
    label = d.pick((PHONES[0], None))
    shots = shots_of(paths.wander(where, count, d.rng), base, label=label)
    order = d.rng.integers(len(ratios), size=count)
    order[: len(ratios)] = np.arange(len(ratios))
    if d.number % 2:
        order.sort()
    shots = [_zoomed(shot, ratios[n]) for shot, n in zip(shots, order, strict=True)]
    return d.scene(f"Zooms {ratios} under one label.", where, shots)


def _zoomed(shot: Shot, ratio: float) -> Shot:
    """Digital zoom: the middle of the photo, enlarged to its size."""
    lens = shot.lens
    width, height = round(lens.width / ratio), round(lens.height / ratio)
    part = lens.cropped((lens.width - width) / 2, (lens.height - height) / 2, width, height)
    return replace(shot, lens=_enlarged(part, lens.width, lens.height))


def _enlarged(lens: Lens, width: int, height: int) -> Lens:
    x, y = lens.principal_point
    sx, sy = width / lens.width, height / lens.height
    return replace(lens, width=width, height=height, focal=lens.focal * sx, center=(x * sx, y * sy))


def cropped(d: Draft) -> Scene:
    """Every photo cropped to the same part, off its middle."""
    where = site(d.pick(("street", "room", "stall", "square", "front"), ("street", "table", "room")), d.split, d.rng)
    x, y = d.pick(((0, 0), (1, 0), (0.5, 1), (0.1, 0.9)), ((1, 1), (0, 0.5), (0.9, 0.1)))
    whole = lens_of(d.pick(("plain", "mild"), ("plain", "phone")), d.rng, size=(640, 480))
    lens = whole.cropped(x * 220, y * 160, 420, 320)
    poses = paths.wander(where, d.pick((12, 10), (11, 14)), d.rng)
    return d.scene(f"Cropped at {x:.1f}, {y:.1f}.", where, shots_of(poses, lens))


def stabilised(d: Draft) -> Scene:
    """A crop that moves from photo to photo, as in stabilised video."""
    where = site(d.pick(("street", "room", "alley", "stall"), ("street", "room")), d.split, d.rng)
    amount = d.pick((8.0, 20.0, 35.0), (14.0, 28.0))
    whole = lens_of(d.pick(("plain", "phone"), ("plain", "mild")), d.rng, size=(600, 450))
    shots = []
    for shot in shots_of(paths.wander(where, d.pick((12, 14), (12, 16)), d.rng), whole):
        left, top = np.clip(np.array((60, 45)) + d.rng.normal(size=2) * amount, 0, (120, 90)).round()
        shots.append(replace(shot, lens=whole.cropped(float(left), float(top), 480, 360)))
    return d.scene(f"A crop that moves by {amount:.0f} pixels.", where, shots)


def mixed_phones(d: Draft) -> Scene:
    """Two or three cameras of other sizes and lenses."""
    where = site(d.pick(("street", "room", "stall", "square"), ("street", "square", "table")), d.split, d.rng)
    kinds = d.pick((("phone", "long"), ("plain", "wide", "mild"), ("barrel", "plain")), (("mild", "phone", "plain"), ("wide", "long plain")))
    sizes = [SIZES[int(n)] for n in d.rng.permutation(len(SIZES))]
    lenses = [lens_of(kind, d.rng, size=size) for kind, size in zip(kinds, sizes, strict=False)]
    count = d.pick((12, 15, 10), (12, 14))
    owner = np.sort(d.rng.integers(len(lenses), size=count))
    owner[: len(lenses)] = np.arange(len(lenses))
    poses = paths.wander(where, count, d.rng)
    labels = PHONES if d.number % 2 else (None,) * 3
    shots = [
        replace(shot, lens=lenses[n], label=labels[n])
        for shot, n in zip(shots_of(poses, lenses[0]), owner, strict=True)
    ]
    return d.scene(f"{len(lenses)} cameras.", where, shots)


def night(d: Draft) -> Scene:
    """Little light and much noise."""
    where = site(d.pick(("street", "street", "alley", "square"), ("street", "square")), d.split, d.rng)
    grain, stops = d.pick(((0.6, -1.0), (1.0, -1.6), (1.4, -1.8)), ((0.8, -1.3), (1.2, -1.7)))
    lens = lens_of(d.pick(("plain", "phone"), ("mild", "plain")), d.rng)
    poses = paths.wander(where, d.pick((12, 10), (11, 13)), d.rng)
    shots = shots_of(poses, lens, grain=grain, stops=stops, quality=82)
    return d.scene(f"Night: grain {grain}, {stops} stops.", where, shots)


def moving_parts(d: Draft) -> Scene:
    """Water on the ground, or shadows of leaves."""
    where = site(d.pick(("street", "alley", "square", "stall"), ("street", "alley", "square")), d.split, d.rng)
    seed = int(d.rng.integers(1 << 20))
    wet = d.number % 2 == 0
    moves = weather.water(seed, level=0.03) if wet else weather.moving_shadows(seed)
    poses = paths.wander(where, d.pick((12, 10), (11, 13)), d.rng)
    about = "Water moves on the ground." if wet else "Shadows move."
    shots = shots_of(poses, lens_of(d.pick(("plain", "phone")), d.rng))
    return d.scene(about, where, shots, weathers=(moves,))


def exposure_ramp(d: Draft) -> Scene:
    """From dark and warm to bright and cold, or the other way."""
    where = site(d.pick(("room", "street", "stall"), ("street", "table")), d.split, d.rng)
    low, high = d.pick(((-2.0, 1.5), (-1.2, 1.2)), ((1.4, -1.8), (-1.5, 1.3)))
    poses = paths.wander(where, d.pick((12, 10), (11, 13)), d.rng)
    warm, cold = np.array((1.18, 1.0, 0.75)), np.array((0.85, 1.0, 1.25))
    shots = [
        replace(
            shot,
            stops=low + (high - low) * shot.moment,
            balance=tuple(warm ** (1 - shot.moment) * cold**shot.moment),
        )
        for shot in shots_of(poses, lens_of(d.pick(("plain", "mild")), d.rng))
    ]
    return d.scene(f"From {low} to {high} stops.", where, shots)


def rolling_shutter(d: Draft) -> Scene:
    """The rows are exposed one after the other while the hand moves."""
    where = site(d.pick(("street", "room", "front"), ("street", "stall")), d.split, d.rng)
    angle, travel = d.pick(((0.4, 0.002), (0.9, 0.004)), ((0.6, 0.003), (1.0, 0.004)))
    lens = lens_of("plain", d.rng)
    shots = []
    for shot in shots_of(paths.wander(where, d.pick((12, 10), (11, 14)), d.rng), lens):
        ends = paths.walks.shutter(
            shot.pose[None], seed=int(d.rng.integers(1 << 30)), travel=travel * where.depth, turn=angle
        )[0]
        shots.append(replace(shot, ends=ends, rolling=True))
    return d.scene(f"Rolling shutter: {angle} degrees a photo.", where, shots)


def thinned(d: Draft) -> Scene:
    """Every second or third photo of a denser walk or orbit."""
    where = site(d.pick(("street", "square", "room", "table", "alley"), ("street", "room", "square")), d.split, d.rng)
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
    where = site(d.pick(("room", "street", "stall", "table", "square", "front"), ("room", "stall", "street")), d.split, d.rng)
    count = d.pick((3, 4, 5), (4, 3, 5))
    kind = d.pick(("plain", "mild"), ("plain", "phone"))
    make = paths.wander if where.world == "village" else paths.sideways
    return d.scene(f"{count} photos.", where, shots_of(make(where, count, d.rng), lens_of(kind, d.rng)))


def identical_bays(d: Draft) -> Scene:
    """A front of five bays that are exact copies."""
    where = site("facade", d.split, d.rng)
    poses = paths.sideways(where, d.pick((12, 9, 16), (14, 10)), d.rng, share=d.pick((1.0, 0.7)))
    lens = lens_of(d.pick(("plain", "long"), ("plain", "mild")), d.rng)
    return d.scene("Bays that are copies of each other.", where, shots_of(poses, lens), decidable=False)


def no_texture(d: Draft) -> Scene:
    """A plain thing on a plain ground."""
    where = site("plain", d.split, d.rng)
    poses = paths.arc(where, d.pick((10, 12), (9, 12)), d.rng, degrees=d.pick((70, 100)))
    shots = shots_of(poses, lens_of(d.pick(("plain", "mild"), ("plain", "phone")), d.rng))
    return d.scene("Next to no texture.", where, shots, decidable=False)


def visitors(d: Draft) -> Scene:
    """Photos by many people: own cameras, distances, light, in no order."""
    where = site(d.pick(("square", "stall", "front", "square"), ("square", "stall")), d.split, d.rng)
    count = d.pick((10, 14, 12), (12, 10))
    degrees = min(where.around, 130.0) or 30.0
    near = replace(where, eye=where.aim + (where.eye - where.aim) * 0.85)
    poses = np.stack([
        paths.arc(d.rng.choice([where, near]), 3, d.rng, degrees=degrees)[int(d.rng.integers(3))]
        for _ in range(count)
    ])  # fmt: skip
    shots = []
    for shot in shots_of(poses, Lens()):
        kind = str(d.rng.choice(["plain", "mild", "phone", "pincushion", "barrel", "wide"]))
        size = tuple(int(side) for side in np.array(SIZES[int(d.rng.integers(4))]) + d.rng.integers(-30, 30, 2))
        balance = tuple(1 + 0.12 * d.rng.normal(size=3))
        shots.append(
            replace(
                shot,
                lens=lens_of(kind, d.rng, size=size),  # type: ignore[arg-type]
                stops=float(d.rng.uniform(-1.2, 1.0)),
                balance=balance,
                quality=int(d.rng.integers(70, 95)),
            )
        )
    names = tuple(f"{int(n):08x}" for n in d.rng.choice(2**31, count, replace=False))
    return d.scene(f"{count} visitors.", where, shots, names=names)


def two_places(d: Draft) -> Scene:
    """Photos of two places in one folder."""
    kinds = d.pick((("room", "street"), ("stall", "room"), ("street", "table")), (("alley", "room"), ("street", "stall")))
    sites = [site(kind, d.split, d.rng) for kind in kinds]
    lens = lens_of(d.pick(("plain", "phone"), ("mild", "plain")), d.rng)
    shots = []
    for place, (where, count) in enumerate(zip(sites, (9, 7), strict=True)):
        shots += [replace(s, place=place) for s in shots_of(paths.wander(where, count, d.rng), lens)]
    return d.scene("Two places.", sites[0], shots, worlds=tuple(where.world for where in sites))


FAMILIES: dict[str, tuple[Callable[[Draft], Scene], int, int]] = {
    "shake": (shake, 8, 4),
    "forward_dolly": (forward_dolly, 5, 3),
    "sideways_dolly": (sideways_dolly, 6, 3),
    "planar_wall": (planar_wall, 5, 3),
    "aerial": (aerial, 5, 3),
    "turntable": (turntable, 5, 3),
    "orbit": (orbit, 6, 3),
    "blank_walls": (blank_walls, 5, 3),
    "walk": (walk, 6, 3),
    "zoom_on_the_spot": (zoom_on_the_spot, 4, 3),
    "zooms_under_one_label": (zooms_under_one_label, 6, 3),
    "cropped": (cropped, 5, 3),
    "stabilised": (stabilised, 5, 3),
    "mixed_phones": (mixed_phones, 5, 3),
    "night": (night, 5, 3),
    "moving_parts": (moving_parts, 5, 3),
    "exposure_ramp": (exposure_ramp, 4, 2),
    "rolling_shutter": (rolling_shutter, 4, 2),
    "thinned": (thinned, 6, 3),
    "few": (few, 6, 3),
    "identical_bays": (identical_bays, 4, 2),
    "no_texture": (no_texture, 4, 2),
    "visitors": (visitors, 5, 3),
    "two_places": (two_places, 4, 2),
}
"""Who makes a family's scenes, and how many for either split."""


def scenes(split: Split, only: str | None = None) -> list[Scene]:
    """All scenes of a split, one of every family first."""
    chosen = {name: FAMILIES[name] for name in ([only] if only else FAMILIES)}
    found = []
    for number in range(max(max(tune, test) for _, tune, test in chosen.values())):
        for name, (make, tune, test) in chosen.items():
            if number < (tune if split == "tune" else test):
                found.append(make(draft(name, split, number)))
    return found
