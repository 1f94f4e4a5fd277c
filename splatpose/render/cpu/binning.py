"""From projected Gaussians to depth-ordered lists of Gaussians per tile."""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import kernel
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

_DIGIT = 11
_BUCKETS = 1 << _DIGIT
_HALF = np.float32(0.5)
_SLACK = np.float32(0.01)
_ZERO = np.float32(0.0)


@kernel
def sort_by_depth(depth_bits, boxes, order, keys, spare_order, spare_keys, slot_start):
    """Sort visible Gaussians by depth, stably, and reserve slots for the tiles of each.

    Args:
        depth_bits: [N] depths of visible Gaussians as uint32 bit patterns, 0 if not visible.
        boxes: [N * 4] bounding box in tiles: first and last column, first and last row.
        order: [N] out: indices of visible Gaussians, nearest first.
        keys, spare_order, spare_keys: [N] scratch.
        slot_start: [N + 1] out: first slot of each Gaussian; as many slots as its box has tiles.

    Returns: the number of visible Gaussians.
    """
    visible = 0
    slots = 0
    histogram = np.zeros(3 * _BUCKETS, np.int64)
    for i in range(len(depth_bits)):
        slot_start[i] = slots
        key = depth_bits[i]
        if key != 0:
            spare_order[visible] = i
            spare_keys[visible] = key
            visible += 1
            box = 4 * i
            slots += (boxes[box + 1] - boxes[box] + 1) * (boxes[box + 3] - boxes[box + 2] + 1)
            for digit in range(3):
                histogram[digit * _BUCKETS + ((key >> (digit * _DIGIT)) & (_BUCKETS - 1))] += 1
    slot_start[len(depth_bits)] = slots
    for digit in range(3):
        start = 0
        for bucket in range(digit * _BUCKETS, (digit + 1) * _BUCKETS):
            count = histogram[bucket]
            histogram[bucket] = start
            start += count
        # Three digits: the first and the last pass write to `order`.
        source, source_keys, target, target_keys = spare_order, spare_keys, order, keys
        if digit == 1:
            source, source_keys, target, target_keys = order, keys, spare_order, spare_keys
        for i in range(visible):
            key = source_keys[i]
            bucket = digit * _BUCKETS + ((key >> (digit * _DIGIT)) & (_BUCKETS - 1))
            place = histogram[bucket]
            target_keys[place] = key
            target[place] = source[i]
            histogram[bucket] = place + 1
    return visible


@kernel
def find_tiles(
    first, last, order, records, boxes, slot_start, slot_tile, tile_count, histogram, tiles_x, width
):
    """Tiles that the ellipses of order[first:last] touch.

    Args:
        slot_tile: [slots] out: tiles of each Gaussian, from its slot_start on.
        tile_count: [N] out: how many.
        histogram: [tiles] out: how many of these Gaussians touch each tile.
    """
    for tile in range(len(histogram)):
        histogram[tile] = 0
    for j in range(first, last):
        g = order[j]
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
                if left > right:
                    continue
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
def fill_tiles(first, last, order, slot_start, slot_tile, tile_count, places, members, slots):
    """Append order[first:last] to the lists of their tiles.

    Args:
        places: [tiles] next place of each tile; advanced.
        members, slots: [entries] out: Gaussian of each entry and the slot of its gradients.
    """
    for j in range(first, last):
        g = order[j]
        start = slot_start[g]
        for slot in range(start, start + tile_count[g]):
            tile = slot_tile[slot]
            place = places[tile]
            members[place] = g
            slots[place] = slot
            places[tile] = place + 1
