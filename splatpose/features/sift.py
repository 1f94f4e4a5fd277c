"""SIFT features (OpenCV's, on the CPU) with mutual nearest neighbours and the ratio test."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from .matcher import Features

_MIN_CONTRAST = 0.02
"""Least contrast of a keypoint, summed over the layers of an octave (COLMAP's)."""
MAX_RATIO = 0.8
"""Largest distance to the best match over the distance to the second best (Lowe 2004)."""
MAX_DISTANCE = 0.7
"""Largest distance between unit descriptors of a match (COLMAP's default)."""

_BLOCK = 256
"""Rows of the matrix of all similarities that are looked at together."""


class SiftMatcher:
    """Needs no weights and no GPU.

    Args:
        max_keypoints: keypoints kept a photo, the largest in scale first as COLMAP does.
        working_size: longer side in pixels above which photos are scaled down.
    """

    name = "sift"
    descriptors = None
    pairs_at_once = 1

    def __init__(self, *, max_keypoints: int, working_size: int) -> None:
        self.max_keypoints = max_keypoints
        self.working_size = working_size

    def extract(self, photo: UInt8[np.ndarray, "H W 3"]) -> Features:
        height, width = photo.shape[:2]
        scale = min(1.0, self.working_size / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA) if scale < 1 else photo
        gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        # Without precise upscaling every keypoint is a quarter of a pixel off.
        sift = cv2.SIFT.create(contrastThreshold=_MIN_CONTRAST, enable_precise_upscale=True)
        found = sift.detect(gray, None)
        order = np.argsort([-k.size for k in found], kind="stable")[: self.max_keypoints]
        found, descriptors = sift.compute(gray, [found[k] for k in order])
        keypoints = np.array([k.pt for k in found], np.float32).reshape(-1, 2) + 0.5
        to_photo = np.array([width / size[0], height / size[1]], np.float32)
        return Features(keypoints * to_photo, _root(descriptors), width, height)

    def match(self, first: Features, second: Features) -> Int[np.ndarray, "M 2"]:
        if min(len(first), len(second)) == 0:
            return np.zeros((0, 2), np.int64)
        a, b = self.similarity(first.descriptors), self.similarity(second.descriptors)
        forth = _nearest(a, b)
        index = np.flatnonzero(forth >= 0)
        # The way back is asked only where there is a way forth, and multiplied anew: walking
        # along the columns of the first product takes longer.
        back = _nearest(b[forth[index]], a)
        index = index[back == index]
        return np.stack([index, forth[index]], 1).astype(np.int64)

    def match_pairs(
        self, pairs: Sequence[tuple[Features, Features]]
    ) -> list[Int[np.ndarray, "_ 2"]]:
        return [self.match(first, second) for first, second in pairs]

    def similarity(self, descriptors: Shaped[np.ndarray, "K D"]) -> Float[np.ndarray, "K D"]:
        values = descriptors.astype(np.float32)
        return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def _root(descriptors: Float[np.ndarray, "K 128"] | None) -> UInt8[np.ndarray, "K 128"]:
    """Square roots of the histograms (RootSIFT; Arandjelovic and Zisserman, CVPR 2012), in bytes as
    COLMAP keeps them."""
    if descriptors is None:
        return np.zeros((0, 128), np.uint8)
    shares = descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6)
    return np.minimum(np.round(512 * np.sqrt(shares)), 255).astype(np.uint8)


def _nearest(
    first: Float[np.ndarray, "K D"], second: Float[np.ndarray, "L D"]
) -> Int[np.ndarray, " K"]:
    """For each row the row of `second` that is distinctly nearest, or -1."""
    # In blocks that stay in the processor's cache.
    starts = range(0, len(first), _BLOCK)
    found = [_best_by_ratio(first[start:][:_BLOCK] @ second.T) for start in starts]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _best_by_ratio(similarity: Float[np.ndarray, "K L"]) -> Int[np.ndarray, " K"]:
    """For each row the column of its nearest neighbour, or -1 where that is not distinct.

    The nearest are struck out of `similarity`: a copy of it would take longer than all else.
    """
    best = similarity.argmax(1)
    rows = np.arange(len(similarity))
    highest = similarity[rows, best]
    if similarity.shape[1] > 1:
        similarity[rows, best] = -1
        second = similarity.max(1)
    else:
        second = np.full_like(highest, -1)
    near, far = (np.sqrt(np.maximum(2 - 2 * s, 0)) for s in (highest, second))
    return np.where((near <= MAX_DISTANCE) & (near < MAX_RATIO * far), best, -1)
