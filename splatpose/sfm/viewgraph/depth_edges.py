"""Relative poses and ratios of baselines that depth maps add to those of matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ...depth.keypoints import KeypointPriors
from ...depth.map_fit import fit_map, fitted_depth, kind_of_maps
from ...geometry.rotations import rotation_angle
from ...scene.camera import Camera
from ..correspondences import MatchTable
from ..thresholds import DEPTH
from ..twoview.all_pairs import RelativePoses
from ..twoview.pair_geometry import PairKind
from ..twoview.pose_from_depth import RelativePosesFromDepth, relative_poses_from_depth
from .baseline_scales import PairDepths, Ratios, pair_depths

_LENGTH_SIGMA = 0.25
"""Sigma of the logarithm of a baseline by a map."""


@dataclass(frozen=True)
class DepthEdges:
    """Relative poses of all pairs, some of them by depth maps, and what those say of baselines."""

    relative: RelativePoses
    ratios: Ratios
    """Ratios of baselines, `edges` being rows of `MatchTable.pairs`."""

    def ratios_of(self, rows: Int[np.ndarray, " E"]) -> Ratios:
        """Ratios between given rows of `MatchTable.pairs`, as places among them."""
        place = np.full(
            max(int(self.ratios.edges.max(initial=0)), int(rows.max(initial=0))) + 1, -1
        )
        place[rows] = np.arange(len(rows))
        edges = place[self.ratios.edges]
        known = (edges >= 0).all(1)
        return Ratios(edges[known], self.ratios.log_ratio[known], self.ratios.sigma[known])


def depth_edges(
    relative: RelativePoses,
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    priors: KeypointPriors,
    *,
    seed: int,
) -> DepthEdges:
    """Asks depth maps about pairs whose matches say little.

    Each photo's map is aligned with the depths that its best pair gives, whose baseline is then
    the unit of its depths.

    Args:
        relative: of the same cameras, in ascending order of the pairs.
        priors: of the same photos.
    """
    moving = relative.subset(relative.moving)
    known = pair_depths(moving, table, cameras, camera_index)
    depths, unit = _keypoint_depths(moving, known, table, priors)
    found = relative_poses_from_depth(
        table, relative.row[_uncertain(relative)], cameras, camera_index, depths, seed=seed
    )
    own = relative.subset(np.isin(relative.row, found.relative.row))
    differs = ~_agreeing(own, found.relative)
    return DepthEdges(
        relative.replaced(found.relative.subset(differs)), _ratios(found, moving, unit)
    )


def _ratios(
    found: RelativePosesFromDepth, moving: RelativePoses, unit: Int[np.ndarray, " V"]
) -> Ratios:
    """Of each pair's baseline and the one that is the unit of the depths it is measured in, and of
    that one and the unit of the other photo's depths."""
    edge = np.arange(len(found.side))
    by_map, other = (found.relative.pairs[edge, side] for side in (found.side, 1 - found.side))
    both = np.isfinite(found.log_unit)
    own_unit = moving.row[unit[by_map]]
    edges = np.concatenate(
        [
            np.stack([own_unit, found.relative.row], axis=1),
            np.stack([own_unit[both], moving.row[unit[other[both]]]], axis=1),
        ]
    )
    value = np.r_[np.log(np.maximum(found.length, 1e-6)), found.log_unit[both]]
    sigma = np.full(len(value), _LENGTH_SIGMA)
    # Of a baseline that is next to nothing the length is open, and its logarithm all the more.
    sigma[: len(edge)] = np.hypot(_LENGTH_SIGMA, found.relative.direction_sigma)
    different = edges[:, 0] != edges[:, 1]
    return Ratios(edges[different], value[different], sigma[different])


def _uncertain(relative: RelativePoses) -> Bool[np.ndarray, " E"]:
    """Pairs whose matches alone may well be wrong about the pose."""
    sure = (relative.kind == PairKind.GENERAL) & (relative.inliers >= DEPTH.sure_inliers)
    return ~(sure & (relative.parallax >= DEPTH.min_parallax))


def _agreeing(own: RelativePoses, found: RelativePoses) -> Bool[np.ndarray, " E"]:
    """Pairs whose own pose, which is the more exact one, agrees."""
    turn = rotation_angle(own.rotation @ np.swapaxes(found.rotation, 1, 2))
    along = (own.direction * found.direction).sum(1)
    return (
        own.moving
        & (turn <= DEPTH.kept_rotation)
        & (along >= np.cos(np.radians(DEPTH.kept_direction)))
    )


def _keypoint_depths(
    moving: RelativePoses, known: PairDepths, table: MatchTable, priors: KeypointPriors
) -> tuple[list[Float[np.ndarray, " _K"]], Int[np.ndarray, " V"]]:
    """Depths of each photo's keypoints, and the pair whose baseline is their unit (-1: none)."""
    stride = int(table.keypoints.max(initial=0)) + 1
    depths = [np.full(len(values), np.nan) for values in priors.values]
    unit = np.full(len(depths), -1)
    samples = list(_samples(moving, known, priors, stride))
    kind = kind_of_maps([(value, z) for _, _, value, z in samples], priors.kind)
    best = np.zeros(len(depths))
    for photo, edge, value, z in samples:
        worth = len(z) * min(float(moving.parallax[edge]), DEPTH.wide_parallax)
        if worth <= best[photo]:
            continue
        fit = fit_map(value, z, kind, seed=photo)
        if fit.kept:
            best[photo], unit[photo] = worth, edge
            depths[photo] = fitted_depth(priors.values[photo], fit, kind)
    return depths, unit


def _samples(moving: RelativePoses, known: PairDepths, priors: KeypointPriors, stride: int):
    """Photo, pair, values of the photo's map and depths by the pair, of pairs that have enough."""
    order = np.lexsort((known.photo, known.edge))
    key = np.stack([known.edge[order], known.photo[order]], 1)
    cuts = np.flatnonzero((key[1:] != key[:-1]).any(1)) + 1
    for rows in np.split(order, cuts):
        if (
            len(rows) < DEPTH.min_points
            or moving.parallax[known.edge[rows[0]]] < DEPTH.min_parallax
        ):
            continue
        photo = int(known.photo[rows[0]])
        value = priors.values[photo][known.point[rows] - photo * stride]
        valid = np.isfinite(value)
        if valid.any():
            z = np.exp(known.log_depth[rows][valid])
            yield photo, int(known.edge[rows[0]]), value[valid], z
