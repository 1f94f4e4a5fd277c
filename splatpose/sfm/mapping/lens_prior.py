"""What is known of a lens before any match, and the numbers of one richer than a model has.

Those are the logarithm of the focal length, the principal point, and three radial terms: what
lenses of phones and cameras differ in, and what matches confuse with the poses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ...geometry.projection import pixels_from_normalized
from ...scene.camera import Camera
from ..lens_thresholds import LENS

OPEN_NUMBERS = 6
"""Logarithm of the focal length, principal point in longer sides, three radial terms as what they
move the corner of the photo by, relative to its distance from the middle."""
_CENTER_SIGMA = 0.01
"""Of a principal point that is taken to be in the middle, in longer sides of the photo."""
FREE_CENTER_SIGMA = 0.3
"""Of a principal point that is estimated: that of a crop can be anywhere."""
_RADIAL_SIGMA = 0.15
"""Of each radial term: with k1 .23, k2 -.78, k3 .92 and a corner at .77, as a camera in wide use
has them, they are .14, -.27 and .19."""


@dataclass(frozen=True)
class LensPrior:
    """What is known of one lens."""

    focal: float | None = None
    """Focal length in pixels; None for that of the model."""
    focal_sigma: float = LENS.typical_focal[1]
    """Of the logarithm of the focal length."""
    center_sigma: float = _CENTER_SIGMA
    """Of the principal point, in longer sides."""
    radial_sigma: float = _RADIAL_SIGMA
    """Of each radial term, as the open numbers have them."""

    def sigmas(self) -> Float[np.ndarray, " 6"]:
        """Standard deviations of the open numbers."""
        return np.r_[self.focal_sigma, [self.center_sigma] * 2, [self.radial_sigma] * 3]


def lens_prior(camera: Camera, exif_sigma: float | None = None) -> LensPrior:
    """What is known of the lens of a camera with a model.

    Args:
        exif_sigma: of the focal length that EXIF tells and the camera has; None without.
    """
    middle = np.array([camera.width / 2, camera.height / 2])
    estimated = bool((camera.K[:2, 2] != middle).any())
    return LensPrior(
        focal_sigma=LENS.typical_focal[1] if exif_sigma is None else exif_sigma,
        center_sigma=FREE_CENTER_SIGMA if estimated else _CENTER_SIGMA,
    )


def corner_radius(camera: Camera) -> float:
    """Distance of the photo's corners from its middle, in focal lengths."""
    return float(np.hypot(camera.width, camera.height) / 2 / camera.K[0, 0])


def open_derivatives(camera: Camera, seen: Float[np.ndarray, "O 2"]) -> Float[np.ndarray, "O 2 6"]:
    """Derivatives of pixels by the open numbers.

    Args:
        seen: undistorted image coordinates (X/Z, Y/Z).
    """
    K, side = camera.K, max(camera.width, camera.height)
    found = np.zeros((len(seen), 2, OPEN_NUMBERS))
    found[:, :, 0] = pixels_from_normalized(camera, seen) - K[:2, 2]
    found[:, 0, 1] = found[:, 1, 2] = side
    r2 = (seen**2).sum(1) / corner_radius(camera) ** 2
    for term in range(3):
        found[:, :, 3 + term] = K[[0, 1], [0, 1]] * seen * r2[:, None] ** (term + 1)
    return found
