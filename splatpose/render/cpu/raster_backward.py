"""Gradients of the blended image with respect to each Gaussian's projection, front to back.

Transmittance and weights are computed again. What lies behind a Gaussian is the whole minus the
prefix, so nothing per pixel is kept from the forward pass but image and transmittance. Each (tile,
Gaussian) pair owns a slot that one thread writes: no atomics, and sums in a fixed order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splatpose.render.cpu.compilation import device_function, late_kernel
from splatpose.render.cpu.footprints import (
    Visit,
    dim,
    distances,
    start_transmittance,
    store_alphas,
)
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
    LN_2,
    MAX_ALPHA,
    PAIR,
    R_CHANNEL,
    R_XX,
    R_XY,
    R_YY,
    RECORD,
    ROWS,
    SLOT,
    STRIP_PAIRS,
    STRIPS,
    TILE,
)
from splatpose.render.cpu.simd import (
    GROUP,
    LANES,
    absolute,
    add_totals,
    broadcast,
    clear,
    element,
    fetch_add,
    fma,
    load,
    opaque,
    select,
    store,
)
from splatpose.render.cpu.tile_image import new_strip_pixels, read_strip

# Planes of a tile's state: transmittance, gradient along what is behind, gradient per channel.
_BEHIND, _GRADIENT = 1, 2


class _Weights(NamedTuple):
    """A Gaussian's part in the pixels of a strip, [STRIP_PAIRS * PAIR * LANES] each."""

    alphas: np.ndarray
    """Neither cut nor clamped."""
    weights: np.ndarray
    ratios: np.ndarray
    """Weights over the light behind: alpha / (1 - alpha)."""


@device_function
def _new_weights():
    alphas = np.empty(STRIP_PAIRS * PAIR * LANES, np.float32)
    return _Weights(alphas, np.empty_like(alphas), np.empty_like(alphas))


@device_function
def _store_weights(visit, planes, seen, state):
    """Weights and ratios from the alphas."""
    alphas, weights, ratios = seen
    low, high = visit.low, visit.high
    place = (visit.strip * STRIP_PAIRS + low) * PAIR * planes * LANES
    vector, end = low * PAIR, (high + 1) * PAIR
    while vector < end:
        for part in range(PAIR):
            weight, after = dim(state, place, load(alphas, (vector + part) * LANES))
            store(weights, (vector + part) * LANES, weight)
            store(ratios, (vector + part) * LANES, weight / after)
            place += planes * LANES
        vector = opaque(vector + PAIR)


