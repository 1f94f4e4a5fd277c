"""Forward projection: Gaussians in the world -> one record each for one camera.

LANES Gaussians a vector. The root of the 2-D covariance, B = J R_camera R_gaussian S (2x3), is
kept instead of the covariance: its determinant is |b0 x b1|^2, free of cancellation.
"""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function, kernel
from splatpose.render.cpu.harmonics import BASES, store_bases
from splatpose.render.cpu.layout import (
    E_BULGE,
    E_EXTENT,
    E_EXTENT2,
    E_SLOPE,
    E_TOP,
    LOG2_E,
    R_CHANNEL,
    R_ELLIPSE,
    R_POWER,
    R_X,
    R_XX,
    R_XY,
    R_Y,
    R_YY,
    RECORD,
    TILE,
)
from splatpose.render.cpu.simd import (
    LANES,
    absolute,
    any_lane,
    broadcast,
    ceil,
    fetch_add,
    fma,
    gather,
    load,
    log,
    maximum,
    minimum,
    select,
    sqrt,
    store,
)

BLOCK = 1024
"""Gaussians that a thread takes at a time; camera gradients are summed per block."""

# Places of a camera's numbers in its flat float32 array, after the rotation (9) and translation
# (3) of cam_from_world: intrinsics, smallest and largest slopes x/z, y/z at which Jacobians are
# taken, the rest.
C_FX, C_FY, C_CX, C_CY = 12, 13, 14, 15
C_MIN_SLOPE_X, C_MAX_SLOPE_X, C_MIN_SLOPE_Y, C_MAX_SLOPE_Y = 16, 17, 18, 19
C_NEAR, C_FAR, C_EPS2D = 20, 21, 22
C_CENTER_X, C_CENTER_Y, C_CENTER_Z = 23, 24, 25
C_WIDTH, C_HEIGHT = 26, 27
CAMERA = 28

_LN_255 = np.float32(np.log(255.0))
_HALF_LOG2_E = np.float32(-0.5) * LOG2_E
_MAX_SIGMAS = np.float32(3.33)
_FIELDS = 24
_F_VISIBLE, _F_DEPTH, _F_RADIUS_X, _F_RADIUS_Y = 16, 17, 18, 19
_F_HALF_X, _F_HALF_Y = 20, 21


@device_function
def rotation(w, x, y, z):
    """Rotation matrix of a quaternion of any length, row after row, and 1 / length."""
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
def to_camera(camera, x, y, z):
    """Camera coordinates of world points."""
    return (
        fma(camera[0], x, fma(camera[1], y, fma(camera[2], z, camera[9]))),
        fma(camera[3], x, fma(camera[4], y, fma(camera[5], z, camera[10]))),
        fma(camera[6], x, fma(camera[7], y, fma(camera[8], z, camera[11]))),
    )


@device_function
def covariance_root(camera, px, py, pz, turn, s0, s1, s2):
    """Rows b0, b1 of B, the nonzero entries of J: two of the diagonal, two of the last column."""
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
            (u0 * turn[0] + u1 * turn[3] + u2 * turn[6]) * s0,
            (u0 * turn[1] + u1 * turn[4] + u2 * turn[7]) * s1,
            (u0 * turn[2] + u1 * turn[5] + u2 * turn[8]) * s2,
            (v0 * turn[0] + v1 * turn[3] + v2 * turn[6]) * s0,
            (v0 * turn[1] + v1 * turn[4] + v2 * turn[7]) * s1,
            (v0 * turn[2] + v1 * turn[5] + v2 * turn[8]) * s2,
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
def unit_direction(camera, x, y, z):
    """Unit vectors from the camera's centre to points, and 1 / distance."""
    dx, dy, dz = x - camera[C_CENTER_X], y - camera[C_CENTER_Y], z - camera[C_CENTER_Z]
    inverse = 1.0 / sqrt(dx * dx + dy * dy + dz * dz)
    return dx * inverse, dy * inverse, dz * inverse, inverse


