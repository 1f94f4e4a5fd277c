"""Forward projection: Gaussians in the world -> one record each for one camera.

LANES Gaussians a vector. The root of the 2-D covariance, B = J R_camera R_gaussian S (2x3), is
kept instead of the covariance: its determinant is |b0 x b1|^2, free of cancellation.
"""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.columns import SCRATCH, load_columns
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
    GROUP,
    LANES,
    absolute,
    any_lane,
    broadcast,
    ceil,
    element,
    fetch_add,
    floor,
    fma,
    load,
    load_group,
    log,
    maximum,
    minimum,
    select,
    sqrt,
    store,
    store_int,
    store_rows,
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
# Columns of a vector of Gaussians: where each input starts. Columns come in groups of eight.
# NumPy integers: Numba compiles a helper anew for each Python integer that it is called with.
I_MEAN, I_QUAT, I_SCALE, I_OPACITY, I_DEPTH, I_COLOR = GROUP * np.arange(6)
ONE, TWO, THREE, FOUR = np.arange(1, 5)
INPUTS = int(I_COLOR) + 3 * BASES
# Whole numbers of a vector of Gaussians: radii, then first and last tile column and row.
_N_RADIUS, _N_BOX, _NUMBERS = 0, 2, 6


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
def _view_colors(x, y, z, camera, inputs, sh_degree, channels, bases, fields):
    """Store colour channels to `fields` and return their sum (to test it for NaN)."""
    check = broadcast(0.0)
    if sh_degree >= 0:
        dx, dy, dz, _inverse = unit_direction(camera, x, y, z)
        store_bases(sh_degree, dx, dy, dz, bases)
        for c in range(3):
            value = broadcast(0.5)
            for k in range((sh_degree + 1) * (sh_degree + 1)):
                value = fma(
                    load(bases, k * LANES), load(inputs, (I_COLOR + 3 * k + c) * LANES), value
                )
            check = check + value
            # The other order would turn NaN into black.
            store(fields, (R_CHANNEL + c) * LANES, maximum(value, 0.0))
    else:
        for c in range(channels):
            value = load(inputs, (I_COLOR + c) * LANES)
            check = check + value
            store(fields, (R_CHANNEL + c) * LANES, value)
    return check


