"""Robust fits of two-view models to matches in normalised coordinates.

Where the matches of many pairs lie one after the other, `pair` names the pair of each, ascending,
every pair from 0 to P - 1 with at least one match.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import homogeneous
from ...geometry.robust import CAUCHY_BEND, cauchy_divisor

_PRIOR_INFORMATION = 1.0
"""Information on each angle without any match, in 1 / rad^2."""


@dataclass(frozen=True)
class RelativeFit:
    """cam2_from_cam1 of one pair, up to the length of the translation."""

    rotation: Float[np.ndarray, "3 3"]
    direction: Float[np.ndarray, " 3"]
    """Unit translation of cam2_from_cam1."""
    covariance: Float[np.ndarray, "6 6"]
    """Covariance of (rotation vector applied on the left, change of the direction), in rad^2; rank
    5, the direction being of unit length."""
    sigma: float
    """Standard deviation of the Sampson distance by its median."""
    distance: Float[np.ndarray, " M"]
    """Signed Sampson distance of each match."""


@dataclass(frozen=True)
class RotationFit:
    """Rotations of P pairs whose cameras are taken to share their centre."""

    rotation: Float[np.ndarray, "P 3 3"]
    covariance: Float[np.ndarray, "P 3 3"]
    """Covariance of the rotation vector applied on the left, in rad^2."""
    sigma: Float[np.ndarray, " P"]
    """Standard deviation of one coordinate of the residual by its median."""
    residual: Float[np.ndarray, " M"]
    """Distance of the second ray from the rotated first one, both of unit length."""


def segment_starts(pair: Int[np.ndarray, " M"]) -> Int[np.ndarray, " P"]:
    """First row of each pair."""
    return np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]])


def segment_medians(
    values: Float[np.ndarray, " M"], pair: Int[np.ndarray, " M"]
) -> Float[np.ndarray, " P"]:
    """Median (the upper one of two) of each pair's values."""
    starts = segment_starts(pair)
    count = np.diff(np.r_[starts, len(pair)])
    order = np.lexsort((values, pair))
    return values[order][starts + count // 2]


def fit_rotations(
    rays1: Float[np.ndarray, "M 3"], rays2: Float[np.ndarray, "M 3"], pair: Int[np.ndarray, " M"]
) -> RotationFit:
    """Iteratively reweighted Kabsch with Cauchy weights, the scale being each pair's median."""
    starts = np.r_[segment_starts(pair), len(pair)]
    # Of one layout: for another the loop would be compiled once more.
    rays = (np.ascontiguousarray(rays1), np.ascontiguousarray(rays2))
    R, median, residual = loops().rotations(*rays, starts)
    # The distance in two dimensions has its median at 1.1774 sigma (Rayleigh).
    sigma = median / 1.1774
    weight = 1 / cauchy_divisor(residual, CAUCHY_BEND * sigma[pair])
    across = np.eye(3) - np.einsum("ni,nj->nij", rays2, rays2)
    information = np.add.reduceat(weight[:, None, None] * across, starts[:-1], axis=0)
    information = information / sigma[:, None, None] ** 2 + _PRIOR_INFORMATION * np.eye(3)
    return RotationFit(R, np.linalg.inv(information), sigma, residual)


def refine_relative_pose(
    rotation: Float[np.ndarray, "3 3"],
    direction: Float[np.ndarray, " 3"],
    x1: Float[np.ndarray, "M 2"],
    x2: Float[np.ndarray, "M 2"],
) -> RelativeFit:
    """Minimises Cauchy's loss of the Sampson distances over rotation and direction.

    Levenberg-Marquardt on the five degrees of freedom; the covariance is the inverse of the normal
    matrix (Hartley & Zisserman 2004, result 5.10).

    Args:
        rotation, direction: of cam2_from_cam1, to start from.
    """
    start = direction / np.linalg.norm(direction)
    R, t, normal, sigma, distance = loops().refine(
        np.ascontiguousarray(rotation), start, homogeneous(x1), homogeneous(x2)
    )
    information = normal / sigma**2 + _PRIOR_INFORMATION * np.eye(5)
    lift = np.zeros((6, 5))
    lift[:3, :3] = np.eye(3)
    lift[3:, 3:] = loops().tangent(t)
    return RelativeFit(R, t, lift @ np.linalg.inv(information) @ lift.T, sigma, distance)


def sampson_derivatives(
    R: Float[np.ndarray, "3 3"],
    t: Float[np.ndarray, " 3"],
    h1: Float[np.ndarray, "M 3"],
    h2: Float[np.ndarray, "M 3"],
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, "M 5"]]:
    """Signed Sampson distances and their derivatives by rotation vector (on the left) and by the
    direction along its two tangents."""
    return loops().sampson_derivatives(R, t, h1, h2)


def signed_sampson(
    R: Float[np.ndarray, "3 3"],
    t: Float[np.ndarray, " 3"],
    h1: Float[np.ndarray, "M 3"],
    h2: Float[np.ndarray, "M 3"],
) -> Float[np.ndarray, " M"]:
    """The distances of `sampson_derivatives` alone."""
    return loops().signed_sampson(R, t, h1, h2)


def retract(
    R: Float[np.ndarray, "3 3"], t: Float[np.ndarray, " 3"], step: Float[np.ndarray, " 5"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """A relative pose after a step in the parameters of `sampson_derivatives`."""
    return loops().retract(R, t, step)


@cache
def loops() -> ModuleType:
    """The compiled loops, which take a while to import."""
    from . import relative_pose_loops

    return relative_pose_loops


def homography_distance(
    H: Float[np.ndarray, "3 3"], x1: Float[np.ndarray, "M 2"], x2: Float[np.ndarray, "M 2"]
) -> Float[np.ndarray, " M"]:
    """First-order geometric distance of matches (x1, x2) from x2 = H x1 in their four dimensions.

    Sampson's approximation e^T (J J^T)^-1 e for two constraints (Hartley & Zisserman 2004,
    eq. 4.12), with e = x2 - H x1 and J = [-dHx1/dx1, I].
    """
    image = homogeneous(x1) @ H.T
    w = np.where(np.abs(image[:, 2:]) < 1e-9, 1e-9, image[:, 2:])
    mapped = image[:, :2] / w
    A = (H[:2, :2] - mapped[:, :, None] * H[2:, :2]) / w[..., None]
    S = np.eye(2) + A @ np.swapaxes(A, 1, 2)
    e = x2 - mapped
    det = S[:, 0, 0] * S[:, 1, 1] - S[:, 0, 1] ** 2
    squared = (
        S[:, 1, 1] * e[:, 0] ** 2 - 2 * S[:, 0, 1] * e[:, 0] * e[:, 1] + S[:, 0, 0] * e[:, 1] ** 2
    ) / det
    return np.sqrt(np.maximum(squared, 0))
