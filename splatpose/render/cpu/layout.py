"""Memory layouts that the kernels agree on, and the arithmetic that both raster passes share."""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.simd import (
    LANES,
    SCALES,
    ceil,
    floor,
    fma,
    maximum,
    minimum,
    nearest,
    select,
    sqrt,
    times_power_of_two,
)

TILE = 32
"""Tiles are 32x32 pixels: 4 strips of 8 columns."""
STRIPS = TILE // 8
ROWS = LANES // 8
"""Rows of a strip that one vector covers."""
PAIR = 2 // ROWS
"""Vectors that cover two rows of a strip: what a loop over rows does in one go, on any machine."""
STRIP_PAIRS = TILE // 2
BATCH = 32
"""Gaussians whose row intervals are computed together, between looks at which rows live."""
MAX_CHANNELS = 4
"""Channels blended in one pass: RGB and depth."""

RECORD = 16
"""Floats a projected Gaussian takes: one cache line."""
# What is blended. Log2 of the footprint: POWER + XX dx^2 + XY dx dy + YY dy^2.
R_XX, R_XY, R_YY, R_POWER, R_CHANNEL = 0, 1, 2, 3, 4
# Where. The ellipse alpha = 1/255: its half width and the square of that, the line of the rows'
# middles dy = SLOPE dx, half height of column dx: BULGE sqrt(EXTENT2 - dx^2), and dx of its lowest
# point.
R_ELLIPSE = 8
ELLIPSE = 8
"""Floats from R_ELLIPSE on, the last one unused."""
E_X, E_Y, E_EXTENT, E_EXTENT2, E_SLOPE, E_BULGE, E_TOP = 0, 1, 2, 3, 4, 5, 6
R_X, R_Y = R_ELLIPSE + E_X, R_ELLIPSE + E_Y

SLOT = 16
"""Floats that the gradients of one Gaussian in one tile take: one cache line."""
# Sums over pixels of g (1, dx, dy, dx^2, dx dy, dy^2), g the gradient w.r.t. log alpha; then of
# colour gradients, and of the absolute gradients of the 2-D mean.
S_CHANNEL, S_ABSOLUTE = 6, 10

ALPHA_THRESHOLD = np.float32(1.0 / 255.0)
MAX_ALPHA = np.float32(0.999)
MIN_TRANSMITTANCE = np.float32(1e-4)
LOG2_E = np.float32(1.4426950408889634)
LN_2 = np.float32(0.6931471805599453)

_LOWEST_POWER = np.float32(-24.0)
# Of 2^f for f in [-1/2, 1/2], equalised relative error 1.1e-7; exact at 0, so that what an almost
# opaque Gaussian lets through, 1 - alpha, is as accurate.
_EXP2 = tuple(np.float32(c) for c in (0.693147, 0.24022242, 0.055507336, 0.009671513, 0.0013264727))
_P1, _P2, _P3, _P4, _P5 = _EXP2
# Rows whose centre is this close (pixels) outside an ellipse are kept: rounding.
_SLACK = np.float32(0.01)


if SCALES:

    @device_function
    def _bounded(power):
        return power

else:

    @device_function
    def _bounded(power):
        # Keeps 2^t within float32; long before, alpha is below the threshold.
        return maximum(power, _LOWEST_POWER)


@device_function
def footprint(power):
    """2^power for power <= 0; error 2e-7 relative, below 2^-24 anything up to the value there."""
    t = _bounded(power)
    whole = nearest(t)
    f = t - whole
    p = fma(fma(fma(fma(fma(_P5, f, _P4), f, _P3), f, _P2), f, _P1), f, np.float32(1.0))
    return times_power_of_two(p, whole)


@device_function
def row_interval(x, y, extent, extent2, slope, bulge, top, left, right):
    """First and last pixel row that the ellipse alpha >= 1/255 covers between two columns.

    The upper and the lower border of an ellipse are concave and convex in dx, so their extremes
    over an interval of columns are at `top` clamped to the interval.

    Args: ellipse as in the record; left, right: x of the first and last column's centre.
    Returns: two vectors of whole numbers, the second less than the first where nothing is covered.
    """
    low = maximum(left - x, -extent)
    high = minimum(right - x, extent)
    # A strip may be one column wide, and its two ends be rounded apart.
    covered = low <= high + _SLACK
    high = maximum(high, low)
    at = minimum(maximum(top, low), high)
    bottom = fma(slope, at, bulge * sqrt(maximum(extent2 - at * at, 0.0)))
    at = minimum(maximum(-top, low), high)
    upper = fma(slope, at, -(bulge * sqrt(maximum(extent2 - at * at, 0.0))))
    first = ceil(y + upper - (0.5 + _SLACK))
    last = floor(y + bottom - (0.5 - _SLACK))
    # Bounds keep the later conversion to integers defined.
    first = minimum(maximum(first, -1e6), 1e6)
    last = minimum(maximum(last, -1e6), 1e6)
    return select(covered, first, 1.0), select(covered, last, 0.0)
