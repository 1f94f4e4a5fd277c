"""Photos from a splat: what happens between light and file in a camera that is held by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp

from splatpose.render import choose_backend
from splatpose.scene.splats import Splats

from ..stress import effects
from ..stress.stages import Camera

CAMERA = Camera(640, 360, 430.0)
"""Of all photos."""
_GREY = 0.19
"""Mean light that automatic exposure aims at."""
_SLUGGISH = 0.22
"""Share of the way to the wanted exposure that is gone from one photo to the next."""
_PIXELS_A_RENDER = 1.5
"""Of motion blur."""
_TYPICAL_DEPTH = 4.0


@dataclass(frozen=True)
class Lens:
    """Draws light, linear [H, W, 3], as a pinhole at a pose sees it."""

    splats: Splats
    camera: Camera = CAMERA

    def light(self, pose: np.ndarray, scale: float = 1.0) -> np.ndarray:
        """world_from_camera [4, 4] (OpenCV axes); `scale` of the photo's size."""
        width, height = round(self.camera.width * scale), round(self.camera.height * scale)
        focal = self.camera.focal * scale
        K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        return effects.to_linear(np.clip(drawn(self.splats, pose, K, width, height), 0, 1))

    def exposed(self, opening: np.ndarray, closing: np.ndarray) -> np.ndarray:
        """The mean light while the shutter is open, the camera moving evenly between two poses."""
        count = number_of_renders(smear(opening, closing, self.camera.focal))
        poses = during(opening, closing, count)
        return np.mean([self.light(pose) for pose in poses], axis=0)


def drawn(
    splats: Splats,
    pose: np.ndarray,
    K: np.ndarray,
    width: int,
    height: int,
    mode: Literal["RGB", "RGB+ED"] = "RGB",
) -> np.ndarray:
    """What a pinhole at a pose sees: sRGB about 0..1 [H, W, 3], with "RGB+ED" and the depth."""
    return drawn_over(splats, pose, K, width, height, mode)[0]


def drawn_over(
    splats: Splats,
    pose: np.ndarray,
    K: np.ndarray,
    width: int,
    height: int,
    mode: Literal["RGB", "RGB+ED"] = "RGB",
) -> tuple[np.ndarray, np.ndarray]:
    """The same, on black, and how much of what is behind it is covered [H, W, 1]."""
    view = torch.from_numpy(np.linalg.inv(pose)).float()
    with torch.no_grad():
        render, alpha, _ = choose_backend("cpu").rasterization(
            splats.means,
            splats.quats,
            splats.log_scales.exp(),
            splats.logit_opacities.sigmoid(),
            splats.sh,
            view[None],
            torch.from_numpy(K).float()[None],
            width,
            height,
            sh_degree=splats.sh_degree,
            render_mode=mode,
        )
    return render[0].numpy(), alpha[0].numpy()


def during(opening: np.ndarray, closing: np.ndarray, count: int) -> np.ndarray:
    """Poses [count, 4, 4] at the middles of `count` equal parts of the exposure."""
    moments = (np.arange(count) + 0.5) / count
    ends = Rotation.from_matrix(np.stack([opening[:3, :3], closing[:3, :3]]))
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Slerp([0, 1], ends)(moments).as_matrix()
    poses[:, :3, 3] = opening[:3, 3] + moments[:, None] * (closing[:3, 3] - opening[:3, 3])
    return poses


def smear(opening: np.ndarray, closing: np.ndarray, focal: float) -> float:
    """Length of the motion blur in pixels, about."""
    turn = Rotation.from_matrix(opening[:3, :3].T @ closing[:3, :3]).magnitude()
    travel = np.linalg.norm(closing[:3, 3] - opening[:3, 3])
    return float(focal * (turn + travel / _TYPICAL_DEPTH))


def number_of_renders(pixels: float) -> int:
    """Odd, so that one is the middle, and enough for a smear of so many pixels."""
    return 2 * min(int(pixels / _PIXELS_A_RENDER / 2 + 0.5), 6) + 1


def automatic_exposure(brightness: np.ndarray, jolts: dict[int, float]) -> np.ndarray:
    """Stops [V] that a slow automatic gives photos of mean light `brightness` [V].

    Args:
        jolts: stops by which single photos are wrong.
    """
    wanted = np.clip(np.log2(_GREY / np.maximum(brightness, 1e-3)), -1.3, 1.3)
    stops = np.empty(len(wanted))
    now = wanted[0]
    for photo, want in enumerate(wanted):
        now += _SLUGGISH * (want - now)
        stops[photo] = now
    for photo, jolt in jolts.items():
        stops[photo] += jolt
    return stops


def developed(light: np.ndarray, stops: float, *, seed: int) -> np.ndarray:
    """The photo, uint8 [H, W, 3]: exposed, clipped, with the noise of the sensor."""
    rng = np.random.default_rng([seed, 81])
    balance = 1 + 0.015 * rng.normal(size=3)
    value = effects.to_srgb(light * 2.0**stops * balance)
    photo = np.round(value * 255).astype(np.uint8)
    return effects.sensor_noise(photo, seed=seed, amount=1.3 + 0.8 * max(stops, 0.0))
