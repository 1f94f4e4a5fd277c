"""What cameras do to colour as a model of physical order: a candidate for `splatting.exposure`.

    photo = tone_c( v_c(r) * (2^e_p (I + D_p) render + b_p) )

after PPISP (exposure and white balance a photo p, vignetting and tone curve a camera c), with a
linear white balance, not a homography of chromaticities, so that the mean of the photos can be
baked into spherical harmonics exactly. `appearance.py` compares it with what is built in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from splatpose.scene.views import Views
from splatpose.splatting.gaussian_model import SH_C0, GaussianModel


@dataclass(frozen=True)
class Weights:
    """Pull of each part towards identity, and which parts there are."""

    exposure: float = 0.3
    color: float = 0.5
    offset: float | None = None
    """None: no offset."""
    vignetting: float | None = None
    """None: none."""
    tone: float | None = None
    """None: no tone curve."""
    rate: float = 3.0
    """Learning rate, in that of the affine maps."""


class PhysicalAppearance:
    """In the place of `Exposure`."""

    def __init__(self, views: Views, weights: Weights) -> None:
        self._weights, self._Ks = weights, views.Ks
        self._sizes = [image.shape[:2] for image in views.images]
        numbers: dict[Any, int] = {}
        self._camera = [
            numbers.setdefault((K.tobytes(), size), len(numbers))
            for K, size in zip(views.Ks, self._sizes, strict=True)
        ]
        count = len(self._camera)
        self.stops = _parameters(count, 1)
        self.color = _parameters(count, 3, 3)
        self.offset = _parameters(count, 3)
        self.vignetting = _parameters(len(numbers), 3, 3)
        """Of each channel the factors of r^2, r^4 and r^6."""
        self.tone = _parameters(len(numbers), 3, 2)
        """Of each channel the factors of x (1 - x) and x (1 - x) (2 x - 1)."""
        of_photos = zip(self.stops, self.color, self.offset, strict=True)
        of_cameras = zip(self.vignetting, self.tone, strict=True)
        self._optimizers = [torch.optim.Adam(list(own), lr=0.0) for own in of_photos]
        self._of_cameras = [torch.optim.Adam(list(own), lr=0.0) for own in of_cameras]
        self._radii: dict[tuple[int, int, int], torch.Tensor] = {}

    def matrix(self, photo: int) -> torch.Tensor:
        """Exposure and white balance [3, 3]."""
        return 2.0 ** self.stops[photo] * (torch.eye(3) + self.color[photo])

    def apply(self, render: torch.Tensor, photo: int) -> torch.Tensor:
        """The rendering as the photo would have recorded it."""
        image = render @ self.matrix(photo).T
        if self._weights.offset is not None:
            image = image + self.offset[photo]
        return self.by_camera(image, photo)

    def by_camera(self, image: torch.Tensor, photo: int) -> torch.Tensor:
        """Vignetting and tone curve of the photo's camera."""
        camera = self._camera[photo]
        if self._weights.vignetting is not None:
            image = image * self.falloff(photo, image.shape[:2])
        if self._weights.tone is not None:
            middle, slope = self.tone[camera][:, 0], self.tone[camera][:, 1]
            x = image.clamp(0, 1)
            image = image + x * (1 - x) * (middle + slope * (2 * x - 1))
        return image

    def falloff(self, photo: int, size: Sequence[int]) -> torch.Tensor:
        """Vignetting [H, W, 3]."""
        powers = self._powers(photo, size[0], size[1])
        return 1 + powers @ self.vignetting[self._camera[photo]].T

    def penalty(self, photo: int) -> torch.Tensor:
        """Squared deviation from identity, weighted; the weight of the config has to be 1."""
        w, camera = self._weights, self._camera[photo]
        loss = w.exposure * self.stops[photo].square().sum()
        loss = loss + w.color * self.color[photo].square().sum()
        loss = loss + (w.offset or 0.0) * self.offset[photo].square().sum()
        v = self.vignetting[camera]
        loss = loss + (w.vignetting or 0.0) * v.square().sum() + (v - v.mean(0)).square().sum()
        return loss + (w.tone or 0.0) * self.tone[camera].square().sum()

    def step(self, photo: int, learning_rate: float) -> None:
        """One step of a photo and its camera."""
        for optimizer in (self._optimizers[photo], self._of_cameras[self._camera[photo]]):
            optimizer.param_groups[0]["lr"] = self._weights.rate * learning_rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def bake_mean(self, model: GaussianModel, photos: torch.Tensor) -> None:
        """Moves the mean of what is linear into the Gaussians' colours."""
        chosen = photos.nonzero()[:, 0].tolist()
        A = torch.stack([self.matrix(i) for i in chosen]).mean(dim=0)
        b = torch.stack([self.offset[i] for i in chosen]).mean(dim=0)
        sh0, shN = model.params["sh0"], model.params["shN"]
        sh0.copy_(sh0 @ A.T + ((A.sum(dim=1) - 1) * 0.5 + b) / SH_C0)
        shN.copy_(shN @ A.T)

    def is_finite(self) -> bool:
        """Whether all parameters are."""
        every = (*self.stops, *self.color, *self.offset, *self.vignetting, *self.tone)
        return all(bool(value.isfinite().all()) for value in every)

    def _powers(self, photo: int, height: int, width: int) -> torch.Tensor:
        """r^2, r^4, r^6 [H, W, 3] about the principal point, 1 at half the diagonal."""
        key = self._camera[photo], height, width
        if key not in self._radii:
            full = self._sizes[photo]
            K = np.diag([width / full[1], height / full[0], 1.0]) @ self._Ks[photo]
            square = torch.from_numpy(radius_squared(height, width, K)).float()[..., None]
            self._radii[key] = torch.cat([square, square**2, square**3], dim=-1)
        return self._radii[key]


def radius_squared(height: int, width: int, K: np.ndarray) -> np.ndarray:
    """Squared distance [H, W] from the principal point, 1 at half the diagonal."""
    x = (np.arange(width) + 0.5 - K[0, 2])[None]
    y = (np.arange(height) + 0.5 - K[1, 2])[:, None]
    return (x**2 + y**2) / ((width / 2) ** 2 + (height / 2) ** 2)


def _parameters(count: int, *shape: int) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.zeros(*shape)) for _ in range(count)]
