"""Pieces of the EWA projection, a vector of Gaussians at a time.

The root of the 2-D covariance, B = J R_camera R_gaussian S (2x3), is kept instead of the
covariance: its determinant is |b0 x b1|^2, free of cancellation.
"""

from __future__ import annotations

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.simd import broadcast, fma, maximum, minimum, sqrt

# Places of a camera's numbers in its flat float32 array, after the rotation (9) and translation
# (3) of cam_from_world: intrinsics, smallest and largest slopes x/z, y/z at which Jacobians are
# taken, the rest.
C_FX, C_FY, C_CX, C_CY = 12, 13, 14, 15
C_MIN_SLOPE_X, C_MAX_SLOPE_X, C_MIN_SLOPE_Y, C_MAX_SLOPE_Y = 16, 17, 18, 19
C_NEAR, C_FAR, C_EPS2D = 20, 21, 22
C_CENTER_X, C_CENTER_Y, C_CENTER_Z = 23, 24, 25
C_WIDTH, C_HEIGHT = 26, 27
CAMERA = 28


@device_function
def rotation_matrix(quat):
    """Rotation matrix of a quaternion of any length, row after row, and 1 / length."""
    w, x, y, z = quat
    inverse = broadcast(1.0) / sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w * inverse, x * inverse, y * inverse, z * inverse
    xx, yy, zz = x * x, y * y, z * z
    xy, xz, yz = x * y, x * z, y * z
    wx, wy, wz = w * x, w * y, w * z
    return (
        (
            1.0 - (yy + zz) * 2.0,
            (xy - wz) * 2.0,
            (xz + wy) * 2.0,
            (xy + wz) * 2.0,
            1.0 - (xx + zz) * 2.0,
            (yz - wx) * 2.0,
            (xz - wy) * 2.0,
            (yz + wx) * 2.0,
            1.0 - (xx + yy) * 2.0,
        ),
        inverse,
    )


@device_function
def to_camera(camera, point):
    """Camera coordinates of world points."""
    x, y, z = point
    return (
        fma(camera[0], x, fma(camera[1], y, fma(camera[2], z, camera[9]))),
        fma(camera[3], x, fma(camera[4], y, fma(camera[5], z, camera[10]))),
        fma(camera[6], x, fma(camera[7], y, fma(camera[8], z, camera[11]))),
    )


@device_function
def covariance_root(camera, point, rotation, scales):
    """Rows b0, b1 of B, the nonzero entries of J: two of the diagonal, two of the last column.

    Args: point: centre in the camera. rotation: of the Gaussian, row after row.
    """
    px, py, pz = point
    s0, s1, s2 = scales
    inverse = 1.0 / pz
    slope_x = minimum(maximum(px * inverse, camera[C_MIN_SLOPE_X]), camera[C_MAX_SLOPE_X])
    slope_y = minimum(maximum(py * inverse, camera[C_MIN_SLOPE_Y]), camera[C_MAX_SLOPE_Y])
    j00 = inverse * camera[C_FX]
    j11 = inverse * camera[C_FY]
    j02 = -(j00 * slope_x)
    j12 = -(j11 * slope_y)
    # Rows of J R_camera, then times R_gaussian and S.
    u0 = fma(j00, camera[0], j02 * camera[6])
    u1 = fma(j00, camera[1], j02 * camera[7])
    u2 = fma(j00, camera[2], j02 * camera[8])
    v0 = fma(j11, camera[3], j12 * camera[6])
    v1 = fma(j11, camera[4], j12 * camera[7])
    v2 = fma(j11, camera[5], j12 * camera[8])
    return (
        (
            (u0 * rotation[0] + u1 * rotation[3] + u2 * rotation[6]) * s0,
            (u0 * rotation[1] + u1 * rotation[4] + u2 * rotation[7]) * s1,
            (u0 * rotation[2] + u1 * rotation[5] + u2 * rotation[8]) * s2,
            (v0 * rotation[0] + v1 * rotation[3] + v2 * rotation[6]) * s0,
            (v0 * rotation[1] + v1 * rotation[4] + v2 * rotation[7]) * s1,
            (v0 * rotation[2] + v1 * rotation[5] + v2 * rotation[8]) * s2,
        ),
        (j00, j11, j02, j12),
    )


@device_function
def covariance(root, eps2d):
    """Blurred 2-D covariance (xx, xy, yy), its determinant, and the determinant unblurred."""
    a0, a1, a2, b0, b1, b2 = root
    xx = a0 * a0 + a1 * a1 + a2 * a2
    xy = a0 * b0 + a1 * b1 + a2 * b2
    yy = b0 * b0 + b1 * b1 + b2 * b2
    c0, c1, c2 = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
    sharp = c0 * c0 + c1 * c1 + c2 * c2
    det = sharp + (xx + yy + eps2d) * eps2d
    return xx + eps2d, xy, yy + eps2d, det, sharp


@device_function
def unit_direction(camera, point):
    """Unit vectors from the camera's centre to world points, and 1 / distance."""
    x, y, z = point
    dx, dy, dz = x - camera[C_CENTER_X], y - camera[C_CENTER_Y], z - camera[C_CENTER_Z]
    inverse = 1.0 / sqrt(dx * dx + dy * dy + dz * dz)
    return dx * inverse, dy * inverse, dz * inverse, inverse
