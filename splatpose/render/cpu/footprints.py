"""What both raster passes do with one Gaussian in one strip, before colours come in.

A strip is visited in passes over its row pairs, each a short chain of arithmetic that keeps its
constants in registers; values between passes stay in the first-level cache. One loop that does
all of it at once is half as fast: its constants spill, and its chain of some seventy cycles
exceeds what the processor can look ahead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.layout import (
    ALPHA_THRESHOLD,
    MAX_ALPHA,
    MIN_TRANSMITTANCE,
    PAIR,
    R_POWER,
    R_X,
    R_XX,
    R_XY,
    R_Y,
    R_YY,
    ROWS,
    STRIP_PAIRS,
    STRIPS,
    TILE,
    footprint,
)
from splatpose.render.cpu.simd import (
    LANES,
    absolute,
    broadcast,
    column_index,
    element,
    fma,
    load,
    minimum,
    opaque,
    row_index,
    select,
    store,
)


class Visit(NamedTuple):
    """A Gaussian and the rows of a strip that it touches."""

    base: int
    """Place of its record."""
    strip: int
    left: np.float32
    """x of the strip's first pixel's centre."""
    upper: np.float32
    """y of it."""
    low: int
    """First row pair."""
    high: int
    """Last row pair."""


@device_function
def pixel_place(x, y, planes):
    """Where the first plane of pixel (x, y) of a tile lies in the tile's state.

    State is [STRIPS, STRIP_PAIRS, PAIR, planes, LANES], transmittance first: what a pass over a
    strip touches is contiguous.
    """
    vector = (x >> 3) * STRIP_PAIRS * PAIR + y // ROWS
    return vector * planes * LANES + (y % ROWS) * 8 + (x & 7)


@device_function
def start_transmittance(state, planes, columns, rows):
    """1 inside the image; outside, pixels count as finished, which is a negative number."""
    for y in range(TILE):
        for x in range(8 * STRIPS):
            inside = x < columns and y < rows
            state[pixel_place(x, y, planes)] = np.float32(1.0) if inside else np.float32(-1.0)


@device_function
def distances(records, visit):
    """Pixels of the columns, and of the rows from the first one on, from the Gaussian's mean."""
    dx = column_index() + (visit.left - element(records, visit.base + R_X))
    top = visit.upper + np.float32(visit.low * 2)
    dy = row_index() + (top - element(records, visit.base + R_Y))
    return dx, dy


@device_function
def store_alphas(records, visit, alphas):
    """Footprints in the row pairs of a visit, neither cut nor clamped, to `alphas`."""
    base, low, high = visit.base, visit.low, visit.high
    dx, dy = distances(records, visit)
    power = fma(dx * element(records, base + R_XX), dx, element(records, base + R_POWER))
    slope = dx * element(records, base + R_XY)
    curve = broadcast(element(records, base + R_YY))
    vector, end = low * PAIR, (high + 1) * PAIR
    while vector < end:
        for part in range(PAIR):
            store(alphas, (vector + part) * LANES, footprint(fma(dy, fma(dy, curve, slope), power)))
            dy = dy + np.float32(ROWS)
        vector = opaque(vector + PAIR)


@device_function
def dim(state, place, raw):
    """Let a Gaussian's footprint take its part of the light at state[place].

    Returns: its weight, 0 where it does not count, and the transmittance behind it, negative where
    the pixel is finished.
    """
    before = load(state, place)
    alpha = select(raw >= ALPHA_THRESHOLD, minimum(raw, MAX_ALPHA), broadcast(0.0))
    weight = alpha * before
    after = before - weight
    # A finished pixel is negative and fails this too.
    live = after > MIN_TRANSMITTANCE
    after = select(live, after, -absolute(before))
    store(state, place, after)
    return select(live, weight, broadcast(0.0)), after
