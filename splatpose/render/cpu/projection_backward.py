"""Backward projection: sums of slots -> gradients of Gaussians and camera.

The forward quantities are computed again from the inputs; only what is cheap to load is loaded.
"""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function, kernel
from splatpose.render.cpu.harmonics import BASES, store_bases, store_derivatives
from splatpose.render.cpu.layout import R_CHANNEL, RECORD, S_ABSOLUTE, S_CHANNEL, SLOT
from splatpose.render.cpu.projection import (
    BLOCK,
    C_EPS2D,
    covariance,
    covariance_root,
    rotation,
    to_camera,
    unit_direction,
)
from splatpose.render.cpu.projection_gradients import (
    antialias_gradient,
    camera_times,
    covariance_gradient,
    point_gradient,
    root_gradient,
    rotation_gradient,
)
from splatpose.render.cpu.simd import (
    GROUP,
    LANES,
    accumulate,
    broadcast,
    clear,
    fetch_add,
    fma,
    gather,
    load,
    load_rows,
    select,
    store,
    store_group,
    total,
)

CAMERA_SUMS = 16
"""Sums for the camera: gradient of its rotation (9), translation (3) and centre (3)."""

# Order of the gradients of one Gaussian in the vector buffer.
# NumPy integers: Numba compiles a helper anew for each Python integer that it is called with.
_G_MEAN, _G_QUAT, _G_SCALE, _G_OPACITY, _G_MEAN2D, _G_COLOR = np.array([0, 3, 7, 10, 11, 13])
_ROW0, _ROW1, _ROW2 = np.arange(3)
_SIZE1, _SIZE2, _SIZE3, _SIZE4 = np.arange(1, 5)


@device_function
def _sum_slots(i, count, depths, slot_start, tile_count, slot_gradients, rows, sums):
    """Sum the slots of LANES Gaussians into sums[k * LANES + lane]; return whether any has one.

    Args:
        rows: [LANES * SLOT] scratch, zero beyond the last Gaussian.
    """
    used = False
    clear(rows, 0, len(rows))
    for lane in range(min(LANES, count - i)):
        g = i + lane
        if depths[g] != 0.0:
            for slot in range(slot_start[g], slot_start[g] + tile_count[g]):
                used = True
                for k in range(0, SLOT, LANES):
                    accumulate(rows, lane * SLOT + k, load(slot_gradients, slot * SLOT + k))
    if used:
        store_group(sums, 0, load_rows(rows, 0, LANES, SLOT, 0))
        store_group(sums, GROUP * LANES, load_rows(rows, 0, LANES, SLOT, GROUP))
    else:
        clear(sums, 0, len(sums))
    return used


@device_function
def _color_gradient(
    i,
    count,
    x,
    y,
    z,
    camera,
    colors,
    stride,
    sh_degree,
    channels,
    records,
    sums,
    bases,
    derivatives,
    out,
):
    """Store gradients of colour inputs to `out`; return that of the mean through directions."""
    zero = broadcast(0.0)
    if sh_degree < 0:
        for c in range(channels):
            store(out, (_G_COLOR + c) * LANES, load(sums, (S_CHANNEL + c) * LANES))
        return zero, zero, zero
    dx, dy, dz, inverse = unit_direction(camera, x, y, z)
    store_bases(sh_degree, dx, dy, dz, bases)
    store_derivatives(sh_degree, dx, dy, dz, derivatives)
    gx, gy, gz = zero, zero, zero
    for c in range(3):
        # Black is where the colour was clamped.
        lit = gather(records, i, count, RECORD, R_CHANNEL + c) > 0.0
        v = select(lit, load(sums, (S_CHANNEL + c) * LANES), zero)
        for k in range((sh_degree + 1) * (sh_degree + 1)):
            store(out, (_G_COLOR + 3 * k + c) * LANES, v * load(bases, k * LANES))
            pull = v * gather(colors, i, count, stride, 3 * k + c)
            gx = fma(pull, load(derivatives, 3 * k * LANES), gx)
            gy = fma(pull, load(derivatives, (3 * k + 1) * LANES), gy)
            gz = fma(pull, load(derivatives, (3 * k + 2) * LANES), gz)
    radial = gx * dx + gy * dy + gz * dz
    return (
        (gx - radial * dx) * inverse,
        (gy - radial * dy) * inverse,
        (gz - radial * dz) * inverse,
    )


@device_function
def _store_scale_gradient(root_gradient, jacobian, w, out):
    a0, a1, a2, b0, b1, b2 = root_gradient
    j00, j11, j02, j12 = jacobian
    store(out, _G_SCALE * LANES, a0 * (j00 * w[0] + j02 * w[6]) + b0 * (j11 * w[3] + j12 * w[6]))
    store(
        out, (_G_SCALE + 1) * LANES, a1 * (j00 * w[1] + j02 * w[7]) + b1 * (j11 * w[4] + j12 * w[7])
    )
    store(
        out, (_G_SCALE + 2) * LANES, a2 * (j00 * w[2] + j02 * w[8]) + b2 * (j11 * w[5] + j12 * w[8])
    )


