"""Cameras from relative poses: cycles, rotations, positions.

Nothing here depends on an order of the photos or on a first pair, and pairs whose camera only
turned help with rotations without being asked for depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.epipolar import relative_pose
from ...geometry.graphs import in_largest_component, widest_paths
from ...geometry.robust import sigma_by_median
from ...scene.camera import Camera
from ..correspondences import MatchTable
from ..thresholds import VIEW_GRAPH
from ..twoview.all_pairs import RelativePoses, refined_relative_poses, relative_poses
from ..twoview.pair_geometry import PairKind
from .baseline_scales import baseline_ratios, known_ratios, pair_depths
from .cycle_consistency import inlier_probability
from .depth_edges import DepthEdges
from .refined_pairs import RefinedPairs
from .rotation_averaging import average_rotations, rotation_residuals
from .scale_bridges import bridge_components
from .translation_averaging import average_translations, camera_centers, log_baselines


@dataclass(frozen=True)
class ViewGraph:
    """Relative poses that agree with each other, and the cameras that follow from them."""

    relative: RelativePoses
    """Pairs that were kept."""
    dropped: Int[np.ndarray, "D 2"]
    """Pairs that contradict the others, or show too little to say."""
    cameras: tuple[Camera, ...]
    cam_from_world: Float[np.ndarray, "V 4 4"]
    """NaN for photos outside the largest component."""


def solve_view_graph(
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    *,
    min_matches: int,
    seed: int,
    relative: RelativePoses | None = None,
    refined: RefinedPairs | None = None,
    by_depth: DepthEdges | None = None,
    backbone: float = 0.0,
) -> ViewGraph | None:
    """Poses of the largest component of consistent pairs; None if no two photos are in it.

    1. Relative poses of all pairs, where they are not given.
    2. Cycle consistency: pairs whose triangles do not close are rejected.
    3. Pairs far weaker than the best supported way between their photos are rejected (`backbone`).
    4. Rotation averaging, and rejection of pairs that are off the averaged rotations.
    5. Translation averaging: baselines in one scale, then centres, and rejection of pairs that
       are off those.
    6. Rejected pairs are refined from the averaged poses, and join if their matches agree.
    7. Steps 4 and 5 once more, with them.

    Args:
        relative: relative poses that are known already, in ascending order of the pairs; measured
            here where there are none.
        refined: those of some of them that more than two views stand behind, and lengths of their
            baselines.
        by_depth: relative poses some of which depth maps give, in the place of `relative`.
        backbone: leave out pairs with fewer inliers than this share of what the best supported
            way between their photos has where it is weakest. A long loop then closes only by
            pairs as strong as the others; 0 keeps all.
    """
    count = len(camera_index)
    if by_depth is not None:
        relative = by_depth.relative
    if relative is None:
        relative = relative_poses(table, cameras, camera_index, min_matches=min_matches, seed=seed)
    if refined is not None:
        relative = relative.replaced(refined.relative.subset(refined.refined))
    strong = consistent_pairs(relative, count)
    strong = strong.subset(
        strong.inliers >= backbone * widest_paths(strong.pairs, strong.inliers, count)
    )
    placed = _average_cameras(strong, table, cameras, camera_index, refined, by_depth)
    if placed is None:
        return None
    strong = _readmitted(relative, *placed, table, cameras, camera_index)
    placed = _average_cameras(strong, table, cameras, camera_index, refined, by_depth)
    if placed is None:
        return None
    relative, poses = placed
    kept = {tuple(pair) for pair in relative.pairs.tolist()}
    dropped = [p for p in table.pairs.tolist() if tuple(p) not in kept]
    return ViewGraph(relative, np.array(dropped, np.int64).reshape(-1, 2), tuple(cameras), poses)


def _average_cameras(
    relative: RelativePoses,
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    refined: RefinedPairs | None,
    by_depth: DepthEdges | None,
) -> tuple[RelativePoses, Float[np.ndarray, "V 4 4"]] | None:
    """Rotations and centres, and the pairs that agree with them; None if there is nothing."""
    count = len(camera_index)
    if not len(relative):
        return None
    R = _rotations(relative, count)
    relative = relative.subset(
        in_largest_component(relative.pairs, _rotation_inliers(relative, R), count)
    )
    if not len(relative) or not relative.moving.any():
        return None
    R = _rotations(relative, count)
    centers, false = _average_centers(relative, R, table, cameras, camera_index, refined, by_depth)
    poses = np.full((count, 4, 4), np.nan)
    placed = np.isfinite(R[:, 0, 0]) & np.isfinite(centers[:, 0])
    poses[placed] = np.eye(4)
    poses[placed, :3, :3] = R[placed]
    poses[placed, :3, 3] = -np.einsum("vij,vj->vi", R[placed], centers[placed])
    return relative.subset(~false), poses


def _readmitted(
    relative: RelativePoses,
    kept: RelativePoses,
    poses: Float[np.ndarray, "V 4 4"],
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
) -> RelativePoses:
    """The kept pairs and those of the others that agree once they start from the kept ones."""
    placed = np.isfinite(poses[:, 0, 0])
    ask = ~np.isin(relative.row, kept.row) & placed[relative.pairs].all(1)
    others = relative.subset(ask & (relative.kind != PairKind.ROTATION_ONLY))
    R, t = relative_pose(poses[others.pairs[:, 0]], poses[others.pairs[:, 1]])
    length = np.linalg.norm(t, axis=1)
    apart = length > 1e-9
    direction = t[apart] / length[apart, None]
    again = refined_relative_poses(
        table, others.row[apart], cameras, camera_index, R[apart], direction
    )
    return kept.replaced(again.subset(again.kind != PairKind.WEAK))


def consistent_pairs(relative: RelativePoses, num_photos: int) -> RelativePoses:
    """The largest component of pairs that are not weak and whose triangles close."""
    strong = relative.subset(relative.kind != PairKind.WEAK)
    if not len(strong):
        return strong
    belief = inlier_probability(
        strong.pairs, strong.rotation, strong.rotation_sigma, num_photos, strong.inliers
    )
    return strong.subset(
        in_largest_component(strong.pairs, belief > VIEW_GRAPH.min_belief, num_photos)
    )


def _trust(relative: RelativePoses) -> Float[np.ndarray, " E"]:
    return relative.inliers * relative.inlier_share


def _rotations(relative: RelativePoses, count: int) -> Float[np.ndarray, "V 3 3"]:
    return average_rotations(
        relative.pairs, relative.rotation, relative.rotation_sigma, _trust(relative), count
    )


def _rotation_inliers(
    relative: RelativePoses, R: Float[np.ndarray, "V 3 3"]
) -> Bool[np.ndarray, " E"]:
    """Pairs that agree with the averaged rotations."""
    size = np.linalg.norm(rotation_residuals(relative.pairs, relative.rotation, R), axis=1)
    spread = sigma_by_median(size)
    usual = max(VIEW_GRAPH.rotation_sigmas * spread, np.radians(VIEW_GRAPH.min_rotation_residual))
    own = VIEW_GRAPH.own_rotation_sigmas * relative.rotation_sigma
    return size <= np.minimum(np.maximum(own, usual), np.radians(VIEW_GRAPH.max_rotation_residual))


def _average_centers(
    relative: RelativePoses,
    R: Float[np.ndarray, "V 3 3"],
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    refined: RefinedPairs | None,
    by_depth: DepthEdges | None,
) -> tuple[Float[np.ndarray, "V 3"], Bool[np.ndarray, " E"]]:
    """Centres of the cameras, and which pairs contradict them."""
    wide = (relative.parallax >= VIEW_GRAPH.min_parallax) | (relative.kind == PairKind.BY_DEPTH)
    moving = np.flatnonzero(relative.moving & wide)
    if not len(moving):
        moving = np.flatnonzero(relative.moving)
    edges = relative.subset(np.isin(np.arange(len(relative)), moving))
    # What an error of the relative rotation makes of all depths of the pair together.
    scale_sigma = edges.rotation_sigma / np.radians(np.maximum(edges.parallax, 0.1))
    depths = pair_depths(edges, table, cameras, camera_index)
    ratios = baseline_ratios(depths, scale_sigma)
    if refined is not None:
        known = refined.baselines[edges.row], refined.baseline_sigma[edges.row]
        ratios = ratios + known_ratios(*known)
    if by_depth is not None:
        ratios = ratios + by_depth.ratios_of(edges.row)
    log_length = log_baselines(ratios, len(edges))
    bridges = bridge_components(depths, ratios, log_length)
    if len(bridges.edges):
        ratios = ratios + bridges
        log_length = log_baselines(ratios, len(edges))
    # The centre of the second camera in the first one's frame is -R^T t.
    backwards = np.einsum("eji,ej->ei", edges.rotation, -edges.direction)
    in_world = np.einsum("eji,ej->ei", R[edges.pairs[:, 0]], backwards)
    centers, residual = camera_centers(
        edges.pairs, np.exp(log_length)[:, None] * in_world, edges.direction_sigma, len(R)
    )
    centers, residual = average_translations(
        edges.pairs, in_world, edges.direction_sigma, ratios, centers, log_length
    )
    false = np.zeros(len(relative), bool)
    false[moving[residual > VIEW_GRAPH.max_offset_residual]] = True
    placed = np.zeros(len(R), bool)
    placed[edges.pairs] = True
    centers[~placed] = np.nan
    for i, j in relative.pairs[relative.kind == PairKind.ROTATION_ONLY]:
        # Such a camera stands where its neighbour does, as far as anybody can see.
        for own, other in ((i, j), (j, i)):
            if not placed[own] and placed[other]:
                centers[own] = centers[other]
    return centers, false
