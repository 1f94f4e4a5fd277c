"""Which rows of a tile's strips each Gaussian touches, and which rows are still alive."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.layout import (
    BATCH,
    E_BULGE,
    E_EXTENT,
    E_EXTENT2,
    E_SLOPE,
    E_TOP,
    E_X,
    E_Y,
    ELLIPSE,
    PAIR,
    R_ELLIPSE,
    RECORD,
    STRIP_PAIRS,
    STRIPS,
    TILE,
    row_interval,
)
from splatpose.render.cpu.simd import (
    LANES,
    any_lane,
    element,
    floor,
    index,
    load,
    load_rows_at,
    maximum,
    minimum,
    prefetch,
    select,
    store_group,
    store_int,
)

# A hit is one whole number: which Gaussian of the batch, its first and its last row pair.
_BITS = 8
_MASK = (1 << _BITS) - 1
_FIRST_UNIT = float(1 << _BITS)
_LAST_UNIT = float(1 << 2 * _BITS)


class Batch(NamedTuple):
    """Memory for looking at BATCH Gaussians of a tile together."""

    ellipses: np.ndarray
    """[ELLIPSE * BATCH] as [vector, field, lane]."""
    live: np.ndarray
    """[2 * STRIPS] int32: first and last row pair of each strip with an unfinished pixel."""
    rows: np.ndarray
    """[BATCH] int32 scratch."""
    hits: np.ndarray
    """[BATCH + 1] int32, for `unpack_hit`, in the order of the batch."""


@device_function
def new_batch():
    return Batch(
        np.empty(ELLIPSE * BATCH, np.float32),
        np.empty(2 * STRIPS, np.int32),
        np.empty(BATCH, np.int32),
        np.empty(BATCH + 1, np.int32),
    )


@device_function
def start_live_rows(live, tile_y, height):
    """All row pairs of the tile that are inside the image."""
    rows = min(TILE, height - tile_y)
    for strip in range(STRIPS):
        live[2 * strip] = 0
        live[2 * strip + 1] = (rows - 1) // 2


@device_function
def _pair_lives(state, planes, strip, pair):
    place = (strip * STRIP_PAIRS + pair) * PAIR * planes * LANES
    brightest = load(state, place)
    for part in range(1, PAIR):
        brightest = maximum(brightest, load(state, place + part * planes * LANES))
    return any_lane(brightest > 0.0)


@device_function
def refresh_live_rows(state, planes, strip, live):
    """Narrow the row pairs of a strip to those with an unfinished pixel.

    Args:
        state: Tile state, transmittance first: negative where a pixel is finished.
        planes: Numbers a pixel takes in `state`.
        live: As of `Batch`, in and out.

    Returns: whether any row is left.
    """
    first, last = live[2 * strip], live[2 * strip + 1]
    while first <= last and not _pair_lives(state, planes, strip, first):
        first += 1
    while first <= last and not _pair_lives(state, planes, strip, last):
        last -= 1
    live[2 * strip], live[2 * strip + 1] = first, last
    return first <= last


@device_function
def load_ellipses(first, end, stop, members, records, ellipses):
    """Ellipses of members[first:end], at most BATCH.

    Asks for the records of the next batch, which ends at `stop` at the latest: they are all over
    memory.
    """
    for i in range(end, min(end + BATCH, stop)):
        prefetch(records, element(members, i) * RECORD)
    for i in range(first, end, LANES):
        fields = load_rows_at(records, members, i, end, RECORD, R_ELLIPSE)
        store_group(ellipses, (i - first) * ELLIPSE, fields)


@device_function
def find_hits(batch, count, tile_x, tile_y, width, strip):
    """Gaussians of a batch that touch the live rows of a strip, to `batch.hits`.

    Args:
        count: The first so many are looked at.
        tile_x, tile_y: Pixel of the tile's corner.

    Returns: their number.
    """
    ellipses, live, rows, hits = batch
    left = tile_x + strip * 8
    right = min(left + 8, width)
    first_live, last_live = live[2 * strip], live[2 * strip + 1]
    for i in range(0, count, LANES):
        low, high = row_interval(
            load(ellipses, i * ELLIPSE + E_X * LANES),
            load(ellipses, i * ELLIPSE + E_Y * LANES) - tile_y,
            load(ellipses, i * ELLIPSE + E_EXTENT * LANES),
            load(ellipses, i * ELLIPSE + E_EXTENT2 * LANES),
            load(ellipses, i * ELLIPSE + E_SLOPE * LANES),
            load(ellipses, i * ELLIPSE + E_BULGE * LANES),
            load(ellipses, i * ELLIPSE + E_TOP * LANES),
            left + 0.5,
            right - 0.5,
        )
        covered = low <= high
        low, high = maximum(floor(low * 0.5), first_live), minimum(floor(high * 0.5), last_live)
        packed = index() + i + low * _FIRST_UNIT + high * _LAST_UNIT
        store_int(rows, i, select(covered & (low <= high), packed, -1.0))
    number = 0
    for i in range(count):
        hits[number] = element(rows, i)
        # Kept or overwritten by the next one: no branch to guess wrong.
        number += element(rows, i) >= 0
    return number


@device_function
def unpack_hit(hit):
    """Which Gaussian of the batch, its first and its last row pair."""
    return hit & _MASK, (hit >> _BITS) & _MASK, hit >> 2 * _BITS
