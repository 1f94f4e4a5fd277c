"""Intrinsics of cameras, by COLMAP's models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

CameraModel = Literal[
    "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV"
]
"""COLMAP's camera models that splatpose estimates, by COLMAP's names and parameter orders."""


_SINGLE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one physical camera, in pixels of the photo as given (orientation applied)."""

    model: CameraModel
    width: int
    height: int
    params: Float[np.ndarray, " C"]
    """Focal length(s), principal point (pixels) and distortion, in COLMAP's order for `model`."""

    @property
    def K(self) -> Float[np.ndarray, "3 3"]:
        """The 3x3 calibration matrix in pixels, distortion left out."""
        if self.model in _SINGLE_FOCAL:
            f, cx, cy = self.params[:3]
            return np.array([[f, 0, cx], [0, f, cy], [0, 0, 1]], np.float64)
        fx, fy, cx, cy = self.params[:4]
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)

    @property
    def distortion(self) -> Float[np.ndarray, " D"]:
        """Distortion coefficients in COLMAP's order; empty for a pinhole camera."""
        return self.params[3:] if self.model in _SINGLE_FOCAL else self.params[4:]

    def resized(self, width: int, height: int) -> Camera:
        """The same camera for photos scaled to `width` x `height` pixels."""
        sx, sy = width / self.width, height / self.height
        params = self.params.copy()
        if self.model in _SINGLE_FOCAL:
            params[:3] *= (np.sqrt(sx * sy), sx, sy)
        else:
            params[:4] *= (sx, sy, sx, sy)
        return replace(self, width=width, height=height, params=params)
