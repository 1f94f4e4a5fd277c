"""Robust fits of two-view models to matches in normalised coordinates.

Where the matches of many pairs lie one after the other, `pair` names the pair of each, ascending,
every pair from 0 to P - 1 with at least one match.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import homogeneous
from ...geometry.robust import CAUCHY_BEND, cauchy_divisor, cauchy_loss, sigma_by_median
from ...geometry.rotations import cross_matrix, so3_exp

_ROTATION_ROUNDS = 8
_SCALE_ROUNDS = 3
_STEPS = 5
_TOLERANCE = 1e-4
_GENERATORS = cross_matrix(np.eye(3))
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


def segment_medians(values: Float[np.ndarray, " M"], pair: Int[np.ndarray, " M"]):
    """Median (the upper one of two) of each pair's values."""
    starts = segment_starts(pair)
    count = np.diff(np.r_[starts, len(pair)])
    order = np.lexsort((values, pair))
    return values[order][starts + count // 2]


def fit_rotations(
    rays1: Float[np.ndarray, "M 3"], rays2: Float[np.ndarray, "M 3"], pair: Int[np.ndarray, " M"]
) -> RotationFit:
    """Iteratively reweighted Kabsch with Cauchy weights, the scale being each pair's median."""
    weight = np.ones(len(pair))
    outer = np.einsum("ni,nj->nij", rays2, rays1)
    starts = segment_starts(pair)
    R = np.zeros((len(starts), 3, 3))
    residual = median = np.zeros(0)
    for _ in range(_ROTATION_ROUNDS):
        H = np.add.reduceat(weight[:, None, None] * outer, starts, axis=0)
        U, _, Vt = np.linalg.svd(H)
        sign = np.ones((len(H), 3))
        sign[:, 2] = np.sign(np.linalg.det(U @ Vt))
        R = (U * sign[:, None, :]) @ Vt
        residual = np.linalg.norm(np.einsum("nij,nj->ni", R[pair], rays1) - rays2, axis=1)
        median = np.maximum(segment_medians(residual, pair), 1e-9)
        weight = 1 / cauchy_divisor(residual, median[pair])
    # The distance in two dimensions has its median at 1.1774 sigma (Rayleigh).
    sigma = median / 1.1774
    weight = 1 / cauchy_divisor(residual, CAUCHY_BEND * sigma[pair])
    across = np.eye(3) - np.einsum("ni,nj->nij", rays2, rays2)
    information = np.add.reduceat(weight[:, None, None] * across, starts, axis=0)
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
    R, t = rotation, direction / np.linalg.norm(direction)
    h1, h2 = homogeneous(x1), homogeneous(x2)
    distance, J = sampson_derivatives(R, t, h1, h2)
    damping, sigma = 1e-3, 1.0
    for _ in range(_SCALE_ROUNDS):
        sigma = max(sigma_by_median(distance), 1e-9)
        scale = CAUCHY_BEND * sigma
        cost = cauchy_loss(distance / scale)
        for _ in range(_STEPS):
            weighted = J / cauchy_divisor(distance, scale)[:, None]
            A, b = weighted.T @ J, weighted.T @ distance
            A = A + (damping * np.trace(A) / 5 + 1e-12) * np.eye(5)
            step = np.linalg.solve(A, -b)
            new_R, new_t = retract(R, t, step)
            new_distance, new_J = sampson_derivatives(new_R, new_t, h1, h2)
            new_cost = cauchy_loss(new_distance / scale)
            if new_cost >= cost:
                damping *= 10
                continue
            settled = cost - new_cost < _TOLERANCE * cost
            damping *= 0.1
            R, t, distance, J, cost = new_R, new_t, new_distance, new_J, new_cost
            if settled:
                break
    weighted = J / cauchy_divisor(distance, CAUCHY_BEND * sigma)[:, None]
    information = weighted.T @ J / sigma**2 + _PRIOR_INFORMATION * np.eye(5)
    lift = np.zeros((6, 5))
    lift[:3, :3] = np.eye(3)
    lift[3:, 3:] = _tangent(t)
    return RelativeFit(R, t, lift @ np.linalg.inv(information) @ lift.T, sigma, distance)


def sampson_derivatives(
    R: Float[np.ndarray, "3 3"],
    t: Float[np.ndarray, " 3"],
    h1: Float[np.ndarray, "M 3"],
    h2: Float[np.ndarray, "M 3"],
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, "M 5"]]:
    """Signed Sampson distances and their derivatives by rotation vector (on the left) and by the
    direction along its two tangents."""
    T = np.einsum("kij,k->ij", _GENERATORS, t)
    E = T @ R
    dT = np.einsum("kij,kn->nij", _GENERATORS, _tangent(t))
    dE = np.concatenate([T @ _GENERATORS, dT]) @ R
    line2, line1 = h1 @ E.T, h2 @ E
    g = np.sqrt((line2[:, :2] ** 2).sum(1) + (line1[:, :2] ** 2).sum(1)).clip(1e-12)
    distance = (h2 * line2).sum(1) / g
    # M x 5 x 3, by one matrix product each.
    d2 = (h1 @ dE.transpose(2, 0, 1).reshape(3, 15)).reshape(-1, 5, 3)
    d1 = (h2 @ dE.transpose(1, 0, 2).reshape(3, 15)).reshape(-1, 5, 3)
    top = (d2 @ h2[:, :, None])[..., 0]
    dg = (d2[..., :2] @ line2[:, :2, None] + d1[..., :2] @ line1[:, :2, None])[..., 0]
    return distance, (top - (distance / g)[:, None] * dg) / g[:, None]


def signed_sampson(
    R: Float[np.ndarray, "3 3"],
    t: Float[np.ndarray, " 3"],
    h1: Float[np.ndarray, "M 3"],
    h2: Float[np.ndarray, "M 3"],
) -> Float[np.ndarray, " M"]:
    """The distances of `sampson_derivatives` alone."""
    E = np.einsum("kij,k->ij", _GENERATORS, t) @ R
    line2, line1 = h1 @ E.T, h2 @ E
    squared = line2[:, 0] ** 2 + line2[:, 1] ** 2 + line1[:, 0] ** 2 + line1[:, 1] ** 2
    return np.einsum("mi,mi->m", h2, line2) / np.sqrt(squared.clip(1e-24))


def retract(
    R: Float[np.ndarray, "3 3"], t: Float[np.ndarray, " 3"], step: Float[np.ndarray, " 5"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """A relative pose after a step in the parameters of `sampson_derivatives`."""
    t = t + _tangent(t) @ step[3:]
    return so3_exp(step[:3]) @ R, t / np.linalg.norm(t)


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


def _tangent(t: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 2"]:
    """An orthonormal basis of the plane at right angles to a unit vector."""
    x, y, z = t
    smallest = int(np.argmin(np.abs(t)))
    # The product of t with the axis it has least of; np.cross is ten times slower for one vector.
    a = np.array([(0.0, z, -y), (-z, 0.0, x), (y, -x, 0.0)][smallest])
    a = a / np.sqrt(a @ a)
    b = (y * a[2] - z * a[1], z * a[0] - x * a[2], x * a[1] - y * a[0])
    return np.stack([a, np.array(b)], -1)
