"""Guided matching: with the geometry of two photos known, matches are looked for along it.

Descriptors that are ambiguous over a whole photo are not among the few keypoints near an epipolar
line, so that geometry found on few matches brings the others (Hartley & Zisserman 2004, 11.6).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ..render.cpu.compilation import kernel
from .magsac import RobustGeometry
from .matcher import Features


def guided_matches(
    first: Features,
    second: Features,
    geometry: RobustGeometry,
    *,
    max_error_px: float,
    min_cosine: float,
) -> Int[np.ndarray, "M 2"]:
    """Keypoints most alike, in both directions, among those that the geometry allows.

    Args:
        first, second: features with unit descriptors.
        geometry: of the two photos.
        max_error_px: distance from both epipolar lines or, under a homography, along either axis
            of the second photo, in pixels.
        min_cosine: of the descriptors of a match.
    """
    if geometry.kind == "homography":
        lines = _axes_through(_homogeneous(first) @ geometry.matrix.T)
        first_limit, second_limit = (np.full(len(f), max_error_px) for f in (first, second))
    else:
        there = _homogeneous(first) @ geometry.matrix.T
        back = _homogeneous(second) @ geometry.matrix
        first_limit, second_limit = (max_error_px * np.hypot(*x[:, :2].T) for x in (there, back))
        lines = np.stack([there, there], axis=1)
    return _mutual(first, second, lines, first_limit, second_limit, min_cosine)


def _axes_through(points: Float[np.ndarray, "K 3"]) -> Float[np.ndarray, "K 2 3"]:
    """The vertical and the horizontal line through each point."""
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = (points[:, :2] / points[:, 2:]).T
    one, zero = np.ones(len(points)), np.zeros(len(points))
    return np.stack([np.stack([one, zero, -x], axis=1), np.stack([zero, one, -y], axis=1)], axis=1)


def _homogeneous(features: Features) -> Float[np.ndarray, "K 3"]:
    xy = features.keypoints.astype(np.float64)
    return np.concatenate([xy, np.ones((len(xy), 1))], axis=1)


def _mutual(
    first: Features,
    second: Features,
    lines: Float[np.ndarray, "K 2 3"],
    first_limit: Float[np.ndarray, " K"],
    second_limit: Float[np.ndarray, " L"],
    min_cosine: float,
) -> Int[np.ndarray, "M 2"]:
    """Best pairs, in both directions, whose product with both lines is within both limits."""
    if not len(first) or not len(second):
        return np.zeros((0, 2), np.int64)
    there, back = _best(
        lines.astype(np.float32),
        np.ascontiguousarray(second.keypoints.T, np.float32),
        first_limit.astype(np.float32),
        second_limit.astype(np.float32),
        np.ascontiguousarray(first.descriptors, np.float32),
        np.ascontiguousarray(second.descriptors, np.float32),
        np.float32(min_cosine),
    )
    rows = np.flatnonzero(there >= 0)
    rows = rows[back[there[rows]] == rows]
    return np.stack([rows, there[rows]], axis=1).astype(np.int64)


@kernel
def _best(lines, xy, first_limit, second_limit, first, second, min_cosine):
    """The most alike row of `second` for each of `first` and the other way round; -1 without."""
    count, other = len(first), len(second)
    there, back = np.full(count, -1, np.int32), np.full(other, -1, np.int32)
    best = np.full(other, min_cosine, np.float32)
    off = np.empty(other, np.float32)
    for i in range(count):
        a, b, c = lines[i, 0]
        d, e, f = lines[i, 1]
        for j in range(other):
            one = abs(a * xy[0, j] + b * xy[1, j] + c)
            two = abs(d * xy[0, j] + e * xy[1, j] + f)
            off[j] = max(one, two) - min(first_limit[i], second_limit[j])
        most = min_cosine
        for j in range(other):
            if off[j] <= 0:
                alike = np.float32(0)
                for k in range(first.shape[1]):
                    alike += first[i, k] * second[j, k]
                if alike > most:
                    most, there[i] = alike, j
                if alike > best[j]:
                    best[j], back[j] = alike, i
    return there, back
