"""The reconstructions that the view graph leads to: tracks and bundle adjustment on its cameras."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Int

from ...depth.keypoints import KeypointPriors
from ...io.colmap import camera_id_of, reconstruction_from_model
from ...io.colmap_database import forget_pairs, opened
from ...scene.camera import Camera
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable, focal_ratios
from ..thresholds import FOCAL_RATIOS
from ..twoview.all_pairs import relative_poses
from ..viewgraph.depth_edges import depth_edges
from ..viewgraph.focal_calibration import with_focal
from ..viewgraph.refined_pairs import RefinedPairs
from ..viewgraph.view_graph import ViewGraph, solve_view_graph
from .bundle_adjustment import FEW_PHOTOS, Mapper, Scales, least_freedom, mapping, measure_scales

_CALIBRATIONS = 2
_SAME_FOCAL = 0.08
_COARSE_OUTLIER = 16.0
"""In pixels at `REFERENCE_SIDE`, before the first bundle adjustment."""


def reconstructions(
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
    priors: KeypointPriors | None = None,
    backbones: Sequence[float] = (0.0,),
) -> list[pycolmap.Reconstruction]:
    """The reconstructions that the view graph leads to.

    Relative poses of a wrong focal length are wrong as well, and some that contradict each other
    agree with the right one: where bundle adjustment ends elsewhere, they are measured again.

    Args:
        cameras: calibrated as well as they can be from pairs.
        scratch: a folder for copies of the database without the false pairs.
        refined: relative poses that are known better than their matches alone tell.
        priors: depth maps, which are asked about pairs whose matches say little.
        backbones: shares of `solve_view_graph`, each of which leads to reconstructions.
    """
    found: list[pycolmap.Reconstruction] = []
    for _ in range(_CALIBRATIONS):
        relative = relative_poses(table, cameras, camera_index, min_matches=min_matches, seed=seed)
        by_depth = None
        if priors is not None:
            by_depth = depth_edges(relative, table, cameras, camera_index, priors, seed=seed)
        again: list[pycolmap.Reconstruction] = []
        seen: set[bytes] = set()
        for backbone in backbones:
            view_graph = solve_view_graph(
                table,
                cameras,
                camera_index,
                min_matches=min_matches,
                seed=seed,
                relative=relative,
                refined=refined,
                by_depth=by_depth,
                backbone=backbone,
            )
            # From the same pairs follows the same reconstruction.
            if view_graph is not None and view_graph.relative.row.tobytes() not in seen:
                seen.add(view_graph.relative.row.tobytes())
                grown = _grow(view_graph, graph, camera_index, names, scratch, min_matches, seed)
                again += [grown] if grown else []
        found += again
        if not again:
            break
        largest = max(again, key=lambda r: (r.num_reg_images(), r.num_points3D()))
        calibrated = _with_focals(cameras, largest)
        change = np.abs(np.log(focal_ratios(calibrated) / focal_ratios(cameras)))
        if change.max() < _SAME_FOCAL:
            break
        cameras = calibrated
    return found


def _with_focals(
    cameras: Sequence[Camera], reconstruction: pycolmap.Reconstruction
) -> tuple[Camera, ...]:
    """The cameras with the focal lengths of a reconstruction, where it has plausible ones."""
    result = []
    for index, camera in enumerate(cameras):
        factor = 1.0
        camera_id = camera_id_of(index)
        if reconstruction.exists_camera(camera_id):
            focal = reconstruction.cameras[camera_id].mean_focal_length()
            ratio = focal / max(camera.width, camera.height)
            if FOCAL_RATIOS.plausible_start(ratio):
                factor = focal / float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))
        result.append(with_focal(camera, factor))
    return tuple(result)


def _grow(
    view_graph: ViewGraph,
    graph: MatchGraph,
    camera_index: Int[np.ndarray, " V"],
    names: Sequence[str],
    scratch: Path,
    min_matches: int,
    seed: int,
) -> pycolmap.Reconstruction | None:
    """Tracks over the pairs that were kept, and bundle adjustment, coarse first."""
    kept = scratch / "kept.db"
    shutil.copyfile(graph.database, kept)
    with opened(kept) as database:
        forget_pairs(database, view_graph.dropped)
    model = SparseModel.of_cameras(
        names, view_graph.cam_from_world, camera_index, view_graph.cameras
    )
    start = reconstruction_from_model(model, graph.keypoints)
    try:
        return grow(start, kept, min_matches, seed)
    finally:
        kept.unlink()


def grow(
    reconstruction: pycolmap.Reconstruction, database: Path, min_matches: int, seed: int
) -> pycolmap.Reconstruction | None:
    """Triangulates and adjusts a reconstruction that has cameras only; None without points."""
    freedom = least_freedom(reconstruction)
    pixel = measure_scales(reconstruction).loss
    coarse = Scales(2 * pixel, _COARSE_OUTLIER * pixel)
    # Where pairs are thin, their tracks of two views are all that ties two parts together.
    with mapping(
        reconstruction,
        database,
        coarse,
        min_matches=min_matches,
        seed=seed,
        two_view_tracks=True,
    ) as mapper:
        _triangulate(mapper)
        if not reconstruction.num_points3D():
            return None
        # With few photos, focal lengths run away while poses and points are still coarse.
        mapper.refine(freedom, rounds=2, hold=True)
        reconstruction.update_point_3d_errors()
        fine = Mapper(mapper.mapper, reconstruction, measure_scales(reconstruction), seed)
        fine.mapper.observation_manager.filter_all_points3D(4 * pixel, 1.5)
        _triangulate(fine)
        # Three photos tell little about a focal length that many pairs were not asked for.
        fine.refine(freedom, rounds=3, hold=reconstruction.num_reg_images() <= FEW_PHOTOS)
    return reconstruction if reconstruction.num_reg_images() >= 2 else None


def _triangulate(mapper: Mapper) -> None:
    for image_id in sorted(mapper.reconstruction.reg_image_ids()):
        mapper.mapper.triangulate_image(mapper.triangulation(), image_id)
