"""Rotations as quaternions, matrices and tangent vectors."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def matrix_from_quat(quats: Float[np.ndarray, "*B 4"]) -> Float[np.ndarray, "*B 3 3"]:
    """Rotation matrices of quaternions wxyz, which need not be normalised (but not be zero)."""
    q = quats / np.linalg.norm(quats, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(q, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def quat_from_matrix(rotations: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 4"]:
    """Unit quaternions wxyz with w >= 0 of rotation matrices.

    The largest of the four squared components is found from the diagonal first, so that no
    division is by a small number (Shepperd 1978).
    """
    m = rotations
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # Row k holds 4 q_k q, so its k-th entry is 4 q_k^2.
    x, y, z = m[..., 2, 1], m[..., 0, 2], m[..., 1, 0]
    xt, yt, zt = m[..., 1, 2], m[..., 2, 0], m[..., 0, 1]
    rows = [
        [1 + d0 + d1 + d2, x - xt, y - yt, z - zt],
        [x - xt, 1 + d0 - d1 - d2, z + zt, y + yt],
        [y - yt, z + zt, 1 - d0 + d1 - d2, x + xt],
        [z - zt, y + yt, x + xt, 1 - d0 - d1 + d2],
    ]
    table = np.stack([np.stack(row, -1) for row in rows], -2)
    best = np.argmax(np.diagonal(table, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(table, best[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., :1] < 0, -q, q)


def cross_matrix(vectors: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """[v]x, the matrix whose product with u is v x u."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    o = np.zeros_like(x)
    rows = [[o, -z, y], [z, o, -x], [-y, x, o]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def so3_exp(vectors: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """Rotation matrices of rotation vectors: axis times angle in radians (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    K = cross_matrix(vectors)
    # np.sinc(t / pi) is sin(t) / t, exact at zero.
    half = np.sinc(angle / (2 * np.pi))
    return np.eye(3) + np.sinc(angle / np.pi) * K + 0.5 * half**2 * (K @ K)


def so3_log(rotations: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3"]:
    """Rotation vectors, axis times angle in [0, pi], of rotation matrices."""
    q = quat_from_matrix(rotations)
    w, v = q[..., :1], q[..., 1:]
    sine = np.linalg.norm(v, axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, w)
    # angle / sin(angle / 2) tends to 2 at the identity.
    return v * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-300), 2.0)


def rotation_angle(rotations: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B"]:
    """Angles of rotation matrices in degrees, in [0, 180]."""
    return np.asarray(np.degrees(np.linalg.norm(so3_log(rotations), axis=-1)))
