"""From projected Gaussians to depth-ordered lists of Gaussians per tile."""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function, kernel
from splatpose.render.cpu.layout import (
    E_BULGE,
    E_EXTENT,
    E_EXTENT2,
    E_SLOPE,
    E_TOP,
    E_X,
    E_Y,
    R_ELLIPSE,
    RECORD,
    TILE,
)
from splatpose.render.cpu.simd import fetch_add

_DIGIT = 8
_BUCKETS = 1 << _DIGIT
_HALF = np.float32(0.5)
_SLACK = np.float32(0.01)
_ZERO = np.float32(0.0)


@kernel
def reserve_slots(depths, boxes, slot_start):
    """Reserve slots for the tiles of each Gaussian: as many as its bounding box has.

    Args:
        depths, boxes: As of `Projected`.
        slot_start: [N + 1] out: first slot of each Gaussian.
    """
    slots = 0
    for i in range(len(depths)):
        slot_start[i] = slots
        if depths[i] != _ZERO:
            box = 4 * i
            slots += (boxes[box + 1] - boxes[box] + 1) * (boxes[box + 3] - boxes[box + 2] + 1)
    slot_start[len(depths)] = slots


@kernel
def find_tiles(first, last, projected, slots, histogram, tiles_x, width):
    """Tiles that the ellipses of Gaussians first to last - 1 touch, to `slots.tiles`.

    Args:
        slots: Start of each Gaussian in; out: how many it uses, and their tiles.
        histogram: [tiles] out: how many of these Gaussians touch each tile.
    """
    records, depths, boxes = projected
    slot_start, tile_count, slot_tile = slots
    for tile in range(len(histogram)):
        histogram[tile] = 0
    for g in range(first, last):
        tile_count[g] = 0
        if depths[g] == _ZERO:
            continue
        slot = slot_start[g]
        x0, x1, y0, y1 = boxes[4 * g], boxes[4 * g + 1], boxes[4 * g + 2], boxes[4 * g + 3]
        base = g * RECORD + R_ELLIPSE
        for tile_x in range(x0, x1 + 1):
            low, high = y0, y1
            if y1 > y0 and x1 > x0:
                x = records[base + E_X]
                extent, top = records[base + E_EXTENT], records[base + E_TOP]
                left = max(np.float32(tile_x * TILE) + _HALF - x, -extent)
                right = np.float32(min(tile_x * TILE + TILE, width)) - _HALF - x
                right = min(right, extent)
                # A tile may be one column wide, and its two ends be rounded apart.
                if left > right + _SLACK:
                    continue
                right = max(left, right)
                slope, bulge = records[base + E_SLOPE], records[base + E_BULGE]
                at = min(max(top, left), right)
                half = np.sqrt(max(records[base + E_EXTENT2] - at * at, _ZERO))
                bottom = records[base + E_Y] + slope * at + bulge * half + _SLACK
                at = min(max(-top, left), right)
                half = np.sqrt(max(records[base + E_EXTENT2] - at * at, _ZERO))
                upper = records[base + E_Y] + slope * at - bulge * half - _SLACK
                low = max(low, np.int64(np.floor(max(upper, _ZERO) - _HALF)) // TILE)
                high = min(high, np.int64(np.floor(max(bottom, _ZERO) - _HALF)) // TILE)
            for tile_y in range(low, high + 1):
                tile = tile_y * tiles_x + tile_x
                slot_tile[slot] = tile
                slot += 1
                histogram[tile] += 1
        tile_count[g] = slot - slot_start[g]


@kernel
def tile_offsets(histograms, offsets):
    """Turn counts into places: chunks of one tile follow each other, tiles too.

    Args:
        histograms: [chunks, tiles] counts in, first places out.
        offsets: [tiles + 1] out: where each tile's list starts.
    """
    chunks, tiles = histograms.shape
    start = 0
    for tile in range(tiles):
        offsets[tile] = start
        for chunk in range(chunks):
            count = histograms[chunk, tile]
            histograms[chunk, tile] = start
            start += count
    offsets[tiles] = start
    return start


@kernel
def fill_tiles(first, last, slots, places, tiles):
    """Append Gaussians first to last - 1 to the lists of their tiles.

    Args:
        places: [tiles] next place of each tile; advanced.
        tiles: out: members and slots.
    """
    for g in range(first, last):
        start = slots.start[g]
        for slot in range(start, start + slots.used[g]):
            tile = slots.tiles[slot]
            place = places[tile]
            tiles.members[place] = g
            tiles.slots[place] = slot
            places[tile] = place + 1


@kernel
def sort_tiles(counter, tiles, depth_bits):
    """Sort the lists of tiles by depth, nearest first, stably, until no tile is left.

    A list fits the cache, and depths within a tile differ in fewer bits than in the whole scene.

    Args:
        counter: [1] int64 shared between threads: tiles taken.
        tiles: in; out: members and slots, sorted.
        depth_bits: [N] depths as uint32 bit patterns.
    """
    offsets, members, slots = tiles
    longest = 0
    for tile in range(len(offsets) - 1):
        longest = max(longest, offsets[tile + 1] - offsets[tile])
    # Two sets of (key, member, slot); passes go from one to the other.
    entries = np.empty((2, 3, longest), np.uint32)
    places = np.empty(_BUCKETS, np.int64)
    while True:
        tile = fetch_add(counter, 1)
        if tile >= len(offsets) - 1:
            return
        start, size = offsets[tile], offsets[tile + 1] - offsets[tile]
        if size < 2:
            continue
        lowest, highest = np.uint32(0xFFFFFFFF), np.uint32(0)
        for i in range(size):
            key = depth_bits[members[start + i]]
            entries[0, 0, i] = key
            entries[0, 1, i] = members[start + i]
            entries[0, 2, i] = slots[start + i]
            lowest, highest = min(lowest, key), max(highest, key)
        source, shift = 0, 0
        while (highest - lowest) >> np.uint32(shift) > 0:
            _sort_pass(entries[source], entries[1 - source], size, lowest, shift, places)
            source, shift = 1 - source, shift + _DIGIT
        for i in range(size):
            members[start + i] = entries[source, 1, i]
            slots[start + i] = entries[source, 2, i]


@device_function
def _sort_pass(source, target, size, lowest, shift, places):
    """One pass of a radix sort, by the digit of key - lowest at `shift`."""
    places[:] = 0
    for i in range(size):
        places[((source[0, i] - lowest) >> np.uint32(shift)) & np.uint32(_BUCKETS - 1)] += 1
    first = 0
    for bucket in range(_BUCKETS):
        count = places[bucket]
        places[bucket] = first
        first += count
    for i in range(size):
        bucket = ((source[0, i] - lowest) >> np.uint32(shift)) & np.uint32(_BUCKETS - 1)
        place = places[bucket]
        for k in range(3):
            target[k, place] = source[k, i]
        places[bucket] = place + 1
