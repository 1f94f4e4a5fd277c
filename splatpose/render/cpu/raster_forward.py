"""Blend the Gaussians of each tile, nearest first."""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function, kernel
from splatpose.render.cpu.footprints import Visit, dim, start_transmittance, store_alphas
from splatpose.render.cpu.intervals import (
    find_hits,
    load_ellipses,
    new_batch,
    refresh_live_rows,
    start_live_rows,
    unpack_hit,
)
from splatpose.render.cpu.layout import (
    BATCH,
    PAIR,
    R_CHANNEL,
    RECORD,
    STRIP_PAIRS,
    STRIPS,
    TILE,
)
from splatpose.render.cpu.simd import (
    LANES,
    broadcast,
    clear,
    element,
    fetch_add,
    fma,
    load,
    opaque,
    store,
)
from splatpose.render.cpu.tile_image import new_strip_pixels, write_strip


@device_function
def _blend(records, visit, channels, alphas, state):
    """Blend one Gaussian into the rows of a visit."""
    base, low, high = visit.base, visit.low, visit.high
    c0 = broadcast(element(records, base + R_CHANNEL))
    c1 = broadcast(element(records, base + R_CHANNEL + 1))
    c2 = broadcast(element(records, base + R_CHANNEL + 2))
    c3 = broadcast(element(records, base + R_CHANNEL + 3))
    planes = channels + 1
    place = (visit.strip * STRIP_PAIRS + low) * PAIR * planes * LANES
    vector, end = low * PAIR, (high + 1) * PAIR
    while vector < end:
        for part in range(PAIR):
            weight, _after = dim(state, place, load(alphas, (vector + part) * LANES))
            at = place + LANES
            store(state, at, fma(weight, c0, load(state, at)))
            if channels > 1:
                at += LANES
                store(state, at, fma(weight, c1, load(state, at)))
            if channels > 2:
                at += LANES
                store(state, at, fma(weight, c2, load(state, at)))
            if channels > 3:
                at += LANES
                store(state, at, fma(weight, c3, load(state, at)))
            place += planes * LANES
        vector = opaque(vector + PAIR)


@kernel
def forward(counter, channel_tag, tiles, records, background, picture):
    """Render tiles until none is left.

    Args:
        counter: [1] int64 shared between threads: tiles taken.
        channel_tag: A tuple with one item a channel, 1 to 4: its length is known to the compiler.
        records: [N * RECORD].
        background: [channels].
        picture: out.
    """
    offsets, members = tiles.offsets, tiles.members
    width, height = picture.width, picture.height
    channels = len(channel_tag)
    planes = channels + 1
    tiles_x = (width + TILE - 1) // TILE
    state = np.empty(STRIPS * STRIP_PAIRS * PAIR * planes * LANES, np.float32)
    alphas = np.empty(STRIP_PAIRS * PAIR * LANES, np.float32)
    pixels, batch = new_strip_pixels(channels), new_batch()
    while True:
        tile = fetch_add(counter, 1)
        if tile >= len(offsets) - 1:
            return
        tile_x, tile_y = tile % tiles_x * TILE, tile // tiles_x * TILE
        clear(state, 0, len(state))
        start_transmittance(state, planes, width - tile_x, height - tile_y)
        start_live_rows(batch.live, tile_y, height)
        # Not a constant, or the compiler would repeat the loops' bodies four times.
        strips = min(STRIPS, (width - tile_x + 7) // 8)
        upper = np.float32(tile_y) + np.float32(0.5)
        for first in range(offsets[tile], offsets[tile + 1], BATCH):
            end = min(first + BATCH, offsets[tile + 1])
            load_ellipses(first, end, offsets[tile + 1], members, records, batch.ellipses)
            alive = False
            for strip in range(strips):
                if not refresh_live_rows(state, planes, strip, batch.live):
                    continue
                alive = True
                left = np.float32(tile_x + strip * 8) + np.float32(0.5)
                number = find_hits(batch, end - first, tile_x, tile_y, width, strip)
                for hit in range(number):
                    i, low, high = unpack_hit(element(batch.hits, hit))
                    base = element(members, first + i) * RECORD
                    visit = Visit(base, strip, left, upper, low, high)
                    store_alphas(records, visit, alphas)
                    _blend(records, visit, channels, alphas, state)
            if not alive:
                break
        for strip in range(strips):
            write_strip(channels, state, background, picture, strip, tile_x, tile_y, pixels)