@device_function
def _view_colors(i, count, x, y, z, camera, colors, stride, sh_degree, channels, bases, fields):
    """Store colour channels to `fields` and return their sum (to test it for NaN)."""
    check = broadcast(0.0)
    if sh_degree >= 0:
        dx, dy, dz, _inverse = unit_direction(camera, x, y, z)
        store_bases(sh_degree, dx, dy, dz, bases)
        for c in range(3):
            value = broadcast(0.5)
            for k in range((sh_degree + 1) * (sh_degree + 1)):
                coefficient = gather(colors, i, count, stride, 3 * k + c)
                value = fma(load(bases, k * LANES), coefficient, value)
            check = check + value
            # The other order would turn NaN into black.
            store(fields, (R_CHANNEL + c) * LANES, maximum(value, 0.0))
    else:
        for c in range(channels):
            value = gather(colors, i, count, stride, c)
            check = check + value
            store(fields, (R_CHANNEL + c) * LANES, value)
    return check


@device_function
def _project_vector(
    i,
    count,
    means,
    quats,
    scales,
    opacities,
    colors,
    color_stride,
    sh_degree,
    color_channels,
    depth_channel,
    antialiased,
    camera,
    bases,
    fields,
):
    """Project LANES Gaussians from index i on; every field is stored, visible or not."""
    x, y, z = (
        gather(means, i, count, 3, 0),
        gather(means, i, count, 3, 1),
        gather(means, i, count, 3, 2),
    )
    px, py, pz = to_camera(camera, x, y, z)
    valid = (pz >= camera[C_NEAR]) & (pz <= camera[C_FAR])
    turn, _inverse = rotation(
        gather(quats, i, count, 4, 0),
        gather(quats, i, count, 4, 1),
        gather(quats, i, count, 4, 2),
        gather(quats, i, count, 4, 3),
    )
    root, _jacobian = covariance_root(
        camera,
        px,
        py,
        pz,
        turn,
        gather(scales, i, count, 3, 0),
        gather(scales, i, count, 3, 1),
        gather(scales, i, count, 3, 2),
    )
    xx, xy, yy, det, sharp = covariance(root, camera[C_EPS2D])
    peak = gather(opacities, i, count, 1, 0)
    if antialiased:
        peak = peak * sqrt(sharp / det)
    valid = valid & (peak >= 1.0 / 255.0) & (det > 0.0)
    mean_x, mean_y = px / pz * camera[C_FX] + camera[C_CX], py / pz * camera[C_FY] + camera[C_CY]
    check = _view_colors(
        i, count, x, y, z, camera, colors, color_stride, sh_degree, color_channels, bases, fields
    )
    check = check + mean_x + mean_y + xx + yy + det + peak
    # NaN and infinity fail this; a sum that overflows from finite numbers is as useless.
    valid = valid & (absolute(check) < 3e38)
    power = log(select(valid, peak, broadcast(1.0)))
    reach2 = maximum((power + _LN_255) * 2.0, 0.0)
    reach = minimum(sqrt(reach2), _MAX_SIGMAS)
    deviation_x, deviation_y = sqrt(xx), sqrt(yy)
    # No more than fits an int32.
    radius_x = minimum(ceil(reach * deviation_x), 1e9)
    radius_y = minimum(ceil(reach * deviation_y), 1e9)
    valid = valid & (mean_x + radius_x > 0.0) & (mean_x - radius_x < camera[C_WIDTH])
    valid = valid & (mean_y + radius_y > 0.0) & (mean_y - radius_y < camera[C_HEIGHT])
    extent2 = reach2 * xx
    store(fields, R_X * LANES, mean_x)
    store(fields, R_Y * LANES, mean_y)
    store(fields, R_XX * LANES, yy / det * _HALF_LOG2_E)
    store(fields, R_XY * LANES, xy / det * LOG2_E)
    store(fields, R_YY * LANES, xx / det * _HALF_LOG2_E)
    store(fields, R_POWER * LANES, power * LOG2_E)
    store(fields, (R_ELLIPSE + E_EXTENT) * LANES, sqrt(extent2))
    store(fields, (R_ELLIPSE + E_EXTENT2) * LANES, extent2)
    store(fields, (R_ELLIPSE + E_SLOPE) * LANES, xy / xx)
    store(fields, (R_ELLIPSE + E_BULGE) * LANES, sqrt(det) / xx)
    store(fields, (R_ELLIPSE + E_TOP) * LANES, xy * sqrt(reach2 / yy))
    store(fields, _F_VISIBLE * LANES, select(valid, broadcast(1.0), broadcast(0.0)))
    store(fields, _F_DEPTH * LANES, pz)
    store(fields, _F_RADIUS_X * LANES, radius_x)
    store(fields, _F_RADIUS_Y * LANES, radius_y)
    store(fields, _F_HALF_X * LANES, sqrt(extent2))
    store(fields, _F_HALF_Y * LANES, sqrt(reach2 * yy))
    if depth_channel >= 0:
        store(fields, (R_CHANNEL + depth_channel) * LANES, pz)
    return any_lane(valid)


