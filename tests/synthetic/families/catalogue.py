"""The families of scenes: who makes them, and how many there are for either split."""

from __future__ import annotations

from collections.abc import Callable

from ..stress.scenes import Split
from . import of_lenses, of_motion, of_places
from .scenes import Draft, Scene, draft

FAMILIES: dict[str, tuple[Callable[[Draft], Scene], int, int]] = {
    "shake": (of_motion.shake, 8, 4),
    "forward_dolly": (of_motion.forward_dolly, 5, 3),
    "sideways_dolly": (of_motion.sideways_dolly, 6, 3),
    "planar_wall": (of_motion.planar_wall, 5, 3),
    "aerial": (of_motion.aerial, 5, 3),
    "turntable": (of_motion.turntable, 5, 3),
    "orbit": (of_motion.orbit, 6, 3),
    "blank_walls": (of_motion.blank_walls, 5, 3),
    "walk": (of_motion.walk, 6, 3),
    "zoom_on_the_spot": (of_lenses.zoom_on_the_spot, 4, 3),
    "zooms_under_one_label": (of_lenses.zooms_under_one_label, 6, 3),
    "cropped": (of_lenses.cropped, 5, 3),
    "stabilised": (of_lenses.stabilised, 5, 3),
    "mixed_phones": (of_lenses.mixed_phones, 5, 3),
    "night": (of_places.night, 5, 3),
    "moving_parts": (of_places.moving_parts, 5, 3),
    "exposure_ramp": (of_places.exposure_ramp, 4, 2),
    "rolling_shutter": (of_motion.rolling_shutter, 4, 2),
    "thinned": (of_motion.thinned, 6, 3),
    "few": (of_motion.few, 6, 3),
    "identical_bays": (of_places.identical_bays, 4, 2),
    "no_texture": (of_places.no_texture, 4, 2),
    "visitors": (of_lenses.visitors, 5, 3),
    "two_places": (of_places.two_places, 4, 2),
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
