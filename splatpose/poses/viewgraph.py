"""A reconstruction from relative poses: cycles, rotations, positions, tracks, bundle adjustment.

Nothing here depends on an order of the photos or on a first pair, and pairs whose camera only
turned help with rotations without being asked for depth.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..geometry.epipolar import essential_matrix, sampson_distance, two_view_depths
from ..io.colmap import SparseModel, reconstruction_from_model
from ..twoview.cycles import probability_true
from ..twoview.matches import PIXEL_AT, MatchTable, calibrated_matches, focal_ratios
from ..twoview.pair_fit import PairKind
from ..twoview.refined import RefinedPairs
from ..twoview.relative import RelativePoses, relative_poses
from ..types import Camera, MatchGraph
from .adjust import Freedom, Mapper, Scales, mapping, measure_scales
from .averaging import average_rotations, rotation_residuals
from .positions import PairDepths, baseline_ratios, camera_centers, log_baselines

_MIN_BELIEF = 0.6
_MAX_ROTATION_RESIDUAL = np.radians(10.0)
_ROTATION_SIGMAS = 5.0
_MIN_PARALLAX = 1.0
_MAX_OFFSET_RESIDUAL = 0.5
_DEPTH_SIGMAS = 4.0
_COARSE_OUTLIER = 16.0
"""In pixels at `PIXEL_AT`, before the first bundle adjustment."""


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


def reconstruct(
    graph: MatchGraph,
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    names: Sequence[str],
    scratch: Path,
    *,
    min_matches: int,
    seed: int,
    refined: RefinedPairs | None = None,
) -> pycolmap.Reconstruction | None:
    """The reconstruction that the view graph leads to; None if it leads to none.

    Args:
        cameras: calibrated as well as they can be from pairs.
        scratch: a folder for a copy of the database without the false pairs.
        refined: relative poses to set out from instead of those of two views.
    """
    view_graph = solve_view_graph(
        table,
        cameras,
        camera_index,
        min_matches=min_matches,
        seed=seed,
        prior_baselines=None if refined is None else refined.baselines,
        prior_sigma=None if refined is None else refined.baseline_sigma,
        relative=None if refined is None else refined.relative,
    )
    if view_graph is None:
        return None
    database = scratch / "kept.db"
    shutil.copyfile(graph.database, database)
    with_dropped = pycolmap.Database.open(database)
    try:
        for i, j in view_graph.dropped.tolist():
            with_dropped.delete_two_view_geometry(i + 1, j + 1)
    finally:
        with_dropped.close()
    start = reconstruction_from_model(_empty(view_graph, names, camera_index), graph.keypoints)
    grown = _grow(start, database, min_matches, seed)
    database.unlink()
    return grown


def solve_view_graph(
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    *,
    min_matches: int,
    seed: int,
    prior_baselines: Float[np.ndarray, " P"] | None = None,
    prior_sigma: Float[np.ndarray, " P"] | None = None,
    relative: RelativePoses | None = None,
) -> ViewGraph | None:
    """Poses of the largest component of consistent pairs; None if no two photos are in it.

    Args:
        prior_baselines: of the rows of `table.pairs`, lengths of the baselines in one unit from
            somewhere else (prior depth), NaN where there is none.
        prior_sigma: standard deviations of their logarithms.
        relative: poses of the pairs to build on, where they are known already: of one component,
            and checked for cycles (those of a joint adjustment close, right or wrong).
    """
    count = len(camera_index)
    if relative is None:
        found = relative_poses(table, cameras, camera_index, min_matches=min_matches, seed=seed)
        relative = consistent_pairs(found, count)
    if not len(relative):
        return None
    R = _rotations(relative, count)
    relative = relative.subset(component(relative.pairs, _near(relative, R), count))
    if not len(relative) or not relative.moving.any():
        return None
    R = _rotations(relative, count)
    prior = (None, None)
    if prior_baselines is not None and prior_sigma is not None:
        prior = (prior_baselines, prior_sigma)
    centers, false = _positions(relative, R, table, cameras, camera_index, *prior)
    relative = relative.subset(~false)
    poses = np.full((count, 4, 4), np.nan)
    placed = np.isfinite(R[:, 0, 0]) & np.isfinite(centers[:, 0])
    poses[placed] = np.eye(4)
    poses[placed, :3, :3] = R[placed]
    poses[placed, :3, 3] = -np.einsum("vij,vj->vi", R[placed], centers[placed])
    kept = {tuple(pair) for pair in relative.pairs.tolist()}
    dropped = [p for p in table.pairs.tolist() if tuple(p) not in kept]
    return ViewGraph(relative, np.array(dropped, np.int64).reshape(-1, 2), tuple(cameras), poses)


def consistent_pairs(relative: RelativePoses, num_photos: int) -> RelativePoses:
    """The largest component of pairs that are not weak and whose triangles close."""
    strong = relative.subset(relative.kind != PairKind.WEAK)
    if not len(strong):
        return strong
    belief = probability_true(strong.pairs, strong.rotation, strong.rotation_sigma, num_photos)
    return strong.subset(component(strong.pairs, belief > _MIN_BELIEF, num_photos))


def component(
    pairs: Int[np.ndarray, "E 2"], keep: Bool[np.ndarray, " E"], num_photos: int
) -> Bool[np.ndarray, " E"]:
    """Which of the kept edges belong to the largest component."""
    own = pairs[keep]
    graph = coo_array((np.ones(len(own)), (own[:, 0], own[:, 1])), shape=(num_photos, num_photos))
    label = connected_components(graph, directed=False)[1]
    largest = np.bincount(label).argmax()
    return keep & (label[pairs[:, 0]] == largest)


def _trust(relative: RelativePoses) -> Float[np.ndarray, " E"]:
    return relative.inliers * relative.inlier_share


def _rotations(relative: RelativePoses, count: int) -> Float[np.ndarray, "V 3 3"]:
    return average_rotations(
        relative.pairs, relative.rotation, relative.rotation_sigma, _trust(relative), count
    )


def _near(relative: RelativePoses, R: Float[np.ndarray, "V 3 3"]) -> Bool[np.ndarray, " E"]:
    """Pairs that agree with the averaged rotations."""
    size = np.linalg.norm(rotation_residuals(relative.pairs, relative.rotation, R), axis=1)
    spread = 1.4826 * float(np.median(size))
    return size <= min(max(_ROTATION_SIGMAS * spread, np.radians(2.0)), _MAX_ROTATION_RESIDUAL)


def _positions(
    relative: RelativePoses,
    R: Float[np.ndarray, "V 3 3"],
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    prior_baselines: Float[np.ndarray, " P"] | None,
    prior_sigma: Float[np.ndarray, " P"] | None,
) -> tuple[Float[np.ndarray, "V 3"], Bool[np.ndarray, " E"]]:
    """Centres of the cameras, and which pairs contradict them."""
    moving = np.flatnonzero(relative.moving & (relative.parallax >= _MIN_PARALLAX))
    if not len(moving):
        moving = np.flatnonzero(relative.moving)
    edges = relative.subset(np.isin(np.arange(len(relative)), moving))
    ratios = baseline_ratios(_depths(edges, table, cameras, camera_index))
    prior = prior_baselines[edges.row] if prior_baselines is not None else None
    sigma = prior_sigma[edges.row] if prior_sigma is not None else None
    length = np.exp(log_baselines(ratios, len(edges), prior, sigma))
    # The centre of the second camera in the first one's frame is -R^T t.
    backwards = np.einsum("eji,ej->ei", edges.rotation, -edges.direction)
    in_world = np.einsum("eji,ej->ei", R[edges.pairs[:, 0]], backwards)
    centers, residual = camera_centers(
        edges.pairs, length[:, None] * in_world, edges.direction_sigma, len(R)
    )
    false = np.zeros(len(relative), bool)
    false[moving[residual > _MAX_OFFSET_RESIDUAL]] = True
    placed = np.zeros(len(R), bool)
    placed[edges.pairs] = True
    centers[~placed] = np.nan
    for i, j in relative.pairs[relative.kind == PairKind.ROTATION_ONLY]:
        # Such a camera stands where its neighbour does, as far as anybody can see.
        for own, other in ((i, j), (j, i)):
            if not placed[own] and placed[other]:
                centers[own] = centers[other]
    return centers, false


def _depths(
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
    focal = PIXEL_AT * focal_ratios(cameras)[camera_index[edges.pairs]].mean(1)
    limit = (_DEPTH_SIGMAS * edges.noise / focal)[e]
    R, t = edges.rotation, edges.direction
    distance = sampson_distance(essential_matrix(R, t)[e], x[:, 0], x[:, 1])
    z1, z2, sine = two_view_depths(R[e], t[e], x[:, 0], x[:, 1])
    good = (distance <= limit) & (sine > limit) & (z1 > 0) & (z2 > 0)
    rows, e = rows[good], e[good]
    stride = int(table.keypoints.max(initial=0)) + 1
    photo = table.photos[rows]
    return PairDepths(
        edge=np.r_[e, e],
        point=(photo * stride + table.keypoints[rows]).T.ravel(),
        photo=photo.T.ravel(),
        log_depth=np.log(np.r_[z1[good], z2[good]]),
    )


def _empty(
    view_graph: ViewGraph, names: Sequence[str], camera_index: Int[np.ndarray, " V"]
) -> SparseModel:
    """The cameras without points."""
    poses = view_graph.cam_from_world
    return SparseModel(
        names=tuple(names),
        registered=np.isfinite(poses[:, 0, 0]),
        cam_from_world=poses,
        camera_index=camera_index,
        cameras=view_graph.cameras,
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
        point_errors=np.zeros(0),
        observations=np.zeros((0, 3), np.int64),
        observation_xy=np.zeros((0, 2)),
    )


def _grow(
    reconstruction: pycolmap.Reconstruction, database: Path, min_matches: int, seed: int
) -> pycolmap.Reconstruction | None:
    """Tracks over all kept pairs and bundle adjustment, coarse first."""
    freedom = {i: Freedom("SIMPLE_RADIAL") for i in reconstruction.cameras}
    pixel = measure_scales(reconstruction).loss
    coarse = Scales(2 * pixel, _COARSE_OUTLIER * pixel)
    with mapping(reconstruction, database, coarse, min_matches=min_matches, seed=seed) as mapper:
        _triangulate(mapper)
        if not reconstruction.num_points3D():
            return None
        # With few photos, focal lengths run away while poses and points are still coarse.
        mapper.refine(freedom, rounds=2, hold=True)
        reconstruction.update_point_3d_errors()
        fine = Mapper(mapper.mapper, reconstruction, measure_scales(reconstruction), seed)
        fine.mapper.observation_manager.filter_all_points3D(4 * pixel, 1.5)
        _triangulate(fine)
        fine.refine(freedom, rounds=3)
    return reconstruction if reconstruction.num_reg_images() >= 2 else None


def _triangulate(mapper: Mapper) -> None:
    for image_id in sorted(mapper.reconstruction.reg_image_ids()):
        mapper.mapper.triangulate_image(mapper.triangulation(), image_id)
