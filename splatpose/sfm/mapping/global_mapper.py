"""The reconstructions that the view graph leads to: tracks and bundle adjustment on its cameras."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
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
from ..viewgraph.focal_adjustment import with_focal
from ..viewgraph.refined_pairs import RefinedPairs
from ..viewgraph.view_graph import ViewGraph, solve_view_graph
from .global_adjustment import triangulate_and_adjust, triangulate_and_adjust_aside
from .mapper_variants import MANY_PHOTOS

_CALIBRATIONS = 2
_SAME_FOCAL = 0.08


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
    cancelled: Callable[[], bool] = lambda: False,
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
        cancelled: asked now and then where there are many photos.

    Raises:
        CancelledError: it was cancelled.
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
                grown = _grow(
                    view_graph, graph, camera_index, names, scratch, min_matches, seed, cancelled
                )
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
    cancelled: Callable[[], bool],
) -> pycolmap.Reconstruction | None:
    model = SparseModel.of_cameras(
        names, view_graph.cam_from_world, camera_index, view_graph.cameras
    )
    return grown(
        model, graph, scratch, min_matches, seed, dropped=view_graph.dropped, cancelled=cancelled
    )


def grown(
    model: SparseModel,
    graph: MatchGraph,
    scratch: Path,
    min_matches: int,
    seed: int,
    *,
    dropped: Int[np.ndarray, "D 2"] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> pycolmap.Reconstruction | None:
    """Tracks over the pairs that were kept, and bundle adjustment, coarse first.

    Args:
        model: cameras; points that it may have are not asked.
        scratch: a folder for a copy of the database.
        dropped: pairs that take no part.
        cancelled: asked now and then where there are many photos.

    Returns:
        None where no points were found.

    Raises:
        CancelledError: it was cancelled.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as home:
        kept = Path(home) / "kept.db"
        shutil.copyfile(graph.database, kept)
        if dropped is not None:
            with opened(kept) as database:
                forget_pairs(database, dropped)
        bare = SparseModel.of_cameras(
            model.names, model.cam_from_world, model.camera_index, model.cameras
        )
        start = reconstruction_from_model(bare, graph.keypoints)
        if len(model.names) < MANY_PHOTOS:
            return triangulate_and_adjust(start, kept, min_matches, seed)
        return triangulate_and_adjust_aside(start, kept, min_matches, seed, cancelled)


def grown_once(
    model: SparseModel, graph: MatchGraph, folder: Path, min_matches: int, seed: int
) -> pycolmap.Reconstruction | None:
    """`grown`, whose result is kept in a folder; what is there already is read again.

    Args:
        folder: holds the reconstruction then, or nothing where no points were found; it is put into
            the one above, which is there.
    """
    if not folder.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        found = grown(model, graph, unfinished, min_matches, seed)
        if found is not None:
            found.write_binary(unfinished)
        unfinished.rename(folder)
    return pycolmap.Reconstruction(folder) if any(folder.iterdir()) else None
