"""Forward projection: Gaussians in the world -> one record each for one camera.

LANES Gaussians a vector.
"""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function, kernel
from splatpose.render.cpu.ewa import (
    C_CX,
    C_CY,
    C_EPS2D,
    C_FAR,
    C_FX,
    C_FY,
    C_HEIGHT,
    C_NEAR,
    C_WIDTH,
    covariance,
    covariance_root,
    rotation_matrix,
    to_camera,
    unit_direction,
)
from splatpose.render.cpu.gaussian_inputs import (
    BLOCK,
    I_COLOR,
    load_colors,
    load_means,
    load_shapes,
    new_inputs,
    read_mean,
    read_opacity,
    read_quaternion,
    read_scale,
)
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

_LN_255 = np.float32(np.log(255.0))
_HALF_LOG2_E = np.float32(-0.5) * LOG2_E
_MAX_SIGMAS = np.float32(3.33)
# Whole numbers of a vector of Gaussians: radii, then first and last tile column and row.
_N_RADIUS, _N_BOX, _NUMBERS = 0, 2, 6


@device_function
def _view_colors(point, view, inputs, bases, fields):
    """Store colour channels to `fields` and return their sum (to test it for NaN)."""
    check = broadcast(0.0)
    degree, columns = view.sh_degree, inputs.columns
    if degree >= 0:
        dx, dy, dz, _inverse = unit_direction(view.camera, point)
        store_bases(degree, dx, dy, dz, bases)
        for c in range(3):
            value = broadcast(0.5)
            for k in range((degree + 1) * (degree + 1)):
                value = fma(
                    load(bases, k * LANES), load(columns, (I_COLOR + 3 * k + c) * LANES), value
                )
            check = check + value
            # The other order would turn NaN into black.
            store(fields, (R_CHANNEL + c) * LANES, maximum(value, 0.0))
    else:
        for c in range(view.color_channels):
            value = load(columns, (I_COLOR + c) * LANES)
            check = check + value
            store(fields, (R_CHANNEL + c) * LANES, value)
    return check


@device_function
def _tile_number(pixel, limit):
    return floor(minimum(maximum(pixel, 0.0), limit - 1.0) * (1.0 / TILE))


@device_function
def _project_vector(i, gaussians, view, inputs, bases, fields, numbers):
    """Project LANES Gaussians from index i on.

    Returns: centre's depth, 0 where not visible; 2-D mean; whether any is visible. Where none is,
    `fields` and `numbers` stay as they were.
    """
    count, camera = len(gaussians.opacities), view.camera
    load_means(gaussians, i, count, inputs)
    point = read_mean(inputs)
    px, py, pz = to_camera(camera, point)
    valid = (pz >= camera[C_NEAR]) & (pz <= camera[C_FAR])
    zero = broadcast(0.0)
    if not any_lane(valid):
        return zero, zero, zero, False
    load_shapes(gaussians, i, count, inputs)
    rotation, _inverse = rotation_matrix(read_quaternion(inputs))
    root, _jacobian = covariance_root(camera, (px, py, pz), rotation, read_scale(inputs))
    xx, xy, yy, det, sharp = covariance(root, camera[C_EPS2D])
    peak = read_opacity(inputs)
    if view.antialiased:
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
    load_colors(gaussians, view, i, count, inputs)
    check = check + _view_colors(point, view, inputs, bases, fields)
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
    if view.depth_channel >= 0:
        store(fields, (R_CHANNEL + view.depth_channel) * LANES, pz)
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
def project(counter, gaussians, view, projected, means2d, radii):
    """Project Gaussians, block after block, until none is left.

    Args:
        counter: [1] int64 shared between threads: blocks taken.
        projected: out.
        means2d: [N * 2] out. radii: [N * 2] int32 out: pixels, 0 if not visible.
    """
    count = len(gaussians.opacities)
    records, depths, boxes = projected
    inputs = new_inputs()
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
                i, gaussians, view, inputs, bases, fields, numbers
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
