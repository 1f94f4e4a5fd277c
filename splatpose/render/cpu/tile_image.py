"""Between images, pixel after pixel, and the state of a tile, a plane a channel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.layout import PAIR, STRIP_PAIRS, TILE
from splatpose.render.cpu.simd import (
    GROUP,
    LANES,
    absolute,
    broadcast,
    copy_row,
    element,
    load,
    load_rows,
    maximum,
    select,
    store,
    store_rows,
)

STRIP_VECTORS = STRIP_PAIRS * PAIR
# A vector's pixels lie one after the other in a buffer; rows are moved in eights and so pass the
# end by up to seven numbers.
_SLACK = GROUP


class StripPixels(NamedTuple):
    """Memory for a strip of an image, pixel after pixel. Finite, also beyond the image."""

    image: np.ndarray
    light: np.ndarray
    """Transmittance of one channel, or what belongs to it."""


@device_function
def new_strip_pixels(channels):
    size = STRIP_VECTORS * LANES
    return StripPixels(
        np.zeros(size * channels + _SLACK, np.float32), np.zeros(size + _SLACK, np.float32)
    )


@device_function
def _copy_strip(image, buffer, channels, x, tile_y, width, height, to_image):
    """Copy the part of a strip that is inside the image, row after row of eight pixels."""
    size = min(8, width - x) * channels
    place = 0
    for y in range(tile_y, min(tile_y + TILE, height)):
        pixel = (y * width + x) * channels
        if size == 8 * channels:
            for k in range(0, 8 * channels, GROUP):
                if to_image:
                    copy_row(image, pixel + k, buffer, place + k)
                else:
                    copy_row(buffer, place + k, image, pixel + k)
        else:
            for k in range(size):
                if to_image:
                    image[pixel + k] = buffer[place + k]
                else:
                    buffer[place + k] = image[pixel + k]
        place += 8 * channels


@device_function
def write_strip(channels, state, background, picture, strip, tile_x, tile_y, pixels):
    """Write the image and the light that is left from the state of the forward pass.

    Args: tile_x, tile_y: Pixel of the tile's corner. pixels: scratch.
    """
    expected_depth, buffer, lights = picture.expected_depth, pixels.image, pixels.light
    planes = channels + 1
    zero = broadcast(0.0)
    for vector in range(STRIP_VECTORS):
        place = (strip * STRIP_VECTORS + vector) * planes * LANES
        left = absolute(load(state, place))
        store(lights, vector * LANES, left)
        scale = broadcast(1.0)
        if expected_depth:
            scale = 1.0 / maximum(1.0 - left, 1e-10)
        v0, v1, v2, v3 = zero, zero, zero, zero
        v0 = load(state, place + LANES) + left * element(background, 0)
        if channels == 1:
            v0 = v0 * scale
        if channels > 1:
            v1 = load(state, place + 2 * LANES) + left * element(background, 1)
        if channels == 2:
            v1 = v1 * scale
        if channels > 2:
            v2 = load(state, place + 3 * LANES) + left * element(background, 2)
        if channels == 3:
            v2 = v2 * scale
        if channels > 3:
            v3 = (load(state, place + 4 * LANES) + left * element(background, 3)) * scale
        group = (v0, v1, v2, v3, zero, zero, zero, zero)
        store_rows(buffer, vector * LANES * channels, channels, group)
    x, width, height = tile_x + strip * 8, picture.width, picture.height
    _copy_strip(picture.image, buffer, channels, x, tile_y, width, height, True)
    _copy_strip(picture.transmittance, lights, 1, x, tile_y, width, height, True)


@device_function
def read_strip(channels, state, picture, gradients, strip, tile_x, tile_y, pixels, pulls):
    """Fill the state of the backward pass but for the transmittance.

    State is: transmittance, gradient along what is behind, gradient per channel. Of pixels outside
    of the image it holds anything finite.

    Args:
        gradients: w.r.t. the picture.
        tile_x, tile_y: Pixel of the tile's corner.
        pixels, pulls: scratch.
    """
    x, width, height = tile_x + strip * 8, picture.width, picture.height
    expected_depth, lights = picture.expected_depth, pixels.light
    _copy_strip(picture.image, pixels.image, channels, x, tile_y, width, height, False)
    _copy_strip(gradients.image, pulls.image, channels, x, tile_y, width, height, False)
    _copy_strip(picture.transmittance, lights, 1, x, tile_y, width, height, False)
    _copy_strip(gradients.alpha, pulls.light, 1, x, tile_y, width, height, False)
    planes = channels + 2
    zero = broadcast(0.0)
    for vector in range(STRIP_VECTORS):
        start = vector * LANES * channels
        values = load_rows(pixels.image, 0, LANES, channels, start)
        pull = load_rows(pulls.image, 0, LANES, channels, start)
        left = load(lights, vector * LANES)
        opaque = load(pulls.light, vector * LANES)
        place = (strip * STRIP_VECTORS + vector) * planes * LANES
        along = pull[0] * values[0]
        if channels > 1:
            along = along + pull[1] * values[1]
        if channels > 2:
            along = along + pull[2] * values[2]
        if channels > 3:
            along = along + pull[3] * values[3]
        last, value = pull[channels - 1], values[channels - 1]
        if expected_depth:
            last = last / maximum(1.0 - left, 1e-10)
            opaque = opaque - select(left < 1.0, last * value, zero)
        store(state, place + LANES, along - left * opaque)
        store(state, place + 2 * LANES, pull[0])
        if channels > 1:
            store(state, place + 3 * LANES, pull[1])
        if channels > 2:
            store(state, place + 4 * LANES, pull[2])
        if channels > 3:
            store(state, place + 5 * LANES, pull[3])
        store(state, place + (channels + 1) * LANES, last)