@device_function
def _store_quaternion_gradient(camera, turn, c, inverse_norm, qw, qx, qy, qz, out):
    """From `c`, the gradient of R_camera R_gaussian, to that of a quaternion of any length."""
    r = camera
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = c
    v = (
        c0 * r[0] + c3 * r[3] + c6 * r[6],
        c1 * r[0] + c4 * r[3] + c7 * r[6],
        c2 * r[0] + c5 * r[3] + c8 * r[6],
        c0 * r[1] + c3 * r[4] + c6 * r[7],
        c1 * r[1] + c4 * r[4] + c7 * r[7],
        c2 * r[1] + c5 * r[4] + c8 * r[7],
        c0 * r[2] + c3 * r[5] + c6 * r[8],
        c1 * r[2] + c4 * r[5] + c7 * r[8],
        c2 * r[2] + c5 * r[5] + c8 * r[8],
    )
    h0, h1, h2 = rotation_gradient(turn, v)
    twice = inverse_norm * inverse_norm * 2.0
    store(out, _G_QUAT * LANES, -(h0 * qx + h1 * qy + h2 * qz) * twice)
    store(out, (_G_QUAT + 1) * LANES, (h0 * qw + h1 * qz - h2 * qy) * twice)
    store(out, (_G_QUAT + 2) * LANES, (h1 * qw + h2 * qx - h0 * qz) * twice)
    store(out, (_G_QUAT + 3) * LANES, (h2 * qw + h0 * qy - h1 * qx) * twice)


@device_function
def _add_camera_row(row, visible, turn, c0, c1, c2, g, point, d, sums):
    """Add gradients w.r.t. one row of the camera's rotation, of translation and centre."""
    x, y, z = point
    zero = broadcast(0.0)
    value = c0 * turn[0] + c1 * turn[1] + c2 * turn[2] + g * x
    accumulate(sums, (3 * row) * LANES, select(visible, value, zero))
    value = c0 * turn[3] + c1 * turn[4] + c2 * turn[5] + g * y
    accumulate(sums, (3 * row + 1) * LANES, select(visible, value, zero))
    value = c0 * turn[6] + c1 * turn[7] + c2 * turn[8] + g * z
    accumulate(sums, (3 * row + 2) * LANES, select(visible, value, zero))
    accumulate(sums, (9 + row) * LANES, select(visible, g, zero))
    accumulate(sums, (12 + row) * LANES, select(visible, -d, zero))


@device_function
def _gaussian_gradient(
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
    records,
    depths,
    sums,
    bases,
    derivatives,
    camera_sums,
    out,
):
    """Gradients of LANES Gaussians into `out`, of the camera added to `camera_sums`."""
    point = (
        gather(means, i, count, 3, 0),
        gather(means, i, count, 3, 1),
        gather(means, i, count, 3, 2),
    )
    qw, qx, qy, qz = (
        gather(quats, i, count, 4, 0),
        gather(quats, i, count, 4, 1),
        gather(quats, i, count, 4, 2),
        gather(quats, i, count, 4, 3),
    )
    s0, s1, s2 = (
        gather(scales, i, count, 3, 0),
        gather(scales, i, count, 3, 1),
        gather(scales, i, count, 3, 2),
    )
    px, py, pz = to_camera(camera, point[0], point[1], point[2])
    turn, inverse_norm = rotation(qw, qx, qy, qz)
    root, jacobian = covariance_root(camera, px, py, pz, turn, s0, s1, s2)
    cov = covariance(root, camera[C_EPS2D])
    v_x, v_y, gxx, gxy, gyy = covariance_gradient(sums, cov)
    a0, a1, a2, b0, b1, b2 = root_gradient(root, gxx, gxy, gyy)
    if antialiased:
        e0, e1, e2, e3, e4, e5 = antialias_gradient(root, cov, load(sums, 0))
        a0, a1, a2, b0, b1, b2 = a0 + e0, a1 + e1, a2 + e2, b0 + e3, b1 + e4, b2 + e5
    w = camera_times(camera, turn)
    _store_scale_gradient((a0, a1, a2, b0, b1, b2), jacobian, w, out)
    a0, a1, a2, b0, b1, b2 = a0 * s0, a1 * s1, a2 * s2, b0 * s0, b1 * s1, b2 * s2
    v_j00, v_j02 = a0 * w[0] + a1 * w[1] + a2 * w[2], a0 * w[6] + a1 * w[7] + a2 * w[8]
    v_j11, v_j12 = b0 * w[3] + b1 * w[4] + b2 * w[5], b0 * w[6] + b1 * w[7] + b2 * w[8]
    g0, g1, g2 = point_gradient(camera, px, py, pz, jacobian, v_x, v_y, v_j00, v_j11, v_j02, v_j12)
    if depth_channel >= 0:
        g2 = g2 + load(sums, (S_CHANNEL + depth_channel) * LANES)
    j00, j11, j02, j12 = jacobian
    c = (
        a0 * j00,
        a1 * j00,
        a2 * j00,
        b0 * j11,
        b1 * j11,
        b2 * j11,
        a0 * j02 + b0 * j12,
        a1 * j02 + b1 * j12,
        a2 * j02 + b2 * j12,
    )
    _store_quaternion_gradient(camera, turn, c, inverse_norm, qw, qx, qy, qz, out)
    d0, d1, d2 = _color_gradient(
        i,
        count,
        point[0],
        point[1],
        point[2],
        camera,
        colors,
        color_stride,
        sh_degree,
        color_channels,
        records,
        sums,
        bases,
        derivatives,
        out,
    )
    store(out, _G_MEAN * LANES, g0 * camera[0] + g1 * camera[3] + g2 * camera[6] + d0)
    store(out, (_G_MEAN + 1) * LANES, g0 * camera[1] + g1 * camera[4] + g2 * camera[7] + d1)
    store(out, (_G_MEAN + 2) * LANES, g0 * camera[2] + g1 * camera[5] + g2 * camera[8] + d2)
    store(out, _G_OPACITY * LANES, load(sums, 0) / gather(opacities, i, count, 1, 0))
    store(out, _G_MEAN2D * LANES, v_x)
    store(out, (_G_MEAN2D + 1) * LANES, v_y)
    visible = gather(depths, i, count, 1, 0) > 0.0
    _add_camera_row(_ROW0, visible, turn, c[0], c[1], c[2], g0, point, d0, camera_sums)
    _add_camera_row(_ROW1, visible, turn, c[3], c[4], c[5], g1, point, d1, camera_sums)
    _add_camera_row(_ROW2, visible, turn, c[6], c[7], c[8], g2, point, d2, camera_sums)


