"""Projection and its inverse for the camera models of `splatpose.types.Camera`.

COLMAP's definitions: x = f * (u + distortion(u)) + c with u = (X/Z, Y/Z).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..scene.camera import Camera
from .rotations import cross_matrix

_UNDISTORT_ITERATIONS = 20


def pixels_from_normalized(
    camera: Camera, normalized: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "N 2"]:
    """Pixels of undistorted image coordinates (X/Z, Y/Z)."""
    distorted = normalized + _distortion(camera, normalized)
    K = camera.K
    return distorted * K[[0, 1], [0, 1]] + K[:2, 2]


def normalized_from_pixels(
    camera: Camera, pixels: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "N 2"]:
    """Undistorted image coordinates (X/Z, Y/Z) of pixels.

    Newton's method on the distortion. Pixels beyond the reach of the distortion polynomial have
    no preimage; theirs is the last iterate, never NaN.
    """
    K = camera.K
    distorted = (pixels - K[:2, 2]) / K[[0, 1], [0, 1]]
    if not camera.distortion.any():
        return distorted
    u = distorted.copy()
    step = 1e-6
    for _ in range(_UNDISTORT_ITERATIONS):
        residual = u + _distortion(camera, u) - distorted
        if np.abs(residual).max(initial=0.0) < 1e-12:
            break
        columns = [
            (_distortion(camera, u + d) - _distortion(camera, u - d)) / (2 * step)
            for d in step * np.eye(2)
        ]
        J = np.eye(2) + np.stack(columns, -1)
        det = J[:, 0, 0] * J[:, 1, 1] - J[:, 0, 1] * J[:, 1, 0]
        det = np.where(np.abs(det) < 0.1, 0.1, det)
        du = J[:, 1, 1] * residual[:, 0] - J[:, 0, 1] * residual[:, 1]
        dv = J[:, 0, 0] * residual[:, 1] - J[:, 1, 0] * residual[:, 0]
        u = u - np.clip(np.stack([du, dv], -1) / det[:, None], -0.5, 0.5)
    return u


def project(
    camera: Camera,
    cam_from_world: Float[np.ndarray, "4 4"],
    points: Float[np.ndarray, "N 3"],
) -> tuple[Float[np.ndarray, "N 2"], Float[np.ndarray, " N"]]:
    """Pixels and depths of world points. Pixels of points with depth <= 0 are NaN."""
    in_camera = points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    depth = in_camera[:, 2]
    safe = np.where(depth > 0, depth, np.nan)
    return pixels_from_normalized(camera, in_camera[:, :2] / safe[:, None]), depth


def twist_derivatives(x: Float[np.ndarray, "N 3"], unit: float) -> Float[np.ndarray, "N 2 6"]:
    """Derivatives of image coordinates (X/Z, Y/Z) by a twist of the camera.

    Args:
        x: points in the camera's frame, in front of it.
        unit: length of the twist's translation, which is behind its rotation (about the camera).
    """
    of_x = np.zeros((len(x), 2, 3))
    of_x[:, 0, 0] = of_x[:, 1, 1] = 1 / x[:, 2]
    of_x[:, :, 2] = -x[:, :2] / x[:, 2:] ** 2
    return np.concatenate([-of_x @ cross_matrix(x), unit * of_x], axis=2)


def _distortion(camera: Camera, u: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
    k = camera.distortion
    if len(k) == 0:
        return np.zeros_like(u)
    r2 = (u**2).sum(1, keepdims=True)
    radial = k[0] * r2 + (k[1] * r2**2 if len(k) > 1 else 0.0)
    if camera.model == "FULL_OPENCV":
        above, below = k[[0, 1, 4]], k[5:]
        radial = (1 + _even(above, r2)) / (1 + _even(below, r2)) - 1
    result = u * radial
    if camera.model in ("OPENCV", "FULL_OPENCV"):
        p1, p2 = k[2], k[3]
        xy = u[:, :1] * u[:, 1:]
        result = result + np.concatenate(
            [
                2 * p1 * xy + p2 * (r2 + 2 * u[:, :1] ** 2),
                2 * p2 * xy + p1 * (r2 + 2 * u[:, 1:] ** 2),
            ],
            1,
        )
    return result


def _even(k: Float[np.ndarray, " 3"], r2: Float[np.ndarray, "N 1"]) -> Float[np.ndarray, "N 1"]:
    """k1 r^2 + k2 r^4 + k3 r^6."""
    return r2 * (k[0] + r2 * (k[1] + r2 * k[2]))
