"""What clusters look at: photos and prior depth, small and undistorted."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from ..depth.sampling import undistorted_map
from ..scene.camera import Camera
from ..scene.capture import Capture
from ..scene.depth_maps import DepthPriors
from ..scene.views import Views
from ..undistortion.lens import Pinhole, choose_pinhole
from ..undistortion.resample import Resampler

_Picture = tuple[UInt8[np.ndarray, "_H _W 3"], Bool[np.ndarray, "_H _W"] | None]
"""A photo, and where it has pixels (None where that is everywhere)."""


class Pictures:
    """Small undistorted photos and the prior depth at their pixels, each made once."""

    def __init__(
        self,
        capture: Capture,
        cameras: tuple[Camera, ...],
        priors: DepthPriors | None,
        max_size: int,
    ) -> None:
        self._capture, self._cameras, self._priors = capture, cameras, priors
        self._pinholes = [choose_pinhole(camera, max_size) for camera in cameras]
        self._resamplers = [
            Resampler(camera, pinhole)
            for camera, pinhole in zip(cameras, self._pinholes, strict=True)
        ]
        self._images: dict[int, _Picture] = {}
        self._maps: dict[int, Float[np.ndarray, "_H _W"] | None] = {}

    def views(self, photos: Int[np.ndarray, " n"]) -> Views:
        """Some photos; their poses and points are not set."""
        made = [self._image(photo) for photo in photos.tolist()]
        pinholes = [self._pinhole(photo) for photo in photos.tolist()]
        return Views(
            names=tuple(self._capture.photos[photo].name for photo in photos),
            images=tuple(image for image, _ in made),
            masks=tuple(mask for _, mask in made),
            Ks=np.stack([pinhole.K for pinhole in pinholes]),
            cam_from_world=np.full((len(photos), 4, 4), np.nan),
            held_out=np.zeros(len(photos), bool),
            points=np.zeros((0, 3)),
            point_colors=np.zeros((0, 3), np.uint8),
        )

    def map(self, photo: int) -> Float[np.ndarray, "H W"] | None:
        """Values of a photo's prior depth at the pixels of its view."""
        if photo not in self._maps:
            self._maps[photo] = self._sampled(photo)
        return self._maps[photo]

    def _sampled(self, photo: int) -> Float[np.ndarray, "H W"] | None:
        values = None if self._priors is None else self._priors.values(photo)
        if values is None:
            return None
        camera = self._cameras[self._capture.photos[photo].group]
        pinhole = self._pinhole(photo)
        return undistorted_map(values, camera, pinhole.K, pinhole.width, pinhole.height)

    def _image(self, photo: int) -> _Picture:
        if photo not in self._images:
            described = self._capture.photos[photo]
            self._images[photo] = self._resamplers[described.group](described.path)
        return self._images[photo]

    def _pinhole(self, photo: int) -> Pinhole:
        return self._pinholes[self._capture.photos[photo].group]
