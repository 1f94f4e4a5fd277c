"""Padded planes of images, and the separable window that SSIM blurs them with.

A plane holds three channels of rows, `stride` floats apart, pixel x of a row at PAD + x, with zeros
around each channel, so that windows need no border cases.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.simd import clear, fma, load
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
def inside_row(frame):
    """1 for pixels of the image, 0 for what fills a row up to a vector."""
    inside = np.zeros(frame.stride, np.float32)
    for x in range(frame.width):
        inside[PAD + x] = np.float32(1.0)
    return inside


@device_function
def count_row(mask, y, width, counted):
    """1 for pixels that count, 0 for invalid ones and for what fills a row up to a vector."""
    if len(mask) > 0:
        for x in range(width):
            counted[PAD + x] = np.float32(1.0) if mask[y * width + x] else np.float32(0.0)
    else:
        for x in range(width):
            counted[PAD + x] = np.float32(1.0)
