"""The inputs of LANES Gaussians in columns, and how both projections read them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splatpose.render.cpu.columns import SCRATCH, load_columns
from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.harmonics import BASES
from splatpose.render.cpu.simd import GROUP, LANES, load

BLOCK = 1024
"""Gaussians that a thread takes at a time; camera gradients are summed per block."""

# Where each input starts in the columns, which come in groups of eight.
# NumPy integers: Numba compiles a helper anew for each Python integer that it is called with.
_MEAN, _QUAT, _SCALE, _OPACITY, _DEPTH, I_COLOR = GROUP * np.arange(6)
ONE, TWO, THREE, FOUR = np.arange(1, 5)
_INPUTS = int(I_COLOR) + 3 * BASES + GROUP


class Inputs(NamedTuple):
    """Memory for the inputs of a vector of Gaussians."""

    columns: np.ndarray
    """[_INPUTS * LANES]."""
    scratch: np.ndarray
    """[SCRATCH]."""


@device_function
def new_inputs():
    return Inputs(np.zeros(_INPUTS * LANES, np.float32), np.zeros(SCRATCH, np.float32))


@device_function
def used_colors(view):
    """Numbers of a Gaussian's colours that are used; of harmonics, those up to the degree."""
    degree = view.sh_degree
    return 3 * (degree + 1) * (degree + 1) if degree >= 0 else view.color_channels


@device_function
def load_means(gaussians, i, count, inputs):
    """Means of LANES Gaussians from index i on to columns; from `count` on they are undefined.

    Load all that is needed before reading any of it: the compiler orders sums by where their terms
    are read.
    """
    load_columns(gaussians.means, i, count, THREE, THREE, inputs.scratch, inputs.columns, _MEAN)


@device_function
def load_shapes(gaussians, i, count, inputs):
    """Quaternions, scales and opacities to columns."""
    columns, scratch = inputs.columns, inputs.scratch
    load_columns(gaussians.quats, i, count, FOUR, FOUR, scratch, columns, _QUAT)
    load_columns(gaussians.scales, i, count, THREE, THREE, scratch, columns, _SCALE)
    load_columns(gaussians.opacities, i, count, ONE, ONE, scratch, columns, _OPACITY)


@device_function
def load_depths(projected, i, count, inputs):
    """Depths of the centres in the camera, 0 where not visible, to a column."""
    load_columns(projected.depths, i, count, ONE, ONE, inputs.scratch, inputs.columns, _DEPTH)


@device_function
def load_colors(gaussians, view, i, count, inputs):
    """Harmonics or plain colours to inputs.columns[(I_COLOR + k) * LANES]."""
    stride, used = gaussians.color_stride, used_colors(view)
    columns, scratch = inputs.columns, inputs.scratch
    array, column, numbers = gaussians.colors, I_COLOR, min(stride, used)
    # The higher ones second, because whole groups are written; a loop, to be compiled once.
    while True:
        load_columns(array, i, count, stride, numbers, scratch, columns, column)
        if numbers == used:
            return
        array, column, stride = gaussians.higher, column + numbers, gaussians.higher_stride
        used -= numbers
        numbers = used


@device_function
def read_mean(inputs):
    """x, y, z."""
    columns = inputs.columns
    return (
        load(columns, _MEAN * LANES),
        load(columns, (_MEAN + 1) * LANES),
        load(columns, (_MEAN + 2) * LANES),
    )


@device_function
def read_quaternion(inputs):
    """w, x, y, z."""
    columns = inputs.columns
    return (
        load(columns, _QUAT * LANES),
        load(columns, (_QUAT + 1) * LANES),
        load(columns, (_QUAT + 2) * LANES),
        load(columns, (_QUAT + 3) * LANES),
    )


@device_function
def read_scale(inputs):
    """Standard deviations along the three axes."""
    columns = inputs.columns
    return (
        load(columns, _SCALE * LANES),
        load(columns, (_SCALE + 1) * LANES),
        load(columns, (_SCALE + 2) * LANES),
    )


@device_function
def read_opacity(inputs):
    return load(inputs.columns, _OPACITY * LANES)


@device_function
def read_depth(inputs):
    return load(inputs.columns, _DEPTH * LANES)
