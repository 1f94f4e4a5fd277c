"""Which rows of a tile's strips each Gaussian touches, and which rows are still alive."""

from __future__ import annotations

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.layout import (
    BATCH,
    R_BULGE,
    R_EXTENT,
    R_EXTENT2,
    R_SLOPE,
    R_TOP,
    R_X,
    R_Y,
    RECORD,
    ROWS,
    STRIP_PIXELS,
    STRIPS,
    TILE,
    row_interval,
)
from splatpose.render.cpu.simd import (
    LANES,
    any_lane,
    gather_at,
    load,
    maximum,
    minimum,
    store_int,
)


@device_function
def refresh_live_rows(transmittance, strips, live):
    """Find the first and last vector row of each strip with an unfinished pixel.

    Args:
        transmittance: [TILE_PIXELS] negative where a pixel is finished.
        strips: Strips of the tile that are inside the image.
        live: [2 * STRIPS] int32 in and out: first and last vector row; never grows.

    Returns: whether any row is left.
    """
    alive = False
    for strip in range(strips):
        first, last = live[2 * strip], live[2 * strip + 1]
        base = strip * STRIP_PIXELS
        while first <= last and not any_lane(load(transmittance, base + first * LANES) > 0.0):
            first += 1
        while first <= last and not any_lane(load(transmittance, base + last * LANES) > 0.0):
            last -= 1
        live[2 * strip], live[2 * strip + 1] = first, last
        alive = alive or first <= last
    return alive


@device_function
def store_row_intervals(first, end, members, records, tile_x, tile_y, width, strips, live, rows):
    """Intervals of pixel rows for members[first:end], at most BATCH, in each strip.

    Args:
        tile_x, tile_y: Pixel of the tile's corner.
        rows: [2 * STRIPS * BATCH] int32 out: first and last row in the tile, strip after strip,
            firsts before lasts; empty where last < first.
    """
    for i in range(first, end, LANES):
        x = gather_at(records, members, i, end, RECORD, R_X)
        y = gather_at(records, members, i, end, RECORD, R_Y) - tile_y
        extent = gather_at(records, members, i, end, RECORD, R_EXTENT)
        extent2 = gather_at(records, members, i, end, RECORD, R_EXTENT2)
        slope = gather_at(records, members, i, end, RECORD, R_SLOPE)
        bulge = gather_at(records, members, i, end, RECORD, R_BULGE)
        top = gather_at(records, members, i, end, RECORD, R_TOP)
        for strip in range(strips):
            left = tile_x + strip * 8
            right = min(left + 8, width)
            low, high = row_interval(
                x, y, extent, extent2, slope, bulge, top, left + 0.5, right - 0.5
            )
            low = maximum(low, live[2 * strip] * ROWS)
            high = minimum(high, live[2 * strip + 1] * ROWS + (ROWS - 1))
            base = 2 * strip * BATCH + i - first
            store_int(rows, base, low)
            store_int(rows, base + BATCH, high)


@device_function
def start_live_rows(live, tile_y, height):
    """All rows of the tile that are inside the image."""
    rows = min(TILE, height - tile_y)
    for strip in range(STRIPS):
        live[2 * strip] = 0
        live[2 * strip + 1] = (rows - 1) // ROWS
