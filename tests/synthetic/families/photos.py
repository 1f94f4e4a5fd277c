"""From a splat to a photo: what is drawn, what moves in it, and what the camera makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from splatpose.scene.splats import Splats

from ..stress import effects
from ..walks.shots import drawn, drawn_over, during, number_of_renders, smear
from .lenses import Lens, Warp

_GREY = 0.17
"""Mean light that a scene's exposure aims at."""
_BANDS = 10
"""Strips of rows that a rolling shutter exposes one after the other."""

Weather = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""Takes light [H, W, 3], where in the world it comes from [H, W, 3], and the moment, 0 to 1."""


@dataclass(frozen=True)
class Label:
    """What EXIF says."""

    make: str
    model: str
    focal_35mm: float
    """Millimetres; 0 to be silent."""


@dataclass(frozen=True)
class Shot:
    """A photo to be taken."""

    pose: np.ndarray
    """world_from_camera [4, 4], OpenCV axes."""
    lens: Lens
    stops: float = 0.0
    """Against the exposure that suits the scene."""
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    grain: float = 0.0
    """Noise of dim light: 1 for a dark street at night."""
    quality: int = 90
    """Of the JPEG."""
    ends: np.ndarray | None = None
    """[2, 4, 4] poses when the shutter opens and closes."""
    rolling: bool = False
    """`ends` are of the first and the last row."""
    moment: float = 0.0
    """From 0 for the scene's first photo to 1 for its last: what moves is elsewhere."""
    place: int = 0
    label: Label | None = None
    read: Lens | None = None
    """Lens of the pixels that the photo was enlarged from, as a digital zoom is; None for its own
    pixels."""


@dataclass(frozen=True)
class World:
    """What can be photographed."""

    splats: Splats
    weather: Weather | None = None
    backdrop: tuple[Splats, np.ndarray] | None = None
    """What stands still behind splats that turn with the pose, and the pose that sees it so."""

    def light(
        self, pose: np.ndarray, K: np.ndarray, width: int, height: int, moment: float
    ) -> np.ndarray:
        """Linear light [H, W, 3] in a pinhole."""
        if self.backdrop is not None:
            front, cover = drawn_over(self.splats, pose, K, width, height)
            behind = drawn(*self.backdrop, K, width, height)
            return _linear(front + (1 - cover) * behind)
        if self.weather is None:
            return _linear(drawn(self.splats, pose, K, width, height))
        picture = drawn(self.splats, pose, K, width, height, "RGB+ED")
        points = _world_points(picture[..., 3], pose, K)
        return self.weather(_linear(picture[..., :3]), points, moment)


def _linear(picture: np.ndarray) -> np.ndarray:
    return effects.to_linear(np.clip(picture, 0, 1))


def _world_points(depth: np.ndarray, pose: np.ndarray, K: np.ndarray) -> np.ndarray:
    height, width = depth.shape
    x = (np.arange(width) + 0.5 - K[0, 2]) / K[0, 0]
    y = (np.arange(height) + 0.5 - K[1, 2]) / K[1, 1]
    rays = np.stack([*np.meshgrid(x, y), np.ones(depth.shape)], -1)
    return pose[:3, 3] + depth[..., None] * (rays @ pose[:3, :3].T)


@lru_cache(maxsize=4)
def _warp(lens: Lens) -> Warp:
    return Warp(lens)


def exposed(world: World, shot: Shot) -> np.ndarray:
    """Linear light [H, W, 3] on the sensor, or the part of it that is read."""
    lens = shot.read or shot.lens
    warp = _warp(lens)
    K, width, height = warp.pinhole
    if shot.ends is None:
        return warp(world.light(shot.pose, K, width, height, shot.moment))
    if shot.rolling:
        return warp(_rolled(world, shot, K, width, height))
    count = number_of_renders(smear(*shot.ends, lens.focal))
    poses = during(*shot.ends, count)
    return np.mean([warp(world.light(p, K, width, height, shot.moment)) for p in poses], axis=0)


def _rolled(world: World, shot: Shot, K: np.ndarray, width: int, height: int) -> np.ndarray:
    """Row after row from the first to the last of the two poses, a strip at a time."""
    assert shot.ends is not None
    edges = np.linspace(0, height, _BANDS + 1).round().astype(int)
    strips = []
    for pose, top, end in zip(during(*shot.ends, _BANDS), edges[:-1], edges[1:], strict=True):
        strip = K.copy()
        strip[1, 2] -= top
        strips.append(world.light(pose, strip, width, int(end - top), shot.moment))
    return np.concatenate(strips)


def taken(worlds: Sequence[World], shots: Sequence[Shot], *, seed: int) -> list[np.ndarray]:
    """All photos of a scene, uint8 [H, W, 3]; `worlds` by the shots' places.

    One exposure for all of them, from which each departs a little as it is darker or brighter.
    """
    lights = [exposed(worlds[shot.place], shot) for shot in shots]
    wanted = np.log2(_GREY / np.maximum([light.mean() for light in lights], 1e-3))
    usual = float(np.clip(np.median(wanted), -1.5, 1.5))
    stops = usual + np.clip(0.3 * (wanted - usual), -0.4, 0.4)
    return [
        developed(light, replace(shot, stops=shot.stops + stop), seed=seed * 1000 + number)
        for number, (light, shot, stop) in enumerate(
            zip(lights, shots, stops.tolist(), strict=True)
        )
    ]


def developed(light: np.ndarray, shot: Shot, *, seed: int) -> np.ndarray:
    """The photo of linear light, uint8: grain, exposure, noise of the sensor, digital zoom."""
    rng = np.random.default_rng([seed, 83])
    light = light * 2.0**shot.stops * np.asarray(shot.balance)
    if shot.grain:
        deviation = shot.grain * np.sqrt(0.006 * np.maximum(light, 0) + 0.0002)
        light = light + rng.normal(size=light.shape) * deviation
        light = cv2.GaussianBlur(light, (0, 0), 0.6)  # what a phone smooths away
    photo = np.round(effects.to_srgb(light) * 255).astype(np.uint8)
    return enlarged(effects.sensor_noise(photo, seed=seed, amount=1.3), shot)


def enlarged(photo: np.ndarray, shot: Shot) -> np.ndarray:
    """What was read, at the size of the photo: no sharper than it was, noise and all."""
    if shot.read is None:
        return photo
    size = shot.lens.width, shot.lens.height
    # OpenCV's cubic kernel shifts what it interpolates by up to a tenth of a pixel.
    return cv2.resize(photo, size, interpolation=cv2.INTER_LINEAR)
