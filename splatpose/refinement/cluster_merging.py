"""From the poses of overlapping clusters to relative poses of all pairs, in one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..geometry.epipolar import relative_pose
from ..scene.camera import Camera
from ..sfm.correspondences import MatchTable
from ..sfm.held_out import match_errors
from ..sfm.mapping.pose_covariance import NOISE_FLOOR
from ..sfm.twoview.all_pairs import RelativePoses
from ..sfm.twoview.pair_geometry import PairKind
from ..sfm.viewgraph.baseline_scales import PairDepths, baseline_ratios
from ..sfm.viewgraph.refined_pairs import RefinedPairs
from ..sfm.viewgraph.translation_averaging import log_baselines
from ..sfm.viewgraph.view_graph import component, consistent_pairs
from .cluster_optimization import Solved

_INLIER_SIGMAS = 3.0
_MOST_NOISE = 2.0
"""A pair whose matches are off by this many times what they were is not the cluster's."""
_MIN_INLIERS, _MIN_INLIER_SHARE = 15, 0.5
_UNIT_SIGMA = 0.02


def merged(
    solved: Sequence[Solved],
    relative: RelativePoses,
    table: MatchTable,
    cameras: tuple[Camera, ...],
    camera_index: Int[np.ndarray, " V"],
) -> RefinedPairs:
    """The consistent relative poses with those of the clusters in the place of two views'.

    Of a pair in several clusters the most certain one is taken. A pair whose own matches
    contradict its cluster keeps what two views say. Pairs that are not refined are judged by their
    cycles before any is replaced, because those within one cluster close whether right or wrong.
    Lengths of baselines are brought to one unit by the depths of keypoints that clusters share.

    Args:
        solved: clusters that were kept.
        relative: of all pairs by two views.
        table: all matches.
    """
    edges = {(int(i), int(j)): e for e, (i, j) in enumerate(relative.pairs)}
    units = _units(solved)
    best: dict[int, float] = {}
    rotation, direction = relative.rotation.copy(), relative.direction.copy()
    covariance = relative.covariance.copy()
    baselines = np.full(len(table.pairs), np.nan)
    sigma = np.full(len(table.pairs), np.nan)
    for number, cluster in enumerate(solved):
        i, j = cluster.pairs.T
        R, t = relative_pose(cluster.cam_from_world[i], cluster.cam_from_world[j])
        length = np.linalg.norm(t, axis=1)
        for k, (a, b) in enumerate(cluster.photos[cluster.pairs].tolist()):
            e = edges.get((a, b))
            doubt = float(np.trace(cluster.certainty.covariance[k]))
            if e is None or doubt >= best.get(e, np.inf):
                continue
            best[e] = doubt
            rotation[e], direction[e] = R[k], t[k] / length[k]
            covariance[e] = cluster.certainty.covariance[k]
            row = relative.row[e]
            baselines[row] = length[k] * np.exp(units[number])
            sigma[row] = np.hypot(cluster.certainty.log_baseline_sigma[k], _UNIT_SIGMA)
    changed = np.zeros(len(relative), bool)
    changed[list(best)] = True
    candidate = replace(relative, rotation=rotation, direction=direction, covariance=covariance)
    middle = np.nanmedian(baselines) if np.isfinite(baselines).any() else 1.0
    baselines /= middle
    candidate, agrees = _remeasured(candidate, relative, table, cameras, camera_index)
    changed &= agrees
    baselines[relative.row[~changed]] = sigma[relative.row[~changed]] = np.nan
    trusted = _consistent(relative, len(camera_index)) | changed
    keep = component(relative.pairs, trusted, len(camera_index))
    rows = _either(changed, candidate, relative).subset(keep)
    return RefinedPairs(rows, changed[keep], baselines, sigma)


def _consistent(relative: RelativePoses, num_photos: int) -> Bool[np.ndarray, " E"]:
    """Which pairs' triangles close."""
    return np.isin(relative.row, consistent_pairs(relative, num_photos).row)


def _remeasured(
    candidate: RelativePoses,
    before: RelativePoses,
    table: MatchTable,
    cameras: tuple[Camera, ...],
    camera_index: Int[np.ndarray, " V"],
) -> tuple[RelativePoses, np.ndarray]:
    """What each pair's own matches say of its new pose, and whether they agree with it."""
    edge_of = np.full(len(table.pairs), -1)
    edge_of[candidate.row] = np.arange(len(candidate))
    rows = np.flatnonzero(edge_of[table.pair] >= 0)
    e = edge_of[table.pair[rows]]
    distance, ahead = match_errors(table, rows, edge_of, candidate, cameras, camera_index)
    count = np.bincount(e, minlength=len(candidate))
    order = np.lexsort((distance, e))
    middle = np.cumsum(count) - count + count // 2
    noise = np.maximum(1.4826 * distance[order][middle], NOISE_FLOOR)
    good = (distance <= _INLIER_SIGMAS * noise[e]) & ahead
    share = np.bincount(e, good, minlength=len(candidate)) / count
    # Counted among as many matches as two views were fitted to.
    sampled = before.inliers / np.maximum(before.inlier_share, 1e-9)
    inliers = np.round(share * sampled).astype(np.int64)
    weak = before.kind == PairKind.WEAK
    agrees = (share >= _MIN_INLIER_SHARE) & (inliers >= _MIN_INLIERS)
    agrees &= weak | (noise <= _MOST_NOISE * before.noise)
    agrees &= before.kind != PairKind.ROTATION_ONLY
    kind = np.where(weak, int(PairKind.GENERAL), before.kind)
    measured = replace(candidate, kind=kind, noise=noise, inliers=inliers, inlier_share=share)
    return measured, agrees


def _either(first: np.ndarray, a: RelativePoses, b: RelativePoses) -> RelativePoses:
    """The rows of `a` where `first` says so, else those of `b`."""

    def chosen(name: str) -> np.ndarray:
        x, y = getattr(a, name), getattr(b, name)
        return np.where(first.reshape(-1, *[1] * (x.ndim - 1)), x, y)

    return RelativePoses(*(chosen(name) for name in a.__dataclass_fields__))


def _units(solved: Sequence[Solved]) -> Float[np.ndarray, " C"]:
    """Logarithm of each cluster's unit of length in a common one; NaN for clusters that share too
    few keypoints with the largest group of clusters that do."""
    if not solved:
        return np.zeros(0)
    observed = np.concatenate([cluster.observed for cluster in solved])
    stride = int(observed[:, 1].max(initial=0)) + 1
    counts = [len(cluster.observed) for cluster in solved]
    depths = PairDepths(
        edge=np.repeat(np.arange(len(solved)), counts),
        point=observed[:, 0] * stride + observed[:, 1],
        photo=observed[:, 0],
        # Only what no keypoint ties is tied by where keypoints lie.
        xy=np.zeros((len(observed), 2)),
        log_depth=np.concatenate([cluster.log_depth for cluster in solved]),
    )
    ratios = baseline_ratios(depths, np.full(len(solved), _UNIT_SIGMA))
    units = log_baselines(ratios, len(solved))
    a, b = ratios.edges.T
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(solved), len(solved)))
    label = connected_components(links, directed=False)[1]
    return np.where(label == np.bincount(label).argmax(), units, np.nan)