@device_function
def _sum_gradients(records, visit, channels, absgrad, seen, state, slot, sums):
    """Add a Gaussian's gradients from the rows of a visit to sums[slot:]."""
    alphas, weights, ratios = seen
    base, low, high = visit.base, visit.low, visit.high
    dx, dy = distances(records, visit)
    c0 = broadcast(element(records, base + R_CHANNEL))
    c1 = broadcast(element(records, base + R_CHANNEL + 1))
    c2 = broadcast(element(records, base + R_CHANNEL + 2))
    c3 = broadcast(element(records, base + R_CHANNEL + 3))
    slope = dx * element(records, base + R_XY)
    pull = dx * element(records, base + R_XX) * 2.0
    cross = broadcast(element(records, base + R_XY))
    curve = broadcast(element(records, base + R_YY)) * 2.0
    zero = broadcast(0.0)
    m, my, myy, ax, ay = zero, zero, zero, zero, zero
    g0, g1, g2, g3 = zero, zero, zero, zero
    planes = channels + 2
    place = (visit.strip * STRIP_PAIRS + low) * PAIR * planes * LANES
    vector, end = low * PAIR, (high + 1) * PAIR
    while vector < end:
        for part in range(PAIR):
            weight = load(weights, (vector + part) * LANES)
            # What the pixel's gradient is along this Gaussian's channels.
            at = place + _GRADIENT * LANES
            v = load(state, at)
            along = v * c0
            g0 = fma(weight, v, g0)
            if channels > 1:
                v = load(state, at + LANES)
                along = fma(v, c1, along)
                g1 = fma(weight, v, g1)
            if channels > 2:
                v = load(state, at + 2 * LANES)
                along = fma(v, c2, along)
                g2 = fma(weight, v, g2)
            if channels > 3:
                v = load(state, at + 3 * LANES)
                along = fma(v, c3, along)
                g3 = fma(weight, v, g3)
            own = weight * along
            behind = load(state, place + _BEHIND * LANES) - own
            store(state, place + _BEHIND * LANES, behind)
            # d/d log alpha; a clamped alpha does not move.
            g = own - behind * load(ratios, (vector + part) * LANES)
            g = select(load(alphas, (vector + part) * LANES) <= MAX_ALPHA, g, zero)
            gy = g * dy
            m = m + g
            my = my + gy
            myy = fma(gy, dy, myy)
            if absgrad:
                ax = ax + absolute(g * fma(cross, dy, pull))
                ay = ay + absolute(g * fma(curve, dy, slope))
            place += planes * LANES
            dy = dy + np.float32(ROWS)
        vector = opaque(vector + PAIR)
    mx = m * dx
    add_totals(sums, slot, (m, mx, my, mx * dx, my * dx, myy, g0, g1))
    if channels > 2 or absgrad:
        # The record's exponents are of 2, and d 2^t = ln 2 2^t dt.
        add_totals(sums, slot + GROUP, (g2, g3, ax * LN_2, ay * LN_2, zero, zero, zero, zero))


@late_kernel
def backward(counter, channel_tag, absgrad_tag, tiles, records, picture, gradients, slot_gradients):
    """Fill the slots of tiles until no tile is left.

    Args: as of the forward kernel, and
        absgrad_tag: A tuple, empty without absolute gradients.
        gradients: w.r.t. the picture that the forward kernel wrote.
        slot_gradients: [slots * SLOT] out, those that an entry has.
    """
    offsets, members, slots = tiles
    width, height = picture.width, picture.height
    channels, absgrad = len(channel_tag), len(absgrad_tag) > 0
    planes = channels + 2
    tiles_x = (width + TILE - 1) // TILE
    state = np.empty(STRIPS * STRIP_PAIRS * PAIR * planes * LANES, np.float32)
    seen, batch = _new_weights(), new_batch()
    sums = np.empty(BATCH * SLOT, np.float32)
    pixels, pulls = new_strip_pixels(channels), new_strip_pixels(channels)
    while True:
        tile = fetch_add(counter, 1)
        if tile >= len(offsets) - 1:
            return
        tile_x, tile_y = tile % tiles_x * TILE, tile // tiles_x * TILE
        clear(state, 0, len(state))
        start_transmittance(state, planes, width - tile_x, height - tile_y)
        # Not a constant, or the compiler would repeat the loops' bodies four times.
        strips = min(STRIPS, (width - tile_x + 7) // 8)
        for strip in range(strips):
            read_strip(channels, state, picture, gradients, strip, tile_x, tile_y, pixels, pulls)
        start_live_rows(batch.live, tile_y, height)
        upper = np.float32(tile_y) + np.float32(0.5)
        done = offsets[tile]
        for first in range(offsets[tile], offsets[tile + 1], BATCH):
            end = min(first + BATCH, offsets[tile + 1])
            load_ellipses(first, end, offsets[tile + 1], members, records, batch.ellipses)
            clear(sums, 0, len(sums))
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
                    store_alphas(records, visit, seen.alphas)
                    _store_weights(visit, planes, seen, state)
                    _sum_gradients(records, visit, channels, absgrad, seen, state, i * SLOT, sums)
            if not alive:
                break
            for i in range(end - first):
                start = element(slots, first + i) * SLOT
                for k in range(0, SLOT, LANES):
                    store(slot_gradients, start + k, load(sums, i * SLOT + k))
            done = end
        for i in range(done, offsets[tile + 1]):
            clear(slot_gradients, element(slots, i) * SLOT, SLOT)
