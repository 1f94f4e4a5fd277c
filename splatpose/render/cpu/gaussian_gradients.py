"""Gradients of LANES Gaussians and of the camera, from the summed slots of their footprints.

The forward quantities are computed again from the inputs; only what is cheap to load is loaded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.ewa import (
    C_EPS2D,
    covariance,
    covariance_root,
    rotation_matrix,
    to_camera,
    unit_direction,
)
from splatpose.render.cpu.ewa_gradients import (
    antialias_gradient,
    camera_times,
    covariance_gradient,
    point_gradient,
    root_gradient,
    rotation_gradient,
)
from splatpose.render.cpu.gaussian_inputs import (
    I_COLOR,
    load_colors,
    load_depths,
    load_means,
    load_shapes,
    read_depth,
    read_mean,
    read_opacity,
    read_quaternion,
    read_scale,
)
from splatpose.render.cpu.harmonics import BASES, store_bases, store_derivatives
from splatpose.render.cpu.layout import R_CHANNEL, RECORD, S_CHANNEL, SLOT
from splatpose.render.cpu.simd import (
    GROUP,
    LANES,
    accumulate,
    broadcast,
    fma,
    index,
    load,
    load_rows,
    select,
    store,
    store_group,
)

CAMERA_SUMS = 16
"""Sums for the camera: gradient of its rotation (9), translation (3) and centre (3)."""

# Columns of the gradients, each input's a group of eight of its own.
G_MEAN, G_QUAT, G_SCALE, G_OPACITY, G_MEAN2D, G_COLOR = GROUP * np.arange(6)
GRADIENTS = 5 * GROUP + 3 * BASES + GROUP
_ROW0, _ROW1, _ROW2 = np.arange(3)


class Lanes(NamedTuple):
    """Memory for what becomes of a vector of Gaussians on the way to its gradients."""

    sums: np.ndarray
    """[SLOT * LANES]: summed slots."""
    bases: np.ndarray
    """[BASES * LANES]."""
    derivatives: np.ndarray
    """[3 * BASES * LANES]."""
    gradients: np.ndarray
    """[GRADIENTS * LANES]: out. Those of harmonics beyond the degree in use stay zero."""
    camera: np.ndarray
    """[CAMERA_SUMS * LANES]: the camera's gradients are added here."""


@device_function
def new_lanes():
    return Lanes(
        np.empty(SLOT * LANES, np.float32),
        np.empty(BASES * LANES, np.float32),
        np.empty(3 * BASES * LANES, np.float32),
        np.zeros(GRADIENTS * LANES, np.float32),
        np.empty(CAMERA_SUMS * LANES, np.float32),
    )


@device_function
def _color_gradient(i, point, visible, view, projected, inputs, lanes):
    """Store gradients of colour inputs; return that of the mean through directions."""
    sums, bases, derivatives, out, _camera = lanes
    degree = view.sh_degree
    zero = broadcast(0.0)
    if degree < 0:
        for c in range(view.color_channels):
            store(out, (G_COLOR + c) * LANES, load(sums, (S_CHANNEL + c) * LANES))
        return zero, zero, zero
    count = len(projected.depths)
    store_group(derivatives, 0, load_rows(projected.records, i, count, RECORD, 0))
    for c in range(3):
        # Black is where the colour was clamped.
        lit = load(derivatives, (R_CHANNEL + c) * LANES) > 0.0
        store(sums, (S_CHANNEL + c) * LANES, select(lit, load(sums, (S_CHANNEL + c) * LANES), zero))
    dx, dy, dz, inverse = unit_direction(view.camera, point)
    # Sums are zero where a Gaussian is not visible, and must stay so: no NaN from its direction.
    dx, dy, dz = select(visible, dx, zero), select(visible, dy, zero), select(visible, dz, zero)
    store_bases(degree, dx, dy, dz, bases)
    store_derivatives(degree, dx, dy, dz, derivatives)
    gx, gy, gz = zero, zero, zero
    for c in range(3):
        v = load(sums, (S_CHANNEL + c) * LANES)
        for k in range((degree + 1) * (degree + 1)):
            store(out, (G_COLOR + 3 * k + c) * LANES, v * load(bases, k * LANES))
            pull = v * load(inputs.columns, (I_COLOR + 3 * k + c) * LANES)
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
def _store_scale_gradient(root_gradient, jacobian, w, visible, out):
    a0, a1, a2, b0, b1, b2 = root_gradient
    j00, j11, j02, j12 = jacobian
    zero = broadcast(0.0)
    value = a0 * (j00 * w[0] + j02 * w[6]) + b0 * (j11 * w[3] + j12 * w[6])
    store(out, G_SCALE * LANES, select(visible, value, zero))
    value = a1 * (j00 * w[1] + j02 * w[7]) + b1 * (j11 * w[4] + j12 * w[7])
    store(out, (G_SCALE + 1) * LANES, select(visible, value, zero))
    value = a2 * (j00 * w[2] + j02 * w[8]) + b2 * (j11 * w[5] + j12 * w[8])
    store(out, (G_SCALE + 2) * LANES, select(visible, value, zero))


