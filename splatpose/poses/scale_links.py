"""Scales of parts that no keypoint joins, from what is known of the depths in one photo.

Two pairs of a photo without a common keypoint leave their baselines' ratio open: each could be of
any size. But what lies close together in a photo is mostly about equally far, and a depth map,
where there is one, says more. Such links are weak, and count only between parts that keypoints
leave apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from .pair_depths import PairDepths, Ratios

_NEAR = 50.0
"""Pixels at `PIXEL_AT` within which two keypoints are neighbours."""
_MIN_NEAR = 6
_INDEPENDENT = 4.0
"""Neighbours lie on few surfaces: no more of them count as independent."""
_NEAR_SIGMA, _SAME_PHOTO_SIGMA = 0.3, 0.7
"""Of the logarithm of the ratio of two depths: of neighbours at least, and anywhere in a photo."""


@dataclass(frozen=True)
class Part:
    """What one photo sees of the pairs that keypoints join with each other."""

    photo: int
    edge: int
    """One of its pairs, to tell its scale by."""
    xy: Float[np.ndarray, "N 2"]
    """Pixels at `PIXEL_AT`."""
    log_depth: Float[np.ndarray, " N"]
    """In the unit in which that pair's baseline has its length."""


def join_parts(depths: PairDepths, ratios: Ratios, log_length: Float[np.ndarray, " E"]) -> Ratios:
    """Ratios of baselines in photos that see several parts.

    Args:
        ratios: those from common keypoints.
        log_length: lengths that follow from them, right within each part.
    """
    found: list[tuple[int, int, float, float]] = []
    for parts in _photos_of_several_parts(depths, ratios, log_length):
        for n, a in enumerate(parts):
            for b in parts[n + 1 :]:
                difference, sigma = compare_parts(a, b)
                own = log_length[b.edge] - log_length[a.edge]
                found.append((a.edge, b.edge, own + difference, sigma))
    edges = np.array([row[:2] for row in found], np.int64).reshape(-1, 2)
    values = np.array([row[2:] for row in found], np.float64).reshape(-1, 2)
    return Ratios(edges, values[:, 0], values[:, 1])


def _photos_of_several_parts(
    depths: PairDepths, ratios: Ratios, log_length: Float[np.ndarray, " E"]
) -> Iterator[list[Part]]:
    count = len(log_length)
    a, b = ratios.edges.T
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(count, count))
    label = connected_components(graph, directed=False)[1][depths.edge]
    for photo in np.unique(depths.photo):
        own = np.flatnonzero(depths.photo == photo)
        labels = np.unique(label[own])
        if len(labels) > 1:
            yield [_part(depths, own[label[own] == name], log_length) for name in labels]


def _part(
    depths: PairDepths, rows: Int[np.ndarray, " D"], log_length: Float[np.ndarray, " E"]
) -> Part:
    """The median of what the pairs say of each keypoint."""
    edge = depths.edge[rows]
    value = depths.log_depth[rows] + log_length[edge]
    order = np.lexsort((value, depths.point[rows]))
    point = depths.point[rows][order]
    first = np.flatnonzero(np.r_[True, point[1:] != point[:-1]])
    middle = first + np.diff(np.r_[first, len(point)]) // 2
    names, counts = np.unique(edge, return_counts=True)
    return Part(
        photo=int(depths.photo[rows[0]]),
        edge=int(names[counts.argmax()]),
        xy=depths.xy[rows][order][middle],
        log_depth=value[order][middle],
    )


def compare_parts(a: Part, b: Part) -> tuple[float, float]:
    """Logarithm of the scale of the second part over that of the first, and its deviation."""
    distance, nearest = KDTree(a.xy).query(b.xy)
    near = np.asarray(distance) <= _NEAR
    if near.sum() < _MIN_NEAR:
        return float(np.median(a.log_depth) - np.median(b.log_depth)), _SAME_PHOTO_SIGMA
    difference = a.log_depth[np.asarray(nearest)[near]] - b.log_depth[near]
    median = float(np.median(difference))
    spread = 1.4826 * float(np.median(np.abs(difference - median)))
    count = min(float(near.sum()) / _MIN_NEAR, _INDEPENDENT)
    return median, max(_NEAR_SIGMA, spread) / np.sqrt(count)
