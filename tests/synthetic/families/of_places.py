"""Families that differ in what is photographed, and in what light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import paths, weather
from .scenes import Draft, Scene, lens_of, shots_of
from .sites import site


def night(d: Draft) -> Scene:
    """Little light and much noise."""
    where = site(
        d.pick(("street", "street", "alley", "square"), ("street", "square")), d.split, d.rng
    )
    grain, stops = d.pick(((0.6, -1.0), (1.0, -1.6), (1.4, -1.8)), ((0.8, -1.3), (1.2, -1.7)))
    lens = lens_of(d.pick(("plain", "phone"), ("mild", "plain")), d.rng)
    poses = paths.wander(where, d.pick((12, 10), (11, 13)), d.rng)
    shots = shots_of(poses, lens, grain=grain, stops=stops, quality=82)
    return d.scene(f"Night: grain {grain}, {stops} stops.", where, shots)


def moving_parts(d: Draft) -> Scene:
    """Water on the ground, or shadows of leaves."""
    where = site(
        d.pick(("street", "alley", "square", "stall"), ("street", "alley", "square")),
        d.split,
        d.rng,
    )
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


def identical_bays(d: Draft) -> Scene:
    """A front of five bays that are exact copies."""
    where = site("facade", d.split, d.rng)
    poses = paths.sideways(where, d.pick((12, 9, 16), (14, 10)), d.rng, share=d.pick((1.0, 0.7)))
    lens = lens_of(d.pick(("plain", "long"), ("plain", "mild")), d.rng)
    return d.scene(
        "Bays that are copies of each other.", where, shots_of(poses, lens), decidable=False
    )


def no_texture(d: Draft) -> Scene:
    """A plain thing on a plain ground."""
    where = site("plain", d.split, d.rng)
    poses = paths.arc(where, d.pick((10, 12), (9, 12)), d.rng, degrees=d.pick((70, 100)))
    shots = shots_of(poses, lens_of(d.pick(("plain", "mild"), ("plain", "phone")), d.rng))
    return d.scene("Next to no texture.", where, shots, decidable=False)


def two_places(d: Draft) -> Scene:
    """Photos of two places in one folder."""
    kinds = d.pick(
        (("room", "street"), ("stall", "room"), ("street", "table")),
        (("alley", "room"), ("street", "stall")),
    )
    sites = [site(kind, d.split, d.rng) for kind in kinds]
    lens = lens_of(d.pick(("plain", "phone"), ("mild", "plain")), d.rng)
    shots = []
    for place, (where, count) in enumerate(zip(sites, (9, 7), strict=True)):
        shots += [
            replace(s, place=place) for s in shots_of(paths.wander(where, count, d.rng), lens)
        ]
    return d.scene("Two places.", sites[0], shots, worlds=tuple(where.world for where in sites))
