"""Kernels of the fused L1 + D-SSIM loss: separable blurs over padded planes.

A plane holds three channels of rows, `stride` floats apart, pixel x of a row at PAD + x, with zeros
around each channel, so that windows need no border cases.
"""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function, kernel
from splatpose.render.cpu.simd import (
    LANES,
    absolute,
    broadcast,
    clear,
    fetch_add,
    fma,
    gather,
    load,
    select,
    store,
    total,
)
from splatpose.render.loss import C1, C2, window_weights

PAD = 8
"""Zeros left and right of a row; more than half a window."""
REACH = 5
"""Half a window: zero rows above and below each channel of a plane."""
_WEIGHTS = np.array(window_weights(), np.float32)
_W0, _W1, _W2, _W3, _W4, _W5 = (np.float32(w) for w in _WEIGHTS[REACH:])
_C1, _C2 = np.float32(C1), np.float32(C2)
_HALF_C1, _HALF_C2 = np.float32(C1 / 2), np.float32(C2 / 2)
_FOUR = np.float32(4.0)


def plane_stride(width: int) -> int:
    """Floats from one row of a plane to the next: the row in whole vectors, padded."""
    return PAD + -(-width // 16) * 16 + PAD


def plane_size(height: int, width: int) -> int:
    """Floats of a plane of three channels."""
    return 3 * (height + 2 * REACH) * plane_stride(width)


@device_function
def _blur_row(row, at):
    """Horizontal window around LANES pixels of a padded row."""
    value = load(row, at) * _W0
    value = fma(load(row, at - 1) + load(row, at + 1), _W1, value)
    value = fma(load(row, at - 2) + load(row, at + 2), _W2, value)
    value = fma(load(row, at - 3) + load(row, at + 3), _W3, value)
    value = fma(load(row, at - 4) + load(row, at + 4), _W4, value)
    return fma(load(row, at - 5) + load(row, at + 5), _W5, value)


@device_function
def _blur_column(plane, at, stride):
    """Vertical window around LANES pixels at a place of a plane."""
    value = load(plane, at) * _W0
    value = fma(load(plane, at - stride) + load(plane, at + stride), _W1, value)
    value = fma(load(plane, at - 2 * stride) + load(plane, at + 2 * stride), _W2, value)
    value = fma(load(plane, at - 3 * stride) + load(plane, at + 3 * stride), _W3, value)
    value = fma(load(plane, at - 4 * stride) + load(plane, at + 4 * stride), _W4, value)
    return fma(load(plane, at - 5 * stride) + load(plane, at + 5 * stride), _W5, value)


@device_function
def _clear_border(plane, y, height, stride):
    """Zero the rows above the first row of each channel, and below the last."""
    for c in range(3):
        top = c * (height + 2 * REACH) * stride
        if y == 0:
            clear(plane, top, REACH * stride)
        if y == height - 1:
            bottom = top + (height + REACH) * stride
            clear(plane, bottom, REACH * stride)


@device_function
def _row_start(c, y, height, stride):
    """Place of a row's first float in a plane."""
    return (c * (height + 2 * REACH) + REACH + y) * stride


@device_function
def _inside_row(width, stride):
    """1 for pixels of the image, 0 for what fills a row up to a vector."""
    inside = np.zeros(stride, np.float32)
    for x in range(width):
        inside[PAD + x] = np.float32(1.0)
    return inside


@kernel
def blur_target_rows(counter, target, height, width, stride, across, across2):
    """Horizontal blur of the target and of its square.

    Args:
        counter: [1] int64 shared between threads: rows taken.
        target: [height * width * 3].
        stride: Of rows in planes.
        across, across2: planes out.
    """
    values = np.zeros(stride, np.float32)
    squares = np.zeros(stride, np.float32)
    inside = _inside_row(width, stride)
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        _clear_border(across, y, height, stride)
        _clear_border(across2, y, height, stride)
        for c in range(3):
            for x in range(0, width, LANES):
                value = gather(target, y * width + x, height * width, 3, c)
                value = select(load(inside, PAD + x) > 0.0, value, broadcast(0.0))
                store(values, PAD + x, value)
                store(squares, PAD + x, value * value)
            base = _row_start(c, y, height, stride)
            for x in range(PAD, PAD + width, LANES):
                store(across, base + x, _blur_row(values, x))
                store(across2, base + x, _blur_row(squares, x))


@kernel
def blur_target_columns(counter, across, across2, height, width, stride, mean, mean2):
    """Vertical blur after `blur_target_rows`."""
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        for c in range(3):
            base = _row_start(c, y, height, stride)
            for x in range(base + PAD, base + PAD + width, LANES):
                store(mean, x, _blur_column(across, x, stride))
                store(mean2, x, _blur_column(across2, x, stride))


@device_function
def _count_row(mask, y, width, counted):
    """1 for pixels that count, 0 for invalid ones and for what fills a row up to a vector."""
    if len(mask) > 0:
        for x in range(width):
            counted[PAD + x] = np.float32(1.0) if mask[y * width + x] else np.float32(0.0)
    else:
        for x in range(width):
            counted[PAD + x] = np.float32(1.0)


@kernel
def blur_render_rows(
    counter, render, target, mask, height, width, stride, across, across2, across_xy, differences
):
    """Horizontal blur of the render, its square and its product with the target; L1 sums.

    Args:
        render, target: [height * width * 3].
        mask: [height * width] bool, or empty. Masked pixels take the target's value.
        across, across2, across_xy: planes out.
        differences: [height] out: sums of |render - target| over the rows.
    """
    values = np.zeros(stride, np.float32)
    squares = np.zeros(stride, np.float32)
    products = np.zeros(stride, np.float32)
    counted = np.zeros(stride, np.float32)
    inside = _inside_row(width, stride)
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        _clear_border(across, y, height, stride)
        _clear_border(across2, y, height, stride)
        _clear_border(across_xy, y, height, stride)
        _count_row(mask, y, width, counted)
        difference = np.float64(0.0)
        for c in range(3):
            sum_row = broadcast(0.0)
            for x in range(0, width, LANES):
                pixel = y * width + x
                other = gather(target, pixel, height * width, 3, c)
                value = gather(render, pixel, height * width, 3, c)
                value = select(load(counted, PAD + x) > 0.0, value, other)
                value = select(load(inside, PAD + x) > 0.0, value, broadcast(0.0))
                other = select(load(inside, PAD + x) > 0.0, other, broadcast(0.0))
                sum_row = sum_row + absolute(value - other)
                store(values, PAD + x, value)
                store(squares, PAD + x, value * value)
                store(products, PAD + x, value * other)
            difference += np.float64(total(sum_row))
            base = _row_start(c, y, height, stride)
            for x in range(PAD, PAD + width, LANES):
                store(across, base + x, _blur_row(values, x))
                store(across2, base + x, _blur_row(squares, x))
                store(across_xy, base + x, _blur_row(products, x))
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
def compare_columns(
    counter,
    across,
    across2,
    across_xy,
    mean,
    mean2,
    mask,
    height,
    width,
    stride,
    out_mean,
    out_square,
    out_product,
    similarities,
):
    """SSIM of all pixels, and the horizontal blur of its derivatives.

    Args:
        across, across2, across_xy: of `blur_render_rows`. mean, mean2: of the target.
        out_mean, out_square, out_product: planes out: derivatives w.r.t. the blurs of x, x^2
            and x y, blurred horizontally.
        similarities: [height] out: sums of SSIM over (valid) pixels of the rows.
    """
    by_mean = np.zeros(stride, np.float32)
    by_square = np.zeros(stride, np.float32)
    by_product = np.zeros(stride, np.float32)
    counted = np.zeros(stride, np.float32)
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        _clear_border(out_mean, y, height, stride)
        _clear_border(out_square, y, height, stride)
        _clear_border(out_product, y, height, stride)
        _count_row(mask, y, width, counted)
        similarity = np.float64(0.0)
        for c in range(3):
            base = _row_start(c, y, height, stride)
            sum_row = broadcast(0.0)
            for x in range(PAD, PAD + width, LANES):
                at = base + x
                value, d_mean, d_square, d_product = _similarity(
                    _blur_column(across, at, stride),
                    _blur_column(across2, at, stride),
                    _blur_column(across_xy, at, stride),
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
                store(out_mean, base + x, _blur_row(by_mean, x))
                store(out_square, base + x, _blur_row(by_square, x))
                store(out_product, base + x, _blur_row(by_product, x))
        similarities[y] = similarity


@kernel
def loss_gradient(
    counter,
    render,
    target,
    mask,
    by_mean,
    by_square,
    by_product,
    height,
    width,
    stride,
    l1_weight,
    ssim_weight,
    gradient,
):
    """Gradient of the loss w.r.t. the render.

    Args:
        by_mean, by_square, by_product: of `compare_columns`.
        l1_weight, ssim_weight: factors of the sum of differences and of the sum of SSIM.
        gradient: [height * width * 3] out.
    """
    lanes = np.empty(3 * LANES, np.float32)
    counted = np.zeros(stride, np.float32)
    while True:
        y = fetch_add(counter, 1)
        if y >= height:
            return
        _count_row(mask, y, width, counted)
        for x in range(0, width, LANES):
            pixel = y * width + x
            for c in range(3):
                at = _row_start(c, y, height, stride) + PAD + x
                own = gather(render, pixel, height * width, 3, c)
                other = gather(target, pixel, height * width, 3, c)
                slope = _blur_column(by_mean, at, stride)
                slope = fma(_blur_column(by_square, at, stride), own * 2.0, slope)
                slope = fma(_blur_column(by_product, at, stride), other, slope)
                sign = select(own > other, broadcast(l1_weight), broadcast(-l1_weight))
                sign = select(absolute(own - other) > 0.0, sign, broadcast(0.0))
                slope = fma(slope, ssim_weight, sign)
                valid = load(counted, PAD + x) > 0.0
                store(lanes, c * LANES, select(valid, slope, broadcast(0.0)))
            for lane in range(min(LANES, width - x)):
                for c in range(3):
                    gradient[(pixel + lane) * 3 + c] = lanes[c * LANES + lane]
