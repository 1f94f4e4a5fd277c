"""Two views: essential matrices, distances of matches from them, and depths."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from .rotations import cross_matrix


def relative_pose(
    cam1_from_world: Float[np.ndarray, "*B 4 4"], cam2_from_world: Float[np.ndarray, "*B 4 4"]
) -> tuple[Float[np.ndarray, "*B 3 3"], Float[np.ndarray, "*B 3"]]:
    """Rotation and translation of cam2_from_cam1."""
    R1, t1 = cam1_from_world[..., :3, :3], cam1_from_world[..., :3, 3]
    R2, t2 = cam2_from_world[..., :3, :3], cam2_from_world[..., :3, 3]
    R = R2 @ np.swapaxes(R1, -1, -2)
    return R, t2 - np.einsum("...ij,...j->...i", R, t1)


def essential_matrix(
    rotation: Float[np.ndarray, "*B 3 3"], translation: Float[np.ndarray, "*B 3"]
) -> Float[np.ndarray, "*B 3 3"]:
    """E = [t]x R of cam2_from_cam1, with t scaled to length one: x2^T E x1 = 0."""
    norm = np.linalg.norm(translation, axis=-1, keepdims=True)
    return cross_matrix(translation / np.maximum(norm, 1e-300)) @ rotation


def sampson_distance(
    E: Float[np.ndarray, "*M 3 3"], x1: Float[np.ndarray, "M 2"], x2: Float[np.ndarray, "M 2"]
) -> Float[np.ndarray, " M"]:
    """First-order geometric distance of matches from an essential matrix each or in common.

    Hartley & Zisserman 2004, eq. 11.9, as a distance rather than its square, in the units of the
    normalised coordinates `x1`, `x2`.
    """
    h1, h2 = homogeneous(x1), homogeneous(x2)
    line2 = np.einsum("...ij,...j->...i", E, h1)
    line1 = np.einsum("...ji,...j->...i", E, h2)
    gradient = np.sqrt((line1[:, :2] ** 2).sum(1) + (line2[:, :2] ** 2).sum(1))
    return np.abs((h2 * line2).sum(1)) / np.maximum(gradient, 1e-300)


def two_view_depths(
    rotation: Float[np.ndarray, "*M 3 3"],
    translation: Float[np.ndarray, "*M 3"],
    x1: Float[np.ndarray, "M 2"],
    x2: Float[np.ndarray, "M 2"],
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Depths in both cameras of the points where the two rays of a match pass closest.

    Args:
        rotation, translation: cam2_from_cam1, one a match or one for all.
        x1, x2: normalised coordinates.

    Returns:
        Depth in the first camera, in the second, and the sine of the angle between the rays.
        Depths are infinite where the rays are parallel.
    """
    h1, h2 = homogeneous(x1), homogeneous(x2)
    a = np.einsum("...ij,...j->...i", rotation, h1)
    b = h2
    t = np.broadcast_to(translation, b.shape)
    # Least squares of z1 * a + t = z2 * b.
    aa, bb, ab = (a * a).sum(1), (b * b).sum(1), (a * b).sum(1)
    at, bt = (a * t).sum(1), (b * t).sum(1)
    det = aa * bb - ab**2
    with np.errstate(divide="ignore", invalid="ignore"):
        z1 = np.where(det > 0, (ab * bt - bb * at) / det, np.inf)
        z2 = np.where(det > 0, (aa * bt - ab * at) / det, np.inf)
    return z1, z2, np.sqrt(np.maximum(det, 0) / (aa * bb))


def homogeneous(x: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "M E"]:
    """Rows with a one appended."""
    return np.concatenate([x, np.ones((len(x), 1))], 1)
