"""Gradients of the blended image with respect to each Gaussian's projection, front to back.

Transmittance and weights are computed again. What lies behind a Gaussian is the whole minus the
prefix, so nothing per pixel is kept from the forward pass but image and transmittance. Each (tile,
Gaussian) pair owns a slot that one thread writes: no atomics, and sums in a fixed order.
"""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function, late_kernel
from splatpose.render.cpu.footprints import dim, distances, start_transmittance, store_alphas
from splatpose.render.cpu.intervals import (
    find_hits,
    load_ellipses,
    refresh_live_rows,
    start_live_rows,
    unpack_hit,
)
from splatpose.render.cpu.layout import (
    BATCH,
    ELLIPSE,
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
    select,
    store,
)
from splatpose.render.cpu.tile_image import buffer_size, read_strip

# Planes of a tile's state: transmittance, gradient along what is behind, gradient per channel.
_BEHIND, _GRADIENT = 1, 2


@device_function
def _store_weights(strip, low, high, planes, alphas, weights, ratios, state):
    """Each pixel's weight, and its ratio to the light behind: alpha / (1 - alpha)."""
    place = (strip * STRIP_PAIRS + low) * PAIR * planes * LANES
    for vector in range(low * PAIR, (high + 1) * PAIR, PAIR):
        for part in range(PAIR):
            weight, after = dim(state, place, load(alphas, (vector + part) * LANES))
            store(weights, (vector + part) * LANES, weight)
            store(ratios, (vector + part) * LANES, weight / after)
            place += planes * LANES


@device_function
def _sum_gradients(
    records,
    base,
    left,
    upper,
    strip,
    low,
    high,
    channels,
    absgrad,
    alphas,
    weights,
    ratios,
    state,
    slot,
    sums,
):
    """Add a Gaussian's gradients from row pairs low to high of one strip to sums[slot:]."""
    dx, dy = distances(records, base, left, upper, low)
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
    place = (strip * STRIP_PAIRS + low) * PAIR * planes * LANES
    for vector in range(low * PAIR, (high + 1) * PAIR, PAIR):
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
    mx = m * dx
    add_totals(sums, slot, (m, mx, my, mx * dx, my * dx, myy, g0, g1))
    if channels > 2 or absgrad:
        # The record's exponents are of 2, and d 2^t = ln 2 2^t dt.
        add_totals(sums, slot + GROUP, (g2, g3, ax * LN_2, ay * LN_2, zero, zero, zero, zero))


@late_kernel
def backward(
    counter,
    channel_tag,
    absgrad_tag,
    offsets,
    members,
    slots,
    records,
    expected_depth,
    width,
    height,
    image,
    transmittance,
    image_gradient,
    alpha_gradient,
    slot_gradients,
):
    """Fill the slots of tiles until no tile is left.

    Args: as of the forward kernel, and
        absgrad_tag: A tuple, empty without absolute gradients.
        slots: [entries] slot of each entry.
        image, transmittance: what the forward kernel wrote.
        image_gradient: [height * width * channels]; alpha_gradient: [height * width].
        slot_gradients: [slots * SLOT] out, those that an entry has.
    """
    channels, absgrad = len(channel_tag), len(absgrad_tag) > 0
    planes = channels + 2
    tiles_x = (width + TILE - 1) // TILE
    state = np.empty(STRIPS * STRIP_PAIRS * PAIR * planes * LANES, np.float32)
    alphas = np.empty(STRIP_PAIRS * PAIR * LANES, np.float32)
    weights, ratios = np.empty_like(alphas), np.empty_like(alphas)
    sums = np.empty(BATCH * SLOT, np.float32)
    pixels = np.zeros(buffer_size(channels), np.float32)
    pulls = np.zeros_like(pixels)
    lights = np.zeros(buffer_size(1), np.float32)
    alpha_pulls = np.zeros_like(lights)
    live = np.empty(2 * STRIPS, np.int32)
    ellipses = np.empty(ELLIPSE * BATCH, np.float32)
    rows, hits = np.empty(BATCH, np.int32), np.empty(BATCH + 1, np.int32)
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
            read_strip(
                channels,
                state,
                expected_depth,
                pixels,
                pulls,
                lights,
                alpha_pulls,
                image,
                transmittance,
                image_gradient,
                alpha_gradient,
                strip,
                tile_x + strip * 8,
                tile_y,
                width,
                height,
            )
        start_live_rows(live, tile_y, height)
        upper = np.float32(tile_y) + np.float32(0.5)
        done = offsets[tile]
        for first in range(offsets[tile], offsets[tile + 1], BATCH):
            end = min(first + BATCH, offsets[tile + 1])
            load_ellipses(first, end, offsets[tile + 1], members, records, ellipses)
            clear(sums, 0, len(sums))
            alive = False
            for strip in range(strips):
                if not refresh_live_rows(state, planes, strip, live):
                    continue
                alive = True
                left = np.float32(tile_x + strip * 8) + np.float32(0.5)
                number = find_hits(
                    ellipses, end - first, tile_x, tile_y, width, strip, live, rows, hits
                )
                for hit in range(number):
                    i, low, high = unpack_hit(element(hits, hit))
                    base = element(members, first + i) * RECORD
                    store_alphas(records, base, left, upper, low, high, alphas)
                    _store_weights(strip, low, high, planes, alphas, weights, ratios, state)
                    _sum_gradients(
                        records,
                        base,
                        left,
                        upper,
                        strip,
                        low,
                        high,
                        channels,
                        absgrad,
                        alphas,
                        weights,
                        ratios,
                        state,
                        i * SLOT,
                        sums,
                    )
            if not alive:
                break
            for i in range(end - first):
                start = element(slots, first + i) * SLOT
                for k in range(0, SLOT, LANES):
                    store(slot_gradients, start + k, load(sums, i * SLOT + k))
            done = end
        for i in range(done, offsets[tile + 1]):
            clear(slot_gradients, element(slots, i) * SLOT, SLOT)
