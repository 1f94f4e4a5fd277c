"""The scenes of the suite: which photos of which films, and what happened to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from . import effects
from .stages import FILMS

Split = Literal["tune", "test"]
SPLITS: tuple[Split, ...] = ("tune", "test")
Effect = Callable[[np.ndarray, float], np.ndarray]
"""Takes a photo, uint8 [H, W, 3], and where it is in the scene: 0 for the first, 1 for the last."""


@dataclass(frozen=True)
class Source:
    """Some photos of a film."""

    film: str
    photos: tuple[int, ...] | None = None
    """Their numbers from 0; None for all."""


@dataclass(frozen=True)
class Scene:
    name: str
    about: str
    sources: tuple[Source, ...]
    """Each is a place of its own."""
    reconstructable: bool = True
    quality: int = 92
    """Of the JPEG files."""
    effect: Effect | None = None
    random_names: bool = False

    def seed(self, split: Split) -> int:
        """Of the film that the scene's first photos come from."""
        return film_seed(self.sources[0].film, split)


def film_seed(film: str, split: Split) -> int:
    """No film shares a seed with another, nor one split with the other."""
    return {"tune": 1100, "test": 2200}[split] + list(FILMS).index(film)


def exposure_ramp(photo: np.ndarray, t: float) -> np.ndarray:
    """From 2 stops under and warm to 1.6 over and cold."""
    warm, cold = np.array((1.18, 1.0, 0.72)), np.array((0.84, 1.0, 1.28))
    red, green, blue = warm ** (1 - t) * cold**t
    return effects.expose(photo, -2.0 + 3.6 * t, (red, green, blue))


def _whole(film: str, about: str, *, reconstructable: bool = True) -> Scene:
    return Scene(film, about, (Source(film),), reconstructable)


SCENES: tuple[Scene, ...] = (
    _whole("textured_room", "A furnished room with texture everywhere: the control."),
    _whole("blank_corridor", "A corridor with plain walls, a few doors and signs."),
    _whole("duplicated_facade", "A facade of five bays that are exact copies of each other."),
    _whole("rotation_stretch", "A walk that stops and turns on the spot for six photos."),
    _whole("forward_motion", "Straight ahead through an alley."),
    _whole("full_orbit", "Once round a monument, the last photo beside the first."),
    _whole("forward_facing", "A market stall from a grid of places, all looking ahead."),
    Scene(
        "few_views",
        "Four photos of a room, far apart.",
        (Source("textured_room", (0, 4, 9, 13)),),
    ),
    _whole("two_cameras", "A room by two cameras of different size and focal length in turn."),
    Scene(
        "exposure_ramp",
        "From dark and warm to bright and cold, in linear light.",
        (Source("textured_room"),),
        effect=exposure_ramp,
    ),
    _whole("motion_blur", "The camera shakes while the shutter is open."),
    _whole("moving_object", "A pile of printed boxes is pushed across the view."),
    _whole("mirror", "A mirror of 2.4 by 1.5 metres hangs on the wall ahead."),
    _whole("textureless_object", "A plain turned body on a faintly stained floor."),
    Scene(
        "shuffled_order",
        "Once round a monument, under random names.",
        (Source("full_orbit"),),
        random_names=True,
    ),
    Scene(
        "jpeg_20",
        "The market stall as JPEG of quality 20.",
        (Source("forward_facing"),),
        quality=20,
    ),
    Scene(
        "two_places",
        "A room and a market stall in one folder.",
        (Source("textured_room", tuple(range(3, 11))), Source("forward_facing", tuple(range(8)))),
    ),
    Scene(
        "no_overlap",
        "Eight photos of eight places.",
        tuple(
            Source(film, (photo,))
            for film, photo in (
                ("textured_room", 3),
                ("duplicated_facade", 2),
                ("rotation_stretch", 6),
                ("full_orbit", 0),
                ("forward_facing", 0),
                ("two_cameras", 0),
                ("mirror", 6),
                ("moving_object", 6),
            )
        ),
        reconstructable=False,
    ),
    _whole(
        "pure_rotation",
        "A camera that only turns on the spot: nothing tells depth.",
        reconstructable=False,
    ),
)
