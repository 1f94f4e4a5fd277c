"""Kernels of the fused L1 + D-SSIM loss, row after row of an image.

Rows are taken from `counter`, [1] int64 shared between threads, until none is left.
"""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function, kernel
from splatpose.render.cpu.loss_planes import (
    PAD,
    blur_column,
    blur_row,
    clear_border,
    count_row,
    join_row,
    row_start,
    split_row,
)
from splatpose.render.cpu.simd import (
    LANES,
    absolute,
    broadcast,
    fetch_add,
    fma,
    load,
    select,
    store,
    total,
)
from splatpose.render.loss import C1, C2

_C1, _C2 = np.float32(C1), np.float32(C2)
_HALF_C1, _HALF_C2 = np.float32(C1 / 2), np.float32(C2 / 2)
_FOUR = np.float32(4.0)


@kernel
def blur_target_rows(counter, target, frame, across, across2):
    """Horizontal blur of the target and of its square.

    Args:
        target: [height * width * 3].
        across, across2: planes out.
    """
    height, width, stride = frame
    values = np.zeros(3 * stride, np.float32)
    squares = np.zeros(stride, np.float32)
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        clear_border(across, y, frame)
        clear_border(across2, y, frame)
        split_row(target, y, frame, values)
        for c in range(3):
            own = c * stride
            for x in range(PAD, PAD + width, LANES):
                value = load(values, own + x)
                store(squares, x, value * value)
            base = row_start(c, y, frame)
            for x in range(PAD, PAD + width, LANES):
                store(across, base + x, blur_row(values, own + x))
                store(across2, base + x, blur_row(squares, x))


@kernel
def blur_target_columns(counter, frame, across, across2, mean, mean2):
    """Vertical blur after `blur_target_rows`."""
    height, width, stride = frame
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        for c in range(3):
            base = row_start(c, y, frame)
            for x in range(base + PAD, base + PAD + width, LANES):
                store(mean, x, blur_column(across, x, stride))
                store(mean2, x, blur_column(across2, x, stride))


@kernel
def blur_render_rows(counter, images, frame, blurs, differences):
    """Horizontal blur of the render, its square and its product with the target; L1 sums.

    Pixels that do not count take the target's value.

    Args:
        blurs: Moments out.
        differences: [height] out: sums of |render - target| over the rows.
    """
    render, target, mask = images
    height, width, stride = frame
    across, across2, across_xy = blurs
    values = np.zeros(stride, np.float32)
    squares = np.zeros(stride, np.float32)
    products = np.zeros(stride, np.float32)
    counted = np.zeros(stride, np.float32)
    seen, truth = np.zeros(3 * stride, np.float32), np.zeros(3 * stride, np.float32)
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        clear_border(across, y, frame)
        clear_border(across2, y, frame)
        clear_border(across_xy, y, frame)
        count_row(mask, y, width, counted)
        split_row(render, y, frame, seen)
        split_row(target, y, frame, truth)
        difference = np.float64(0.0)
        for c in range(3):
            sum_row = broadcast(0.0)
            # Beyond the row both are zero.
            for x in range(PAD, PAD + width, LANES):
                other = load(truth, c * stride + x)
                value = select(load(counted, x) > 0.0, load(seen, c * stride + x), other)
                sum_row = sum_row + absolute(value - other)
                store(values, x, value)
                store(squares, x, value * value)
                store(products, x, value * other)
            difference += np.float64(total(sum_row))
            base = row_start(c, y, frame)
            for x in range(PAD, PAD + width, LANES):
                store(across, base + x, blur_row(values, x))
                store(across2, base + x, blur_row(squares, x))
                store(across_xy, base + x, blur_row(products, x))
        differences[y] = difference


