"""What a click meets: the point of the scene that is seen along a ray."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from splatpose.geometry.rotations import matrix_from_quat
from splatpose.scene.splats import Splats

from .gaussians import unit_quats
from .geometry import SOLID

_NEAR = 0.01
_FAINTEST = 1 / 255
"""Opacity below which a Gaussian counts as nothing, as in the rasterizer."""
_POINT_COSINE = np.cos(np.radians(1.0))
"""Cosine of the angle to the ray beyond which a sparse point is not meant."""


def seen_along(
    splats: Splats | None,
    points: Float[np.ndarray, "T 3"],
    origin: Float[np.ndarray, " 3"],
    direction: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, " 3"] | None:
    """The point of the Gaussians along a ray, or else the sparse point nearest to it, or None."""
    direction = direction / np.linalg.norm(direction)
    depth = None if splats is None else depth_along(splats, origin, direction)
    if depth is not None:
        return origin + depth * direction
    towards = points - origin
    distances = np.linalg.norm(towards, axis=1)
    cosines = towards @ direction / np.maximum(distances, 1e-12)
    if not len(points) or cosines.max() < _POINT_COSINE:
        return None
    return points[int(np.argmax(cosines))]


def depth_along(
    splats: Splats, origin: Float[np.ndarray, " 3"], direction: Float[np.ndarray, " 3"]
) -> float | None:
    """How far along a ray half of the light comes from nearer Gaussians; None: it goes through.

    Each counts at the place where it is densest on the ray, with its opacity there. Unlike the
    mean of the depths, the median lies on a surface where the ray passes an edge.
    """
    means = splats.means.double().numpy()
    rotations = matrix_from_quat(unit_quats(splats.quats.double().numpy()))
    axes = rotations.transpose(0, 2, 1) / splats.log_scales.double().exp().numpy()[:, :, None]
    # In a frame in which the Gaussian is a unit ball.
    start = np.einsum("nij,nj->ni", axes, origin - means)
    step = axes @ direction
    depth = -(start * step).sum(1) / (step**2).sum(1)
    distance = ((start + depth[:, None] * step) ** 2).sum(1)
    opacity = np.exp(-distance / 2) * splats.logit_opacities.double().sigmoid().numpy()
    met = np.flatnonzero((depth > _NEAR) & (opacity > _FAINTEST))
    met = met[np.argsort(depth[met])]
    covered = 1 - np.cumprod(1 - np.minimum(opacity[met], 0.999))
    if not len(met) or not covered[-1] > SOLID:
        return None
    return float(depth[met[np.searchsorted(covered, covered[-1] / 2)]])