@device_function
def _write_gaussian(i, lane, fields, camera, records, depths, boxes, radii, means2d):
    visible = fields[_F_VISIBLE * LANES + lane] != 0.0
    depths[i] = fields[_F_DEPTH * LANES + lane] if visible else np.float32(0.0)
    radii[2 * i] = np.int32(fields[_F_RADIUS_X * LANES + lane]) if visible else np.int32(0)
    radii[2 * i + 1] = np.int32(fields[_F_RADIUS_Y * LANES + lane]) if visible else np.int32(0)
    x, y = fields[R_X * LANES + lane], fields[R_Y * LANES + lane]
    means2d[2 * i] = x if visible else np.float32(0.0)
    means2d[2 * i + 1] = y if visible else np.float32(0.0)
    if visible:
        for field in range(RECORD):
            records[i * RECORD + field] = fields[field * LANES + lane]
        half_x, half_y = fields[_F_HALF_X * LANES + lane], fields[_F_HALF_Y * LANES + lane]
        right, bottom = camera[C_WIDTH] - np.float32(1.0), camera[C_HEIGHT] - np.float32(1.0)
        zero = np.float32(0.0)
        boxes[4 * i] = np.int32(min(max(x - half_x, zero), right)) // TILE
        boxes[4 * i + 1] = np.int32(min(max(x + half_x, zero), right)) // TILE
        boxes[4 * i + 2] = np.int32(min(max(y - half_y, zero), bottom)) // TILE
        boxes[4 * i + 3] = np.int32(min(max(y + half_y, zero), bottom)) // TILE


@kernel
def project(
    counter,
    means,
    quats,
    scales,
    opacities,
    colors,
    color_stride,
    sh_degree,
    color_channels,
    depth_channel,
    antialiased,
    camera,
    records,
    depths,
    boxes,
    radii,
    means2d,
):
    """Project Gaussians, block after block, until none is left.

    Args:
        counter: [1] int64 shared between threads: blocks taken.
        means, quats, scales, opacities: [N * 3], [N * 4], [N * 3], [N].
        colors: [N * color_stride] harmonics (channel fastest), or `color_channels` plain colours.
        sh_degree: Degree of harmonics to use, or -1.
        depth_channel: Channel that holds the depth, or -1.
        camera: [CAMERA].
        records: [N * RECORD] out; untouched for Gaussians that are not visible.
        depths: [N] out: 0 if not visible.
        boxes: [N * 4] out: first and last tile column and row.
        radii: [N * 2] out: pixels, 0 if not visible. means2d: [N * 2] out.
    """
    count = len(opacities)
    fields = np.zeros(_FIELDS * LANES, np.float32)
    bases = np.empty(BASES * LANES, np.float32)
    while True:
        start = fetch_add(counter, 1) * BLOCK
        if start >= count:
            return
        for i in range(start, min(start + BLOCK, count), LANES):
            _project_vector(
                i,
                count,
                means,
                quats,
                scales,
                opacities,
                colors,
                color_stride,
                sh_degree,
                color_channels,
                depth_channel,
                antialiased,
                camera,
                bases,
                fields,
            )
            for lane in range(min(LANES, count - i)):
                _write_gaussian(
                    i + lane, lane, fields, camera, records, depths, boxes, radii, means2d
                )
