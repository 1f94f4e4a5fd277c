"""Backward projection: sums of slots -> gradients of Gaussians and camera."""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.columns import store_columns
from splatpose.render.cpu.compilation import device_function, late_kernel
from splatpose.render.cpu.gaussian_gradients import (
    CAMERA_SUMS,
    G_COLOR,
    G_MEAN,
    G_MEAN2D,
    G_OPACITY,
    G_QUAT,
    G_SCALE,
    gaussian_gradient,
    new_lanes,
)
from splatpose.render.cpu.gaussian_inputs import BLOCK, FOUR, ONE, THREE, TWO, new_inputs
from splatpose.render.cpu.layout import S_ABSOLUTE, SLOT
from splatpose.render.cpu.simd import (
    GROUP,
    LANES,
    accumulate,
    clear,
    fetch_add,
    load,
    load_rows,
    store,
    store_group,
    total,
)


@device_function
def _sum_slots(i, depths, slots, slot_gradients, rows, sums):
    """Sum the slots of LANES Gaussians into sums[k * LANES + lane]; return whether any has one.

    Args:
        rows: [LANES * SLOT] scratch, zero beyond the last Gaussian.
    """
    used = False
    clear(rows, 0, len(rows))
    for lane in range(min(LANES, len(depths) - i)):
        g = i + lane
        if depths[g] != 0.0:
            for slot in range(slots.start[g], slots.start[g] + slots.used[g]):
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
def _write(target, start, size, columns, column, lane, use, add):
    """Copy, add or clear `size` numbers of one Gaussian."""
    for k in range(size):
        value = columns[(column + k) * LANES + lane] if use else np.float32(0.0)
        if add:
            value += target[start + k]
        target[start + k] = value


@late_kernel
def project_backward(
    counter, gaussians, view, projected, slots, slot_gradients, add, gradients, camera_sums
):
    """Gradients of block after block of Gaussians.

    Args:
        counter: [1] int64 shared between threads: blocks taken.
        projected: By `project`.
        slot_gradients: [slots * SLOT].
        add: Add to the gradients (further cameras) instead of setting them.
        gradients: out; those of the 2-D means are always set.
        camera_sums: [blocks * CAMERA_SUMS] out.
    """
    count = len(gaussians.opacities)
    stride, more, depths = gaussians.color_stride, gaussians.higher_stride, projected.depths
    v_means, v_quats, v_scales, v_opacities, v_colors, v_higher, v_means2d, absolute2d = gradients
    rows, lanes, inputs = np.empty(SLOT * LANES, np.float32), new_lanes(), new_inputs()
    sums, out = lanes.sums, lanes.gradients
    while True:
        block = fetch_add(counter, 1)
        if block * BLOCK >= count:
            return
        clear(lanes.camera, 0, CAMERA_SUMS * LANES)
        end = min((block + 1) * BLOCK, count)
        for i in range(block * BLOCK, end, LANES):
            used = _sum_slots(i, depths, slots, slot_gradients, rows, sums)
            if used:
                gaussian_gradient(i, gaussians, view, projected, inputs, lanes)
            # Whole rows spill into those after them, which must be this thread's and come later.
            if used and not add and i + 2 * LANES <= end:
                store_columns(out, G_MEAN, THREE, v_means, i, THREE)
                store_columns(out, G_QUAT, FOUR, v_quats, i, FOUR)
                store_columns(out, G_SCALE, THREE, v_scales, i, THREE)
                store(v_opacities, i, load(out, G_OPACITY * LANES))
                store_columns(out, G_MEAN2D, TWO, v_means2d, i, TWO)
                store_columns(out, G_COLOR, stride, v_colors, i, stride)
                if more > 0:
                    store_columns(out, G_COLOR + stride, more, v_higher, i, more)
            else:
                for lane in range(min(LANES, count - i)):
                    g = i + lane
                    use = used and depths[g] > 0.0
                    _write(v_means, 3 * g, THREE, out, G_MEAN, lane, use, add)
                    _write(v_quats, 4 * g, FOUR, out, G_QUAT, lane, use, add)
                    _write(v_scales, 3 * g, THREE, out, G_SCALE, lane, use, add)
                    _write(v_opacities, g, ONE, out, G_OPACITY, lane, use, add)
                    _write(v_colors, stride * g, stride, out, G_COLOR, lane, use, add)
                    _write(v_higher, more * g, more, out, G_COLOR + stride, lane, use, add)
                    _write(v_means2d, 2 * g, TWO, out, G_MEAN2D, lane, use, False)
            if len(absolute2d) > 0:
                for lane in range(min(LANES, count - i)):
                    g = i + lane
                    absolute2d[2 * g] = sums[S_ABSOLUTE * LANES + lane]
                    absolute2d[2 * g + 1] = sums[(S_ABSOLUTE + 1) * LANES + lane]
        for k in range(CAMERA_SUMS):
            camera_sums[block * CAMERA_SUMS + k] = total(load(lanes.camera, k * LANES))
