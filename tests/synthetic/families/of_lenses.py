"""Families that differ in what the lens does, or in how many there are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from . import paths
from .lenses import Lens
from .photos import Label, Shot
from .scenes import SIZES, Draft, Scene, label_of, lens_of, shots_of
from .sites import site

PHONES = (
    Label("Vesta", "V11", 26.0),
    Label("Orion", "Pocket 4", 28.0),
    Label("Lumen", "M2", 35.0),
)
"""Cameras that do not exist."""


def zoom_on_the_spot(d: Draft) -> Scene:
    """From a tripod, zooming in: nothing tells depth."""
    where = site(
        d.pick(("street", "room", "stall", "table"), ("street", "square", "room")), d.split, d.rng
    )
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
    where = site(
        d.pick(("street", "stall", "room", "square"), ("street", "table", "room")), d.split, d.rng
    )
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
    # Of the same shape to the pixel, so that pixels stay square.
    least = math.gcd(lens.width, lens.height)
    width, height = (side // least * round(least / ratio) for side in (lens.width, lens.height))
    if width == lens.width:
        return shot
    part = lens.cropped((lens.width - width) / 2, (lens.height - height) / 2, width, height)
    return replace(shot, lens=_enlarged(part, lens.width, lens.height), read=part)


def _enlarged(lens: Lens, width: int, height: int) -> Lens:
    x, y = lens.principal_point
    scale = width / lens.width
    center = x * scale, y * scale
    return replace(lens, width=width, height=height, focal=lens.focal * scale, center=center)


def cropped(d: Draft) -> Scene:
    """Every photo cropped to one part, off its middle; some tell the whole one's focal length."""
    where = site(
        d.pick(("street", "room", "stall", "square", "front"), ("street", "table", "room")),
        d.split,
        d.rng,
    )
    x, y = d.pick(((0, 0), (1, 0), (0.5, 1), (0.1, 0.9)), ((1, 1), (0, 0.5), (0.9, 0.1)))
    whole = lens_of(d.pick(("plain", "mild"), ("plain", "phone")), d.rng, size=(640, 480))
    label = label_of(whole) if d.number % 2 else None
    lens = whole.cropped(x * 220, y * 160, 420, 320)
    poses = paths.wander(where, d.pick((12, 10), (11, 14)), d.rng)
    return d.scene(f"Cropped at {x:.1f}, {y:.1f}.", where, shots_of(poses, lens, label=label))


def stabilised(d: Draft) -> Scene:
    """A crop that moves from photo to photo, as in stabilised video."""
    where = site(d.pick(("street", "room", "alley", "stall"), ("street", "room")), d.split, d.rng)
    amount = d.pick((8.0, 20.0, 35.0), (14.0, 28.0))
    whole = lens_of(d.pick(("plain", "phone"), ("plain", "mild")), d.rng, size=(600, 450))
    shots = []
    for shot in shots_of(paths.wander(where, d.pick((12, 14), (12, 16)), d.rng), whole):
        left, top = np.clip(
            np.array((60, 45)) + d.rng.normal(size=2) * amount, 0, (120, 90)
        ).round()
        shots.append(replace(shot, lens=whole.cropped(float(left), float(top), 480, 360)))
    return d.scene(f"A crop that moves by {amount:.0f} pixels.", where, shots)


def mixed_phones(d: Draft) -> Scene:
    """Two or three cameras of other sizes and lenses."""
    where = site(
        d.pick(("street", "room", "stall", "square"), ("street", "square", "table")), d.split, d.rng
    )
    kinds = d.pick(
        (("phone", "long"), ("plain", "wide", "mild"), ("barrel", "plain")),
        (("mild", "phone", "plain"), ("wide", "long plain")),
    )
    sizes = [SIZES[int(n)] for n in d.rng.permutation(len(SIZES))]
    lenses = [lens_of(kind, d.rng, size=size) for kind, size in zip(kinds, sizes, strict=False)]
    count = d.pick((12, 15, 10), (12, 14))
    owner = np.sort(d.rng.integers(len(lenses), size=count))
    owner[: len(lenses)] = np.arange(len(lenses))
    poses = paths.wander(where, count, d.rng)
    told = [
        replace(phone, focal_35mm=label_of(lens).focal_35mm)
        for phone, lens in zip(PHONES, lenses, strict=False)
    ]
    labels = told if d.number % 2 else [None] * len(lenses)
    shots = [
        replace(shot, lens=lenses[n], label=labels[n])
        for shot, n in zip(shots_of(poses, lenses[0]), owner, strict=True)
    ]
    return d.scene(f"{len(lenses)} cameras.", where, shots)


def visitors(d: Draft) -> Scene:
    """Photos by many people: own cameras, distances, light, in no order."""
    where = site(
        d.pick(("square", "stall", "front", "square"), ("square", "stall")), d.split, d.rng
    )
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
        size = tuple(
            int(side)
            for side in np.array(SIZES[int(d.rng.integers(4))]) + d.rng.integers(-30, 30, 2)
        )
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
