"""Depths of keypoints by single pairs, and what they say of the baselines' ratios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import essential_matrix, sampson_distance, two_view_depths
from ...geometry.groups import groups_of
from ...geometry.robust import SIGMA_OF_MEDIAN, median_of_few
from ...scene.camera import Camera
from ..correspondences import REFERENCE_SIDE, MatchTable, calibrated_matches, focal_ratios
from ..thresholds import VIEW_GRAPH
from ..twoview.all_pairs import RelativePoses

_NEIGHBOURS = 10


@dataclass(frozen=True)
class PairDepths:
    """Depths of keypoints by single pairs, each pair's baseline being the unit."""

    edge: Int[np.ndarray, " D"]
    point: Int[np.ndarray, " D"]
    """Number of a keypoint, unique over all photos: the same in all pairs of its photo."""
    photo: Int[np.ndarray, " D"]
    xy: Float[np.ndarray, "D 2"]
    """Place of the keypoint, in pixels at `REFERENCE_SIDE`."""
    log_depth: Float[np.ndarray, " D"]


@dataclass(frozen=True)
class Ratios:
    """Baselines of two edges compared by the keypoints both see in one photo."""

    edges: Int[np.ndarray, "Q 2"]
    log_ratio: Float[np.ndarray, " Q"]
    """log length of the second edge minus that of the first."""
    sigma: Float[np.ndarray, " Q"]

    def __add__(self, other: Ratios) -> Ratios:
        return Ratios(
            np.concatenate([self.edges, other.edges]),
            np.concatenate([self.log_ratio, other.log_ratio]),
            np.concatenate([self.sigma, other.sigma]),
        )


def pair_depths(
    edges: RelativePoses,
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
) -> PairDepths:
    """Depths of matches that have parallax and fit their pair."""
    edge_of = np.full(len(table.pairs), -1)
    edge_of[edges.row] = np.arange(len(edges))
    rows = np.flatnonzero(edge_of[table.pair] >= 0)
    e = edge_of[table.pair[rows]]
    x = calibrated_matches(table, rows, cameras, camera_index)
    focal = REFERENCE_SIDE * focal_ratios(cameras)[camera_index[edges.pairs]].mean(1)
    limit = (VIEW_GRAPH.depth_sigmas * edges.noise / focal)[e]
    R, t = edges.rotation, edges.direction
    distance = sampson_distance(essential_matrix(R, t)[e], x[:, 0], x[:, 1])
    z1, z2, sine = two_view_depths(R[e], t[e], x[:, 0], x[:, 1])
    good = (distance <= limit) & (sine > limit) & (z1 > 0) & (z2 > 0)
    rows, e = rows[good], e[good]
    stride = int(table.keypoints.max(initial=0)) + 1
    photo = table.photos[rows]
    sides = np.array([max(c.width, c.height) for c in cameras])[camera_index[photo]]
    xy = table.xy[rows] * (REFERENCE_SIDE / sides)[..., None]
    return PairDepths(
        edge=np.r_[e, e],
        point=(photo * stride + table.keypoints[rows]).T.ravel(),
        photo=photo.T.ravel(),
        xy=np.concatenate([xy[:, 0], xy[:, 1]]),
        log_depth=np.log(np.r_[z1[good], z2[good]]),
    )


def baseline_ratios(depths: PairDepths, edge_sigma: Float[np.ndarray, " E"]) -> Ratios:
    """Compares the edges of every photo, each with those that share most keypoints with it.

    Args:
        edge_sigma: of the logarithm of all depths of an edge together, as the error of its relative
            pose makes it.
    """
    found = [
        row for own in groups_of(depths.photo) for row in _ratios_in_photo(depths, own, edge_sigma)
    ]
    edges = np.array([row[:2] for row in found], np.int64).reshape(-1, 2)
    values = np.array([row[2:] for row in found], np.float64).reshape(-1, 2)
    return Ratios(edges, values[:, 0], values[:, 1])


def _ratios_in_photo(
    depths: PairDepths, own: Int[np.ndarray, " D"], edge_sigma: Float[np.ndarray, " E"]
) -> Iterator[tuple[int, int, float, float]]:
    """Two edges of one photo, the logarithm of their ratio and its deviation."""
    names, e = np.unique(depths.edge[own], return_inverse=True)
    points, p = np.unique(depths.point[own], return_inverse=True)
    table = np.full((len(names), len(points)), np.nan)
    table[e, p] = depths.log_depth[own]
    seen = np.isfinite(table)
    shared = seen.astype(np.int64) @ seen.T.astype(np.int64)
    np.fill_diagonal(shared, 0)
    known: dict[tuple[int, int], tuple[float, float]] = {}
    for a in range(len(names)):
        best = np.argsort(-shared[a], kind="stable")[:_NEIGHBOURS]
        for b in best[shared[a, best] >= VIEW_GRAPH.min_shared_depths].tolist():
            if (b, a) in known:
                median, spread = -known[b, a][0], known[b, a][1]
            else:
                difference = (table[a] - table[b])[seen[a] & seen[b]]
                median = median_of_few(difference)
                off = median_of_few(np.abs(difference - median))
                spread = SIGMA_OF_MEDIAN * off / np.sqrt(len(difference))
                known[a, b] = median, spread
            common = np.hypot(edge_sigma[names[a]], edge_sigma[names[b]])
            yield int(names[a]), int(names[b]), median, np.hypot(spread, common)


def known_ratios(baselines: Float[np.ndarray, " E"], sigma: Float[np.ndarray, " E"]) -> Ratios:
    """Baselines of known length against the most certain one of them.

    Args:
        baselines: in one unit, NaN where unknown.
        sigma: standard deviations of their logarithms.
    """
    known = np.flatnonzero(np.isfinite(baselines))
    if not len(known):
        return Ratios(np.zeros((0, 2), np.int64), np.zeros(0), np.zeros(0))
    best = known[sigma[known].argmin()]
    others = known[known != best]
    return Ratios(
        edges=np.stack([np.full(len(others), best), others], axis=1),
        log_ratio=np.log(baselines[others] / baselines[best]),
        sigma=np.hypot(sigma[others], sigma[best]),
    )
