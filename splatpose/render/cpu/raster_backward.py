"""Gradients of the blended image with respect to each Gaussian's projection, front to back.

Transmittance and weights are computed again. What lies behind a Gaussian is the whole minus the
prefix, so nothing per pixel is kept from the forward pass but image and transmittance. Each (tile,
Gaussian) pair owns a slot that one thread writes: no atomics, and sums in a fixed order.
"""

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
    MOMENTS,
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
from splatpose.render.cpu.raster_forward import pixel_place, start_transmittance
from splatpose.render.cpu.simd import (
    LANES,
    absolute,
    accumulate,
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
    total,
)


def slot_size(channels: int, absgrad: bool) -> int:
    """Floats a slot takes: moments, colour gradients, sums of absolute position gradients."""
    return MOMENTS + channels + (2 if absgrad else 0)


@device_function
def _strip_gradient(records, base, left, upper, strip, low, high, channels, absgrad, state, sums):
    """Add one Gaussian's gradients from rows low to high of one strip to `sums`."""
    dx = column_index() + (left - element(records, base + R_X))
    dy = row_index() + (upper + np.float32(low // ROWS * ROWS) - element(records, base + R_Y))
    power = fma(dx * element(records, base + R_XX), dx, element(records, base + R_POWER))
    slope = dx * element(records, base + R_XY)
    curve = broadcast(element(records, base + R_YY))
    cross = broadcast(element(records, base + R_XY))
    pull = dx * element(records, base + R_XX) * 2.0
    c0 = broadcast(element(records, base + R_CHANNEL))
    c1 = broadcast(element(records, base + R_CHANNEL + 1))
    c2 = broadcast(element(records, base + R_CHANNEL + 2))
    c3 = broadcast(element(records, base + R_CHANNEL + 3))
    zero = broadcast(0.0)
    m, my, myy, ax, ay = zero, zero, zero, zero, zero
    g0, g1, g2, g3 = zero, zero, zero, zero
    place = strip * STRIP_PIXELS + low // ROWS * LANES
    for _row in range(low // ROWS, high // ROWS + 1):
        before = load(state, place)
        raw = footprint(fma(dy, fma(dy, curve, slope), power))
        alpha = select(raw >= ALPHA_THRESHOLD, minimum(raw, MAX_ALPHA), zero)
        weight = alpha * before
        after = before - weight
        live = after > MIN_TRANSMITTANCE
        weight = select(live, weight, zero)
        store(state, place, select(live, after, -absolute(before)))
        # What the pixel's gradient is along this Gaussian's channels.
        at = place + 2 * TILE_PIXELS
        v = load(state, at)
        along = v * c0
        g0 = fma(weight, v, g0)
        if channels > 1:
            v = load(state, at + TILE_PIXELS)
            along = fma(v, c1, along)
            g1 = fma(weight, v, g1)
        if channels > 2:
            v = load(state, at + 2 * TILE_PIXELS)
            along = fma(v, c2, along)
            g2 = fma(weight, v, g2)
        if channels > 3:
            v = load(state, at + 3 * TILE_PIXELS)
            along = fma(v, c3, along)
            g3 = fma(weight, v, g3)
        own = weight * along
        behind = load(state, place + TILE_PIXELS) - own
        store(state, place + TILE_PIXELS, behind)
        # d/d log alpha; a clamped alpha does not move.
        g = own - behind * (alpha / (1.0 - alpha))
        g = select(live & (raw <= MAX_ALPHA), g, zero)
        gy = g * dy
        m = m + g
        my = my + gy
        myy = fma(gy, dy, myy)
        if absgrad:
            ax = ax + absolute(g * fma(cross, dy, pull))
            ay = ay + absolute(g * fma(curve * 2.0, dy, slope))
        place += LANES
        dy = dy + np.float32(ROWS)
    mx = m * dx
    accumulate(sums, 0 * LANES, m)
    accumulate(sums, 1 * LANES, mx)
    accumulate(sums, 2 * LANES, my)
    accumulate(sums, 3 * LANES, mx * dx)
    accumulate(sums, 4 * LANES, my * dx)
    accumulate(sums, 5 * LANES, myy)
    accumulate(sums, MOMENTS * LANES, g0)
    if channels > 1:
        accumulate(sums, (MOMENTS + 1) * LANES, g1)
    if channels > 2:
        accumulate(sums, (MOMENTS + 2) * LANES, g2)
    if channels > 3:
        accumulate(sums, (MOMENTS + 3) * LANES, g3)
    if absgrad:
        accumulate(sums, (MOMENTS + channels) * LANES, ax)
        accumulate(sums, (MOMENTS + channels + 1) * LANES, ay)


@device_function
def _read_tile(
    channels,
    state,
    expected_depth,
    image,
    transmittance,
    image_gradient,
    alpha_gradient,
    tile_x,
    tile_y,
    width,
    height,
):
    """Per pixel: gradient per channel, and the gradient along all that is blended."""
    for y in range(min(TILE, height - tile_y)):
        for x in range(min(TILE, width - tile_x)):
            place = pixel_place(x, y)
            pixel = (tile_y + y) * width + tile_x + x
            left = transmittance[pixel]
            alpha = max(np.float32(1.0) - left, np.float32(1e-10))
            opaque = alpha_gradient[pixel]
            along = np.float32(0.0)
            for c in range(channels):
                v = image_gradient[pixel * channels + c]
                value = image[pixel * channels + c]
                along += v * value
                if c == channels - 1 and expected_depth:
                    v = v / alpha
                    opaque -= v * value if left < np.float32(1.0) else np.float32(0.0)
                state[place + (c + 2) * TILE_PIXELS] = v
            state[place + TILE_PIXELS] = along - left * opaque


@kernel
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
        slot_gradients: [slots * slot_size] out, those that an entry has.
    """
    channels, absgrad = len(channel_tag), len(absgrad_tag) > 0
    size = MOMENTS + channels + 2 * len(absgrad_tag)
    tiles_x = (width + TILE - 1) // TILE
    # Transmittance, gradient along what is behind, gradient per channel.
    state = np.empty((channels + 2) * TILE_PIXELS, np.float32)
    sums = np.empty(size * LANES, np.float32)
    live = np.empty(2 * STRIPS, np.int32)
    rows = np.empty(2 * STRIPS * BATCH + LANES, np.int32)
    while True:
        tile = fetch_add(counter, 1)
        if tile >= len(offsets) - 1:
            return
        tile_x, tile_y = tile % tiles_x * TILE, tile // tiles_x * TILE
        clear(state, 0, len(state))
        start_transmittance(state, width - tile_x, height - tile_y)
        _read_tile(
            channels,
            state,
            expected_depth,
            image,
            transmittance,
            image_gradient,
            alpha_gradient,
            tile_x,
            tile_y,
            width,
            height,
        )
        start_live_rows(live, tile_y, height)
        # Not a constant, or the compiler would repeat the loops' bodies four times.
        strips = min(STRIPS, (width - tile_x + 7) // 8)
        upper = np.float32(tile_y) + np.float32(0.5)
        done = offsets[tile]
        for first in range(offsets[tile], offsets[tile + 1], BATCH):
            if not refresh_live_rows(state, strips, live):
                break
            end = min(first + BATCH, offsets[tile + 1])
            store_row_intervals(
                first, end, members, records, tile_x, tile_y, width, strips, live, rows
            )
            for i in range(end - first):
                base = element(members, first + i) * RECORD
                clear(sums, 0, size * LANES)
                touched = False
                for strip in range(strips):
                    low = element(rows, 2 * strip * BATCH + i)
                    high = element(rows, (2 * strip + 1) * BATCH + i)
                    if low <= high:
                        left = np.float32(tile_x + strip * 8) + np.float32(0.5)
                        _strip_gradient(
                            records,
                            base,
                            left,
                            upper,
                            strip,
                            low,
                            high,
                            channels,
                            absgrad,
                            state,
                            sums,
                        )
                        touched = True
                start = element(slots, first + i) * size
                if touched:
                    for k in range(size):
                        slot_gradients[start + k] = total(load(sums, k * LANES))
                else:
                    clear(slot_gradients, start, size)
            done = end
        for i in range(done, offsets[tile + 1]):
            clear(slot_gradients, element(slots, i) * size, size)
