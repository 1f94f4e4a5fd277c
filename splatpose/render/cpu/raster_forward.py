"""Blend the Gaussians of each tile, nearest first."""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function, kernel
from splatpose.render.cpu.intervals import (
    refresh_live_rows,
    start_live_rows,
    store_row_intervals,
)
from splatpose.render.cpu.layout import (
    ALPHA_THRESHOLD,
    BATCH,
    MAX_ALPHA,
    MIN_TRANSMITTANCE,
    R_CHANNEL,
    R_POWER,
    R_X,
    R_XX,
    R_XY,
    R_Y,
    R_YY,
    RECORD,
    ROWS,
    STRIP_PIXELS,
    STRIPS,
    TILE,
    TILE_PIXELS,
    footprint,
)
from splatpose.render.cpu.simd import (
    LANES,
    absolute,
    broadcast,
    clear,
    column_index,
    element,
    fetch_add,
    fma,
    load,
    minimum,
    row_index,
    select,
    store,
)


@device_function
def start_transmittance(transmittance, columns, rows):
    """1 inside the image; outside the pixels count as finished, which is a negative number."""
    for strip in range(STRIPS):
        for y in range(TILE):
            for x in range(8):
                inside = strip * 8 + x < columns and y < rows
                transmittance[strip * STRIP_PIXELS + y * 8 + x] = (
                    np.float32(1.0) if inside else np.float32(-1.0)
                )


@device_function
def pixel_place(x, y):
    """Where pixel (x, y) of a tile is stored."""
    return (x >> 3) * STRIP_PIXELS + y * 8 + (x & 7)


@device_function
def _blend_strip(records, base, left, upper, strip, low, high, channels, state):
    """Blend one Gaussian into rows low to high (inclusive) of one strip."""
    dx = column_index() + (left - element(records, base + R_X))
    dy = row_index() + (upper + np.float32(low // ROWS * ROWS) - element(records, base + R_Y))
    power = fma(dx * element(records, base + R_XX), dx, element(records, base + R_POWER))
    slope = dx * element(records, base + R_XY)
    curve = broadcast(element(records, base + R_YY))
    c0 = broadcast(element(records, base + R_CHANNEL))
    c1 = broadcast(element(records, base + R_CHANNEL + 1))
    c2 = broadcast(element(records, base + R_CHANNEL + 2))
    c3 = broadcast(element(records, base + R_CHANNEL + 3))
    place = strip * STRIP_PIXELS + low // ROWS * LANES
    for _row in range(low // ROWS, high // ROWS + 1):
        before = load(state, place)
        alpha = footprint(fma(dy, fma(dy, curve, slope), power))
        alpha = select(alpha >= ALPHA_THRESHOLD, minimum(alpha, MAX_ALPHA), broadcast(0.0))
        weight = alpha * before
        after = before - weight
        # A finished pixel is negative and fails this too.
        live = after > MIN_TRANSMITTANCE
        weight = select(live, weight, broadcast(0.0))
        store(state, place, select(live, after, -absolute(before)))
        at = place + TILE_PIXELS
        store(state, at, fma(weight, c0, load(state, at)))
        if channels > 1:
            at += TILE_PIXELS
            store(state, at, fma(weight, c1, load(state, at)))
        if channels > 2:
            at += TILE_PIXELS
            store(state, at, fma(weight, c2, load(state, at)))
        if channels > 3:
            at += TILE_PIXELS
            store(state, at, fma(weight, c3, load(state, at)))
        place += LANES
        dy = dy + np.float32(ROWS)


@device_function
def _write_tile(
    channels,
    state,
    backgrounds,
    expected_depth,
    image,
    transmittance,
    tile_x,
    tile_y,
    width,
    height,
):
    for y in range(min(TILE, height - tile_y)):
        for x in range(min(TILE, width - tile_x)):
            place = pixel_place(x, y)
            left = abs(state[place])
            pixel = (tile_y + y) * width + tile_x + x
            transmittance[pixel] = left
            for c in range(channels):
                value = state[place + (c + 1) * TILE_PIXELS] + left * backgrounds[c]
                if c == channels - 1 and expected_depth:
                    value = value / max(np.float32(1.0) - left, np.float32(1e-10))
                image[pixel * channels + c] = value


@kernel
def forward(
    counter,
    channel_tag,
    offsets,
    members,
    records,
    backgrounds,
    expected_depth,
    width,
    height,
    image,
    transmittance,
):
    """Render tiles until none is left.

    Args:
        counter: [1] int64 shared between threads: tiles taken.
        channel_tag: A tuple with one item a channel, 1 to 4: its length is known to the compiler.
        offsets: [tiles + 1]; members: [entries]: Gaussians of each tile, nearest first.
        records: [N * RECORD].
        backgrounds: [channels].
        expected_depth: Whether the last channel is divided by alpha.
        image: [height * width * channels] out.
        transmittance: [height * width] out: light left behind the last Gaussian.
    """
    channels = len(channel_tag)
    tiles_x = (width + TILE - 1) // TILE
    state = np.empty((channels + 1) * TILE_PIXELS, np.float32)
    live = np.empty(2 * STRIPS, np.int32)
    rows = np.empty(2 * STRIPS * BATCH + LANES, np.int32)
    while True:
        tile = fetch_add(counter, 1)
        if tile >= len(offsets) - 1:
            return
        tile_x, tile_y = tile % tiles_x * TILE, tile // tiles_x * TILE
        clear(state, 0, len(state))
        start_transmittance(state, width - tile_x, height - tile_y)
        start_live_rows(live, tile_y, height)
        # Not a constant, or the compiler would repeat the loops' bodies four times.
        strips = min(STRIPS, (width - tile_x + 7) // 8)
        upper = np.float32(tile_y) + np.float32(0.5)
        for first in range(offsets[tile], offsets[tile + 1], BATCH):
            if not refresh_live_rows(state, strips, live):
                break
            end = min(first + BATCH, offsets[tile + 1])
            store_row_intervals(
                first, end, members, records, tile_x, tile_y, width, strips, live, rows
            )
            for i in range(end - first):
                base = element(members, first + i) * RECORD
                for strip in range(strips):
                    low = element(rows, 2 * strip * BATCH + i)
                    high = element(rows, (2 * strip + 1) * BATCH + i)
                    if low <= high:
                        left = np.float32(tile_x + strip * 8) + np.float32(0.5)
                        _blend_strip(records, base, left, upper, strip, low, high, channels, state)
        _write_tile(
            channels,
            state,
            backgrounds,
            expected_depth,
            image,
            transmittance,
            tile_x,
            tile_y,
            width,
            height,
        )
