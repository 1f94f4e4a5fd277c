"""Pictures that are no photographs: masks, labels, and single colours."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

FEW = 64
"""Most different colours of a picture that is a mask or a map of labels."""
_FLAT_SHARE = 0.6
"""Least share of a mask in which neighbouring pixels are the same."""
_FLAT_RANGE = 8
"""Largest difference of grey levels that counts as none: a JPEG's masks are not quite flat."""
_TEXTURE_SHARE = 0.01
"""Largest share of a mask that is neither flat nor an edge."""
_APART = 5 * _FLAT_RANGE
"""Least difference of a mask's grey levels that were saved as JPEG."""
_COVERED = 0.96
"""Least share of a mask's pixels that are near its few grey levels."""
_EXTREME, _MATTE_SHARE = 16, 0.7
"""Grey levels that count as black or white, and the least share of them in a soft mask."""
_BLANK = 1.0
"""Standard deviation of grey levels up to which a picture shows nothing."""


def is_blank(grey: UInt8[np.ndarray, "h w"]) -> bool:
    """Whether a small picture shows a single colour."""
    return float(grey.std()) <= _BLANK


def is_flat(grey: UInt8[np.ndarray, "h w"]) -> bool:
    """Whether a small picture consists of flat areas with thin edges between them.

    Masks do, but so may a photo of few things before a studio's background: what else speaks for a
    mask is asked next.
    """
    box = np.ones((3, 3), np.uint8)
    rough = cv2.subtract(cv2.dilate(grey, box), cv2.erode(grey, box)) > _FLAT_RANGE
    texture = cv2.erode(rough.astype(np.uint8), np.ones((5, 5), np.uint8))
    return bool(rough.mean() <= 1 - _FLAT_SHARE and texture.mean() <= _TEXTURE_SHARE)


def few_colours(pixels: UInt8[np.ndarray, "H W 3"]) -> int | None:
    """Number of colours of a whole picture where no photograph has so few, else None."""
    packed = _sampled(pixels).astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    count = len(np.unique(packed))
    return count if count <= FEW else None


def few_levels(pixels: UInt8[np.ndarray, "H W 3"]) -> int | None:
    """Number of grey levels, two or three and far apart, near which almost all pixels are.

    So it is in masks that were saved as JPEG, but also in some photos. None for other pictures.
    """
    grey = _sampled(pixels).mean(axis=2).round().astype(np.int64)
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    covered, levels = 0.0, []
    while len(levels) < 3:
        level = int(share.argmax())
        if any(abs(level - other) < _APART for other in levels):
            return None
        levels.append(level)
        around = slice(max(0, level - _FLAT_RANGE), level + _FLAT_RANGE + 1)
        covered += float(share[around].sum())
        share[around] = 0
        if covered >= _COVERED and len(levels) > 1:
            return len(levels)
    return None


def is_matte(pixels: UInt8[np.ndarray, "H W 3"]) -> bool:
    """Whether a picture is colourless and mostly black and white, as masks with soft edges are."""
    part = _sampled(pixels)
    colourless = (part.max(axis=2) - part.min(axis=2)).max() <= _FLAT_RANGE
    extreme = (part.max(axis=2) <= _EXTREME) | (part.min(axis=2) >= 255 - _EXTREME)
    return bool(colourless and extreme.mean() >= _MATTE_SHARE)


def _sampled(pixels: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Single pixels from all over, because an average would have colours that are not there."""
    return pixels[:: max(1, pixels.shape[0] // 500), :: max(1, pixels.shape[1] // 500)]
