"""From a reconstruction to the model that the stage leaves, and the matches that it is built on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Bool, Int

from ...depth.keypoints import KeypointPriors
from ...io.colmap import camera_id_of, camera_to_colmap, model_from_reconstruction
from ...io.match_subset import subset_of_matches
from ...scene.camera import Camera
from ...scene.capture import Capture
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import MatchTable
from ...sfm.mapping.depth_bundle_adjustment import refine_with_depth
from ...sfm.mapping.mapper_variants import MANY_PHOTOS
from ...sfm.mapping.point_colors import point_colors
from ...sfm.mapping.scale_ambiguity import resolve_scale_ambiguity
from ...sfm.mapping.world_frame import world_frame
from ...sfm.track_selection import select_tracks
from .config import PosesConfig


def selected_matches(
    graph: MatchGraph,
    table: MatchTable,
    sizes: Sequence[tuple[int, int]],
    path: Path,
    dropped: Bool[np.ndarray, " P"] | None = None,
) -> MatchGraph:
    """The matches that reconstructions are built on; of many photos those of selected tracks.

    Args:
        path: for the database of these.
        dropped: pairs that are left out.
    """
    many = len(sizes) >= MANY_PHOTOS
    if not many and (dropped is None or not dropped.any()):
        return graph
    kept = select_tracks(table, np.array(sizes)) if many else np.ones(len(table), bool)
    if dropped is not None:
        kept &= ~dropped[table.pair]
    return subset_of_matches(graph, kept, path)


def settled(
    reconstruction: pycolmap.Reconstruction,
    graph: MatchGraph,
    table: MatchTable,
    config: PosesConfig,
    cameras: Sequence[Camera],
    names: Sequence[str],
    priors: KeypointPriors | None,
) -> tuple[SparseModel, tuple[str, ...]]:
    """Arrays with a camera for every group, what tracks leave open settled; and what that was."""
    for index, camera in enumerate(cameras):
        if not reconstruction.exists_camera(camera_id_of(index)):
            reconstruction.add_camera_with_trivial_rig(camera_to_colmap(camera, index))
    model, scaled = resolve_scale_ambiguity(
        model_from_reconstruction(reconstruction, names), priors
    )
    if priors is None:
        return model, scaled
    held = refine_with_depth(
        model, graph.keypoints, table, priors, max_error_px=config.max_error_px
    )
    return held or model, scaled


def in_world(
    model: SparseModel, capture: Capture, camera_index: Int[np.ndarray, " V"]
) -> SparseModel:
    """The model in the world frame, with each photo's camera and a colour for every point."""
    frame = world_frame(model)
    model = replace(
        model,
        camera_index=camera_index,
        cam_from_world=frame.cam_from_world(model.cam_from_world),
        points=frame.points(model.points),
    )
    return replace(model, point_colors=point_colors(model, capture))