@device_function
def _tile_number(pixel, limit):
    return floor(minimum(maximum(pixel, 0.0), limit - 1.0) * (1.0 / TILE))


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
    used_colors,
    sh_degree,
    color_channels,
    depth_channel,
    antialiased,
    camera,
    scratch,
    inputs,
    bases,
    fields,
    numbers,
):
    """Project LANES Gaussians from index i on.

    Returns: centre's depth, 0 where not visible; 2-D mean; whether any is visible. Where none is,
    `fields` and `numbers` stay as they were.
    """
    load_columns(means, i, count, THREE, THREE, scratch, inputs, I_MEAN)
    x, y, z = (
        load(inputs, I_MEAN * LANES),
        load(inputs, (I_MEAN + 1) * LANES),
        load(inputs, (I_MEAN + 2) * LANES),
    )
    px, py, pz = to_camera(camera, x, y, z)
    valid = (pz >= camera[C_NEAR]) & (pz <= camera[C_FAR])
    zero = broadcast(0.0)
    if not any_lane(valid):
        return zero, zero, zero, False
    load_columns(quats, i, count, FOUR, FOUR, scratch, inputs, I_QUAT)
    load_columns(scales, i, count, THREE, THREE, scratch, inputs, I_SCALE)
    load_columns(opacities, i, count, ONE, ONE, scratch, inputs, I_OPACITY)
    turn, _inverse = rotation(
        load(inputs, I_QUAT * LANES),
        load(inputs, (I_QUAT + 1) * LANES),
        load(inputs, (I_QUAT + 2) * LANES),
        load(inputs, (I_QUAT + 3) * LANES),
    )
    root, _jacobian = covariance_root(
        camera,
        px,
        py,
        pz,
        turn,
        load(inputs, I_SCALE * LANES),
        load(inputs, (I_SCALE + 1) * LANES),
        load(inputs, (I_SCALE + 2) * LANES),
    )
    xx, xy, yy, det, sharp = covariance(root, camera[C_EPS2D])
    peak = load(inputs, I_OPACITY * LANES)
    if antialiased:
        peak = peak * sqrt(sharp / det)
    valid = valid & (peak >= 1.0 / 255.0) & (det > 0.0)
    mean_x, mean_y = px / pz * camera[C_FX] + camera[C_CX], py / pz * camera[C_FY] + camera[C_CY]
    check = mean_x + mean_y + xx + yy + det + peak
    power = log(select(valid, peak, broadcast(1.0)))
    reach2 = maximum((power + _LN_255) * 2.0, 0.0)
    reach = minimum(sqrt(reach2), _MAX_SIGMAS)
    deviation_x, deviation_y = sqrt(xx), sqrt(yy)
    # No more than fits an int32.
    radius_x = minimum(ceil(reach * deviation_x), 1e9)
    radius_y = minimum(ceil(reach * deviation_y), 1e9)
    valid = valid & (mean_x + radius_x > 0.0) & (mean_x - radius_x < camera[C_WIDTH])
    valid = valid & (mean_y + radius_y > 0.0) & (mean_y - radius_y < camera[C_HEIGHT])
    if not any_lane(valid):
        return zero, zero, zero, False
    load_columns(colors, i, count, color_stride, used_colors, scratch, inputs, I_COLOR)
    check = check + _view_colors(x, y, z, camera, inputs, sh_degree, color_channels, bases, fields)
    # NaN and infinity fail this; a sum that overflows from finite numbers is as useless.
    valid = valid & (absolute(check) < 3e38)
    extent2 = reach2 * xx
    half_x, half_y = sqrt(extent2), sqrt(reach2 * yy)
    store(fields, R_XX * LANES, yy / det * _HALF_LOG2_E)
    store(fields, R_XY * LANES, xy / det * LOG2_E)
    store(fields, R_YY * LANES, xx / det * _HALF_LOG2_E)
    store(fields, R_POWER * LANES, power * LOG2_E)
    store(fields, R_X * LANES, mean_x)
    store(fields, R_Y * LANES, mean_y)
    store(fields, (R_ELLIPSE + E_EXTENT) * LANES, half_x)
    store(fields, (R_ELLIPSE + E_EXTENT2) * LANES, extent2)
    store(fields, (R_ELLIPSE + E_SLOPE) * LANES, xy / xx)
    store(fields, (R_ELLIPSE + E_BULGE) * LANES, sqrt(det) / xx)
    store(fields, (R_ELLIPSE + E_TOP) * LANES, xy * sqrt(reach2 / yy))
    if depth_channel >= 0:
        store(fields, (R_CHANNEL + depth_channel) * LANES, pz)
    store_int(numbers, _N_RADIUS * LANES, select(valid, radius_x, zero))
    store_int(numbers, (_N_RADIUS + 1) * LANES, select(valid, radius_y, zero))
    width, height = camera[C_WIDTH], camera[C_HEIGHT]
    store_int(numbers, _N_BOX * LANES, _tile_number(mean_x - half_x, width))
    store_int(numbers, (_N_BOX + 1) * LANES, _tile_number(mean_x + half_x, width))
    store_int(numbers, (_N_BOX + 2) * LANES, _tile_number(mean_y - half_y, height))
    store_int(numbers, (_N_BOX + 3) * LANES, _tile_number(mean_y + half_y, height))
    return (
        select(valid, pz, zero),
        select(valid, mean_x, zero),
        select(valid, mean_y, zero),
        any_lane(valid),
    )


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
        records: [(N + LANES) * RECORD] out; undefined for Gaussians that are not visible.
        depths: [N] out: 0 if not visible.
        boxes: [N * 4] out: first and last tile column and row; undefined if not visible.
        radii: [N * 2] out: pixels, 0 if not visible. means2d: [N * 2] out.
    """
    count = len(opacities)
    used_colors = 3 * (sh_degree + 1) * (sh_degree + 1) if sh_degree >= 0 else color_channels
    scratch = np.zeros(SCRATCH, np.float32)
    inputs = np.zeros(INPUTS * LANES, np.float32)
    fields = np.zeros(RECORD * LANES, np.float32)
    bases = np.empty(BASES * LANES, np.float32)
    seen = np.empty(3 * LANES, np.float32)
    numbers = np.zeros(_NUMBERS * LANES, np.int32)
    while True:
        start = fetch_add(counter, 1) * BLOCK
        if start >= count:
            return
        for i in range(start, min(start + BLOCK, count), LANES):
            depth, mean_x, mean_y, any_visible = _project_vector(
                i,
                count,
                means,
                quats,
                scales,
                opacities,
                colors,
                color_stride,
                used_colors,
                sh_degree,
                color_channels,
                depth_channel,
                antialiased,
                camera,
                scratch,
                inputs,
                bases,
                fields,
                numbers,
            )
            store(seen, 0, depth)
            store(seen, LANES, mean_x)
            store(seen, 2 * LANES, mean_y)
            if any_visible:
                store_rows(records, i * RECORD, RECORD, load_group(fields, 0))
                store_rows(records, i * RECORD + GROUP, RECORD, load_group(fields, GROUP * LANES))
            for lane in range(min(LANES, count - i)):
                g = i + lane
                depths[g] = element(seen, lane)
                means2d[2 * g] = element(seen, LANES + lane)
                means2d[2 * g + 1] = element(seen, 2 * LANES + lane)
                for axis in range(2):
                    radius = element(numbers, (_N_RADIUS + axis) * LANES + lane)
                    radii[2 * g + axis] = radius if any_visible else np.int32(0)
                for side in range(4):
                    boxes[4 * g + side] = element(numbers, (_N_BOX + side) * LANES + lane)
