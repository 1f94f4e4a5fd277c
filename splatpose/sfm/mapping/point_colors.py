"""Colours of sparse points, from the photos that see them."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from ...io.photos import UnreadablePhoto, read_photo
from ...scene.capture import Capture
from ...scene.sparse_model import SparseModel

_READ_SIZE = 1024


def point_colors(model: SparseModel, capture: Capture) -> UInt8[np.ndarray, "T 3"]:
    """Mean colour of each point over the photos that observe it (nearest pixel).

    A photo that is gone since it was matched has no part in it.
    """
    total = np.zeros((len(model.points), 3))
    count = np.zeros(len(model.points))
    for index, photo in enumerate(capture.photos):
        own = model.observations[:, 1] == index
        if not own.any():
            continue
        try:
            pixels = read_photo(photo.path, max_size=_READ_SIZE, bits=photo.bits)
        except UnreadablePhoto:
            continue
        height, width = pixels.shape[:2]
        scale = np.array([width / photo.width, height / photo.height])
        xy = np.floor(model.observation_xy[own] * scale).astype(int)
        x, y = np.clip(xy, 0, (width - 1, height - 1)).T
        track = model.observations[own, 0]
        np.add.at(total, track, pixels[y, x].astype(float))
        np.add.at(count, track, 1)
    return np.round(total / np.maximum(count, 1)[:, None]).astype(np.uint8)
