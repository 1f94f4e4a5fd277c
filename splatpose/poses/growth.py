"""The reconstructions that the view graph leads to: tracks and bundle adjustment on its cameras."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Int

from ..io.colmap import SparseModel, reconstruction_from_model
from ..twoview.matches import MatchTable
from ..twoview.relative import relative_poses
from ..types import Camera, MatchGraph
from .adjust import Freedom, Mapper, Scales, mapping, measure_scales
from .viewgraph import ViewGraph, solve_view_graph

_COARSE_OUTLIER = 16.0
"""In pixels at `PIXEL_AT`, before the first bundle adjustment."""


@dataclass(frozen=True)
class Variant:
    """How much of the view graph to start from, and whether to forget the rest."""

    backbone: float
    """See `solve_view_graph`."""
    forget: bool
    """Tracks only from pairs that were kept: relative poses that contradict the others come from
    false matches (duplicate structure), or else from true ones that determine them badly."""


VARIANTS = (Variant(0.0, forget=True), Variant(0.6, forget=False))


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
) -> list[pycolmap.Reconstruction]:
    """The reconstructions that the view graph leads to, one a variant that leads to any.

    Args:
        cameras: calibrated as well as they can be from pairs.
        scratch: a folder for a copy of the database without the false pairs.
    """
    relative = relative_poses(table, cameras, camera_index, min_matches=min_matches, seed=seed)
    found = []
    for variant in VARIANTS:
        view_graph = solve_view_graph(
            table,
            cameras,
            camera_index,
            min_matches=min_matches,
            seed=seed,
            relative=relative,
            backbone=variant.backbone,
        )
        if view_graph is None:
            continue
        database = scratch / "kept.db"
        shutil.copyfile(graph.database, database)
        if variant.forget:
            _forget(database, view_graph.dropped)
        start = reconstruction_from_model(_empty(view_graph, names, camera_index), graph.keypoints)
        grown = _grow(start, database, min_matches, seed)
        database.unlink()
        if grown is not None:
            found.append(grown)
    return found


def _forget(database_path: Path, pairs: Int[np.ndarray, "D 2"]) -> None:
    database = pycolmap.Database.open(database_path)
    try:
        for i, j in pairs.tolist():
            database.delete_two_view_geometry(i + 1, j + 1)
    finally:
        database.close()


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
        fine.refine(freedom, rounds=3)
    return reconstruction if reconstruction.num_reg_images() >= 2 else None


def _triangulate(mapper: Mapper) -> None:
    for image_id in sorted(mapper.reconstruction.reg_image_ids()):
        mapper.mapper.triangulate_image(mapper.triangulation(), image_id)
