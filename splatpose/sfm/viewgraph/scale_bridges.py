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
from scipy.spatial import KDTree

from ...depth.map_fit import MapSamples, fit_map, fitted_depth
from ...geometry.graphs import component_labels
from ...geometry.groups import groups_of
from ...geometry.robust import sigma_by_median
from ...scene.depth_maps import DepthKind
from ..thresholds import VIEW_GRAPH
from .baseline_scales import PairDepths, Ratios

_INDEPENDENT = 4.0
"""Neighbours lie on few surfaces: no more of them count as independent."""
_NEAR_SIGMA, _SAME_PHOTO_SIGMA = 0.3, 0.7
"""Sigma of the logarithm of two depths' ratio: of neighbours at least, anywhere in a photo."""
_MAP_SIGMA = 0.25
"""Standard deviation of the ratio of two parts' depths by a map that follows one of them: networks
bend whole regions of a photo, which no number of points averages out."""


@dataclass(frozen=True)
class Part:
    """What one photo sees of the pairs that keypoints join with each other."""

    photo: int
    edge: int
    """One of its pairs, to tell its scale by."""
    xy: Float[np.ndarray, "N 2"]
    """Pixels at `REFERENCE_SIDE`."""
    log_depth: Float[np.ndarray, " N"]
    """In the unit in which that pair's baseline has its length."""
    value: Float[np.ndarray, " N"]
    """Values of the photo's prior map, NaN where it says nothing."""

    @property
    def samples(self) -> MapSamples:
        """Values of the map where it says something, and the depths there."""
        valid = np.isfinite(self.value)
        return self.value[valid], np.exp(self.log_depth[valid])


def bridge_components(
    depths: PairDepths, ratios: Ratios, log_length: Float[np.ndarray, " E"]
) -> Ratios:
    """Ratios of baselines in photos that see several parts.

    Args:
        ratios: those from common keypoints.
        log_length: lengths that follow from them, right within each part.
    """
    found: list[tuple[int, int, float, float]] = []
    for parts in _photos_of_parts(depths, ratios, log_length):
        for n, a in enumerate(parts):
            for b in parts[n + 1 :]:
                difference, sigma = relative_scale(a, b, None)
                own = log_length[b.edge] - log_length[a.edge]
                found.append((a.edge, b.edge, own + difference, sigma))
    edges = np.array([row[:2] for row in found], np.int64).reshape(-1, 2)
    values = np.array([row[2:] for row in found], np.float64).reshape(-1, 2)
    return Ratios(edges, values[:, 0], values[:, 1])


def _photos_of_parts(
    depths: PairDepths, ratios: Ratios, log_length: Float[np.ndarray, " E"]
) -> Iterator[list[Part]]:
    """Parts that one photo sees, where there are several."""
    label = component_labels(ratios.edges, len(log_length))[depths.edge]
    for own in groups_of(depths.photo):
        names = np.unique(label[own])
        if len(names) > 1:
            yield [_part(depths, own[label[own] == name], log_length) for name in names]


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
        value=np.full(len(middle), np.nan),
    )


def relative_scale(a: Part, b: Part, kind: DepthKind | None) -> tuple[float, float]:
    """Logarithm of the scale of the second part over that of the first, and its deviation.

    Args:
        kind: of the prior maps, None where there are none.
    """
    found = []
    if kind is not None:
        turned = _size(b) > _size(a)
        by_map = _by_map(b, a, kind) if turned else _by_map(a, b, kind)
        if by_map is not None:
            found.append(((-1.0 if turned else 1.0) * by_map[0], by_map[1]))
    distance, nearest = KDTree(a.xy).query(b.xy)
    near = np.asarray(distance) <= VIEW_GRAPH.near_px
    if near.sum() >= VIEW_GRAPH.min_near:
        difference = a.log_depth[np.asarray(nearest)[near]] - b.log_depth[near]
        found.append(_median(difference, _NEAR_SIGMA))
    if not found:
        return float(np.median(a.log_depth) - np.median(b.log_depth)), _SAME_PHOTO_SIGMA
    value, sigma = np.array(found).T
    weight = 1 / sigma**2
    return float(weight @ value / weight.sum()), float(1 / np.sqrt(weight.sum()))


def _by_map(a: Part, b: Part, kind: DepthKind) -> tuple[float, float] | None:
    """The same from the map, whose scale and shift the first part gives; None if it does not
    follow the depths of that part."""
    fit = fit_map(*a.samples, kind)
    depth = fitted_depth(b.value, fit, kind)
    known = np.isfinite(depth)
    if known.sum() < VIEW_GRAPH.min_near:
        return None
    median, sigma = _median(np.log(depth[known]) - b.log_depth[known], 0.0)
    return median, float(np.hypot(sigma, _MAP_SIGMA))


def _median(difference: Float[np.ndarray, " N"], least: float) -> tuple[float, float]:
    """Median and its deviation, where neighbours are not independent."""
    median = float(np.median(difference))
    spread = sigma_by_median(difference - median)
    count = min(len(difference) / VIEW_GRAPH.min_near, _INDEPENDENT)
    return median, max(least, spread) / float(np.sqrt(count))


def _size(part: Part) -> int:
    return int(np.isfinite(part.value).sum())
