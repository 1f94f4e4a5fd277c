"""Aligning a capture's matches on its photos."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ...features.keypoint_adjustment import refine_keypoints
from ...features.matcher import PhotoMatches
from ...io.photos import read_photo
from ...scene.capture import Capture


class GrayPhotos:
    """Reduced grey photos of a capture, decoded when they are asked for.

    Args:
        capture: the photos.
        size: longer side in pixels above which photos are scaled down.
        kept: photos held in memory; others are decoded again.
    """

    def __init__(self, capture: Capture, size: int, kept: int) -> None:
        self._capture = capture
        self._size = size
        self.read = lru_cache(kept)(self._decode)

    def scale(self, index: int) -> Float[np.ndarray, " 2"]:
        """Pixels of the photo as given in a pixel of the reduced one, along x and y."""
        photo = self._capture.photos[index]
        height, width = self.read(index).shape
        return np.array([photo.width / width, photo.height / height])

    def _decode(self, index: int) -> UInt8[np.ndarray, "H W"]:
        photo = self._capture.photos[index]
        pixels = read_photo(photo.path, max_size=self._size, bits=photo.bits)
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def refine_matches(
    keypoints: Sequence[Float[np.ndarray, "_ 2"]],
    matches: Sequence[PhotoMatches],
    photos: GrayPhotos,
    min_precise: int,
    min_confirmed: int,
) -> tuple[list[Float[np.ndarray, "_ 2"]], list[PhotoMatches], list[bool]]:
    """Aligned keypoints in pixels of the photos as given, the matches worth keeping, and for each
    pair whether only confirmed ones were kept.

    Where the photos confirm enough matches of a pair the others are dropped: they are several
    times less precise, and reconstruction would weigh them the same. Where they confirm almost
    none, what geometric verification found is a coincidence of repeated structure.

    Args:
        keypoints: for each photo, in pixels of the photo as given.
        matches: verified matches.
        photos: to align them on.
        min_precise: confirmed matches of a pair from which on it can do without the others.
        min_confirmed: fewest confirmed matches of a pair that is kept.
    """
    used = {i for first, second, pairs in matches if len(pairs) for i in (first, second)}
    scales = [photos.scale(i) if i in used else np.ones(2) for i in range(len(keypoints))]
    reduced = [xy / s for xy, s in zip(keypoints, scales, strict=True)]
    refined = refine_keypoints(reduced, matches, photos.read)
    counts = [int(precise.sum()) for precise in refined.precise]
    enough = [count >= min_precise for count in counts]
    kept = []
    for (first, second, pairs), precise, count in zip(
        matches, refined.precise, counts, strict=True
    ):
        if count >= min_precise:
            pairs = pairs[precise]
        elif count < min_confirmed:
            pairs = pairs[:0]
        kept.append((first, second, pairs))
    return [xy * s for xy, s in zip(refined.keypoints, scales, strict=True)], kept, enough