@device_function
def _similarity(mx, xx, xy, my, yy):
    """SSIM and its derivatives w.r.t. the blurs of x, x^2 and x y."""
    product, squares = mx * my, fma(mx, mx, my * my)
    a1, a2 = product + _HALF_C1, xy - product + _HALF_C2
    b1, b2 = squares + _C1, xx + yy - squares + _C2
    inverse = 1.0 / (b1 * b2)
    slope = a1 * inverse * _FOUR
    value = slope * a2
    d_xx = -(value * b1 * inverse)
    d_mx = (a2 - a1) * my * inverse * _FOUR - (value * inverse * mx * 2.0) * (b2 - b1)
    return value, d_mx, d_xx, slope


@kernel
def compare_columns(counter, mask, frame, blurs, mean, mean2, derivatives, similarities):
    """SSIM of all pixels, and the horizontal blur of its derivatives.

    Args:
        blurs: Moments of `blur_render_rows`. mean, mean2: of the target.
        derivatives: Moments out: w.r.t. the blurs, blurred horizontally.
        similarities: [height] out: sums of SSIM over (valid) pixels of the rows.
    """
    height, width, stride = frame
    across, across2, across_xy = blurs
    out_mean, out_square, out_product = derivatives
    by_mean = np.zeros(stride, np.float32)
    by_square = np.zeros(stride, np.float32)
    by_product = np.zeros(stride, np.float32)
    counted = np.zeros(stride, np.float32)
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        clear_border(out_mean, y, frame)
        clear_border(out_square, y, frame)
        clear_border(out_product, y, frame)
        count_row(mask, y, width, counted)
        similarity = np.float64(0.0)
        for c in range(3):
            base = row_start(c, y, frame)
            sum_row = broadcast(0.0)
            for x in range(PAD, PAD + width, LANES):
                at = base + x
                value, d_mean, d_square, d_product = _similarity(
                    blur_column(across, at, stride),
                    blur_column(across2, at, stride),
                    blur_column(across_xy, at, stride),
                    load(mean, at),
                    load(mean2, at),
                )
                weight = load(counted, x)
                sum_row = sum_row + value * weight
                store(by_mean, x, d_mean * weight)
                store(by_square, x, d_square * weight)
                store(by_product, x, d_product * weight)
            similarity += np.float64(total(sum_row))
            for x in range(PAD, PAD + width, LANES):
                store(out_mean, base + x, blur_row(by_mean, x))
                store(out_square, base + x, blur_row(by_square, x))
                store(out_product, base + x, blur_row(by_product, x))
        similarities[y] = similarity


@kernel
def loss_gradient(counter, images, frame, derivatives, l1_weight, ssim_weight, gradient):
    """Gradient of the loss w.r.t. the render.

    Args:
        derivatives: Moments of `compare_columns`.
        l1_weight, ssim_weight: factors of the sum of differences and of the sum of SSIM.
        gradient: [height * width * 3] out.
    """
    render, target, mask = images
    height, width, stride = frame
    by_mean, by_square, by_product = derivatives
    slopes = np.empty(3 * stride, np.float32)
    counted = np.zeros(stride, np.float32)
    seen, truth = np.zeros(3 * stride, np.float32), np.zeros(3 * stride, np.float32)
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        count_row(mask, y, width, counted)
        split_row(render, y, frame, seen)
        split_row(target, y, frame, truth)
        for c in range(3):
            base, row = row_start(c, y, frame), c * stride
            for x in range(PAD, PAD + width, LANES):
                at = base + x
                own, other = load(seen, row + x), load(truth, row + x)
                slope = blur_column(by_mean, at, stride)
                slope = fma(blur_column(by_square, at, stride), own * 2.0, slope)
                slope = fma(blur_column(by_product, at, stride), other, slope)
                sign = select(own > other, broadcast(l1_weight), broadcast(-l1_weight))
                sign = select(absolute(own - other) > 0.0, sign, broadcast(0.0))
                slope = fma(slope, ssim_weight, sign)
                valid = load(counted, x) > 0.0
                store(slopes, row + x, select(valid, slope, broadcast(0.0)))
        join_row(slopes, y, frame, gradient)
