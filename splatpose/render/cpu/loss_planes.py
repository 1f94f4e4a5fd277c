"""Padded planes of images, and the separable window that SSIM blurs them with.

A plane holds three channels of rows, `stride` floats apart, pixel x of a row at PAD + x, with zeros
around each channel, so that windows need no border cases.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.simd import LANES, clear, fma, load, load_pixels, store, store_pixels
from splatpose.render.loss import window_weights

PAD = 8
"""Zeros left and right of a row; more than half a window."""
REACH = 5
"""Half a window: zero rows above and below each channel of a plane."""
_WEIGHTS = np.array(window_weights(), np.float32)
_W0, _W1, _W2, _W3, _W4, _W5 = (np.float32(w) for w in _WEIGHTS[REACH:])


class Frame(NamedTuple):
    """The size of an image, and of its planes."""

    height: int
    width: int
    stride: int


class Moments(NamedTuple):
    """Planes that belong to the blurs of x, x^2 and x y, for renders x of targets y."""

    mean: np.ndarray
    square: np.ndarray
    product: np.ndarray


class Comparison(NamedTuple):
    """Two images, [height * width * 3]."""

    render: np.ndarray
    target: np.ndarray
    mask: np.ndarray
    """[height * width] bool, True where pixels count, or empty."""


def frame_of(height: int, width: int) -> Frame:
    return Frame(height, width, PAD + -(-width // 16) * 16 + PAD)


def plane_size(frame: Frame) -> int:
    """Floats of a plane of three channels."""
    return 3 * (frame.height + 2 * REACH) * frame.stride


@device_function
def blur_row(row, at):
    """Horizontal window around LANES pixels of a padded row."""
    value = load(row, at) * _W0
    value = fma(load(row, at - 1) + load(row, at + 1), _W1, value)
    value = fma(load(row, at - 2) + load(row, at + 2), _W2, value)
    value = fma(load(row, at - 3) + load(row, at + 3), _W3, value)
    value = fma(load(row, at - 4) + load(row, at + 4), _W4, value)
    return fma(load(row, at - 5) + load(row, at + 5), _W5, value)


@device_function
def blur_column(plane, at, stride):
    """Vertical window around LANES pixels at a place of a plane."""
    value = load(plane, at) * _W0
    value = fma(load(plane, at - stride) + load(plane, at + stride), _W1, value)
    value = fma(load(plane, at - 2 * stride) + load(plane, at + 2 * stride), _W2, value)
    value = fma(load(plane, at - 3 * stride) + load(plane, at + 3 * stride), _W3, value)
    value = fma(load(plane, at - 4 * stride) + load(plane, at + 4 * stride), _W4, value)
    return fma(load(plane, at - 5 * stride) + load(plane, at + 5 * stride), _W5, value)


@device_function
def clear_border(plane, y, frame):
    """Zero the rows above the first row of each channel, and below the last."""
    height, stride = frame.height, frame.stride
    for c in range(3):
        top = c * (height + 2 * REACH) * stride
        if y == 0:
            clear(plane, top, REACH * stride)
        if y == height - 1:
            bottom = top + (height + REACH) * stride
            clear(plane, bottom, REACH * stride)


@device_function
def row_start(c, y, frame):
    """Place of a row's first float in a plane."""
    return (c * (frame.height + 2 * REACH) + REACH + y) * frame.stride


@device_function
def split_row(image, y, frame, rows):
    """Row y of an image, [height * width * 3], to one row a channel.

    Args:
        rows: [3 * stride], pixel x of channel c at c * stride + PAD + x. Stays as it is beyond.
    """
    _height, width, stride = frame
    start = 3 * y * width
    for x in range(0, width - LANES + 1, LANES):
        red, green, blue = load_pixels(image, start + 3 * x)
        store(rows, PAD + x, red)
        store(rows, stride + PAD + x, green)
        store(rows, 2 * stride + PAD + x, blue)
    for x in range(width // LANES * LANES, width):
        for c in range(3):
            rows[c * stride + PAD + x] = image[start + 3 * x + c]


@device_function
def join_row(rows, y, frame, image):
    """What `split_row` took apart, to row y of an image."""
    _height, width, stride = frame
    start = 3 * y * width
    for x in range(0, width - LANES + 1, LANES):
        channels = (
            load(rows, PAD + x),
            load(rows, stride + PAD + x),
            load(rows, 2 * stride + PAD + x),
        )
        store_pixels(image, start + 3 * x, channels)
    for x in range(width // LANES * LANES, width):
        for c in range(3):
            image[start + 3 * x + c] = rows[c * stride + PAD + x]


@device_function
def count_row(mask, y, width, counted):
    """1 for pixels that count, 0 for invalid ones and for what fills a row up to a vector."""
    if len(mask) > 0:
        for x in range(width):
            counted[PAD + x] = np.float32(1.0) if mask[y * width + x] else np.float32(0.0)
    else:
        for x in range(width):
            counted[PAD + x] = np.float32(1.0)