@device_function
def _store_quaternion_gradient(camera, rotation, c, quat, inverse_norm, visible, out):
    """From `c`, the gradient of R_camera R_gaussian, to that of a quaternion of any length."""
    r = camera
    qw, qx, qy, qz = quat
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
    h0, h1, h2 = rotation_gradient(rotation, v)
    twice = inverse_norm * inverse_norm * 2.0
    zero = broadcast(0.0)
    value = -(h0 * qx + h1 * qy + h2 * qz) * twice
    store(out, G_QUAT * LANES, select(visible, value, zero))
    value = (h0 * qw + h1 * qz - h2 * qy) * twice
    store(out, (G_QUAT + 1) * LANES, select(visible, value, zero))
    value = (h1 * qw + h2 * qx - h0 * qz) * twice
    store(out, (G_QUAT + 2) * LANES, select(visible, value, zero))
    value = (h2 * qw + h0 * qy - h1 * qx) * twice
    store(out, (G_QUAT + 3) * LANES, select(visible, value, zero))


@device_function
def _add_camera_row(row, visible, rotation, c, g, point, d, sums):
    """Add gradients w.r.t. one row of the camera's rotation, of translation and centre."""
    x, y, z = point
    c0, c1, c2 = c
    zero = broadcast(0.0)
    value = c0 * rotation[0] + c1 * rotation[1] + c2 * rotation[2] + g * x
    accumulate(sums, (3 * row) * LANES, select(visible, value, zero))
    value = c0 * rotation[3] + c1 * rotation[4] + c2 * rotation[5] + g * y
    accumulate(sums, (3 * row + 1) * LANES, select(visible, value, zero))
    value = c0 * rotation[6] + c1 * rotation[7] + c2 * rotation[8] + g * z
    accumulate(sums, (3 * row + 2) * LANES, select(visible, value, zero))
    accumulate(sums, (9 + row) * LANES, select(visible, g, zero))
    accumulate(sums, (12 + row) * LANES, select(visible, -d, zero))


@device_function
def gaussian_gradient(i, gaussians, view, projected, inputs, lanes):
    """Gradients of LANES Gaussians from index i on, and of the camera, from `lanes.sums`."""
    sums, out, camera = lanes.sums, lanes.gradients, view.camera
    count = len(gaussians.opacities)
    load_means(gaussians, i, count, inputs)
    load_shapes(gaussians, i, count, inputs)
    load_depths(projected, i, count, inputs)
    load_colors(gaussians, view, i, count, inputs)
    point, quat, scales = read_mean(inputs), read_quaternion(inputs), read_scale(inputs)
    visible = (read_depth(inputs) > 0.0) & (index() < np.float32(count - i))
    zero = broadcast(0.0)
    seen = to_camera(camera, point)
    rotation, inverse_norm = rotation_matrix(quat)
    root, jacobian = covariance_root(camera, seen, rotation, scales)
    cov = covariance(root, camera[C_EPS2D])
    v_x, v_y, gxx, gxy, gyy = covariance_gradient(sums, cov)
    a0, a1, a2, b0, b1, b2 = root_gradient(root, gxx, gxy, gyy)
    if view.antialiased:
        e0, e1, e2, e3, e4, e5 = antialias_gradient(root, cov, load(sums, 0))
        a0, a1, a2, b0, b1, b2 = a0 + e0, a1 + e1, a2 + e2, b0 + e3, b1 + e4, b2 + e5
    w = camera_times(camera, rotation)
    _store_scale_gradient((a0, a1, a2, b0, b1, b2), jacobian, w, visible, out)
    s0, s1, s2 = scales
    a0, a1, a2, b0, b1, b2 = a0 * s0, a1 * s1, a2 * s2, b0 * s0, b1 * s1, b2 * s2
    v_j00, v_j02 = a0 * w[0] + a1 * w[1] + a2 * w[2], a0 * w[6] + a1 * w[7] + a2 * w[8]
    v_j11, v_j12 = b0 * w[3] + b1 * w[4] + b2 * w[5], b0 * w[6] + b1 * w[7] + b2 * w[8]
    jacobian_gradient = (v_j00, v_j11, v_j02, v_j12)
    g0, g1, g2 = point_gradient(camera, seen, jacobian, (v_x, v_y), jacobian_gradient)
    if view.depth_channel >= 0:
        g2 = g2 + load(sums, (S_CHANNEL + view.depth_channel) * LANES)
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
    _store_quaternion_gradient(camera, rotation, c, quat, inverse_norm, visible, out)
    d0, d1, d2 = _color_gradient(i, point, visible, view, projected, inputs, lanes)
    value = g0 * camera[0] + g1 * camera[3] + g2 * camera[6] + d0
    store(out, G_MEAN * LANES, select(visible, value, zero))
    value = g0 * camera[1] + g1 * camera[4] + g2 * camera[7] + d1
    store(out, (G_MEAN + 1) * LANES, select(visible, value, zero))
    value = g0 * camera[2] + g1 * camera[5] + g2 * camera[8] + d2
    store(out, (G_MEAN + 2) * LANES, select(visible, value, zero))
    value = load(sums, 0) / read_opacity(inputs)
    store(out, G_OPACITY * LANES, select(visible, value, zero))
    store(out, G_MEAN2D * LANES, select(visible, v_x, zero))
    store(out, (G_MEAN2D + 1) * LANES, select(visible, v_y, zero))
    _add_camera_row(_ROW0, visible, rotation, c[0:3], g0, point, d0, lanes.camera)
    _add_camera_row(_ROW1, visible, rotation, c[3:6], g1, point, d1, lanes.camera)
    _add_camera_row(_ROW2, visible, rotation, c[6:9], g2, point, d2, lanes.camera)