@device_function
def _write(target, start, size, out, field, lane, use, add):
    """Copy, add or clear `size` numbers of one Gaussian."""
    for k in range(size):
        value = out[(field + k) * LANES + lane] if use else np.float32(0.0)
        if add:
            value += target[start + k]
        target[start + k] = value


@kernel
def project_backward(
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
    slot_start,
    tile_count,
    slot_gradients,
    add,
    v_means,
    v_quats,
    v_scales,
    v_opacities,
    v_colors,
    v_means2d,
    absolute2d,
    camera_sums,
):
    """Gradients of block after block of Gaussians.

    Args: as of `project`, and
        slot_start, tile_count, slot_gradients: Slots of each Gaussian.
        add: Add to the gradients (further cameras) instead of setting them.
        v_means2d: [N * 2] out, set. absolute2d: the same for sums of absolute values, or empty.
        camera_sums: [blocks * CAMERA_SUMS] out.
    """
    count = len(opacities)
    # Spherical harmonics in use; the gradients of the others are zero.
    used_colors = 3 * (sh_degree + 1) * (sh_degree + 1) if sh_degree >= 0 else color_channels
    rows, sums = np.empty(SLOT * LANES, np.float32), np.empty(SLOT * LANES, np.float32)
    bases = np.empty(BASES * LANES, np.float32)
    derivatives = np.empty(3 * BASES * LANES, np.float32)
    out = np.zeros((_G_COLOR + 3 * BASES) * LANES, np.float32)
    camera_lanes = np.empty(CAMERA_SUMS * LANES, np.float32)
    while True:
        block = fetch_add(counter, 1)
        if block * BLOCK >= count:
            return
        clear(camera_lanes, 0, CAMERA_SUMS * LANES)
        for i in range(block * BLOCK, min((block + 1) * BLOCK, count), LANES):
            used = _sum_slots(i, count, depths, slot_start, tile_count, slot_gradients, rows, sums)
            if used:
                _gaussian_gradient(
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
                    records,
                    depths,
                    sums,
                    bases,
                    derivatives,
                    camera_lanes,
                    out,
                )
            for lane in range(min(LANES, count - i)):
                g = i + lane
                use = used and depths[g] > 0.0
                _write(v_means, 3 * g, _SIZE3, out, _G_MEAN, lane, use, add)
                _write(v_quats, 4 * g, _SIZE4, out, _G_QUAT, lane, use, add)
                _write(v_scales, 3 * g, _SIZE3, out, _G_SCALE, lane, use, add)
                _write(v_opacities, g, _SIZE1, out, _G_OPACITY, lane, use, add)
                start = color_stride * g
                _write(v_colors, start, used_colors, out, _G_COLOR, lane, use, add)
                if not add:
                    clear(v_colors, start + used_colors, color_stride - used_colors)
                _write(v_means2d, 2 * g, _SIZE2, out, _G_MEAN2D, lane, use, False)
                if len(absolute2d) > 0:
                    absolute2d[2 * g] = sums[S_ABSOLUTE * LANES + lane]
                    absolute2d[2 * g + 1] = sums[(S_ABSOLUTE + 1) * LANES + lane]
        for k in range(CAMERA_SUMS):
            camera_sums[block * CAMERA_SUMS + k] = total(load(camera_lanes, k * LANES))
