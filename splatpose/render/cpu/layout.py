"""Memory layouts that the kernels agree on, and the arithmetic that both raster passes share."""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.simd import LANES, ceil, floor, fma, maximum, minimum, select, sqrt

TILE = 32
"""Tiles are 32x32 pixels: 4 strips of 8 columns, each strip stored row after row."""
STRIPS = TILE // 8
STRIP_PIXELS = 8 * TILE
TILE_PIXELS = TILE * TILE
ROWS = LANES // 8
"""Rows of a strip that one vector covers."""
BATCH = 32
"""Gaussians whose row intervals are computed together, between looks at which rows live."""
MAX_CHANNELS = 4
"""Channels blended in one pass: RGB and depth."""

RECORD = 16
"""Floats a projected Gaussian takes: one cache line."""
# Exponent of the footprint divided by 8: POWER + XX dx^2 + XY dx dy + YY dy^2.
R_X, R_Y, R_XX, R_XY, R_YY, R_POWER = 0, 1, 2, 3, 4, 5
R_CHANNEL = 6
# The ellipse alpha = 1/255: its half width and the square of that, the line of the rows' middles
# dy = SLOPE dx, half height of column dx: BULGE sqrt(EXTENT2 - dx^2), and dx of its lowest point.
R_EXTENT, R_EXTENT2, R_SLOPE, R_BULGE, R_TOP = 10, 11, 12, 13, 14

MOMENTS = 6
"""Sums over pixels of g (1, dx, dy, dx^2, dx dy, dy^2), g the gradient w.r.t. log alpha."""

ALPHA_THRESHOLD = np.float32(1.0 / 255.0)
MAX_ALPHA = np.float32(0.999)
MIN_TRANSMITTANCE = np.float32(1e-4)

# Far pixels must not reach the range where the polynomial below turns back up.
_LOWEST_EIGHTH = np.float32(-0.7)
# Least-squares fit with equalised relative error (9e-8) on [-0.7, 0.01].
_EXP = tuple(
    np.float32(c) for c in (0.99999998, 0.99999422, 0.49989546, 0.16601455, 0.03982888, 0.00587533)
)
_E0, _E1, _E2, _E3, _E4, _E5 = _EXP
# Rows whose centre is this close (pixels) outside an ellipse are kept: rounding.
_SLACK = np.float32(0.01)


@device_function
def footprint(eighth):
    """exp(8 * eighth) for eighth in [-0.7, 0], less than 1/255 below; error 2e-6 relative."""
    t = maximum(eighth, _LOWEST_EIGHTH)
    p = fma(fma(fma(fma(fma(_E5, t, _E4), t, _E3), t, _E2), t, _E1), t, _E0)
    p = p * p
    p = p * p
    return p * p


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
    at = minimum(maximum(top, low), high)
    bottom = fma(slope, at, bulge * sqrt(maximum(extent2 - at * at, 0.0)))
    at = minimum(maximum(-top, low), high)
    upper = fma(slope, at, -(bulge * sqrt(maximum(extent2 - at * at, 0.0))))
    first = ceil(y + upper - (0.5 + _SLACK))
    last = floor(y + bottom - (0.5 - _SLACK))
    covered = low <= high
    # Bounds keep the later conversion to integers defined.
    first = minimum(maximum(first, -1e6), 1e6)
    last = minimum(maximum(last, -1e6), 1e6)
    return select(covered, first, 1.0), select(covered, last, 0.0)
