"""A model with more photos: their tracks, and whether all of them may stay."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from ...io.colmap import image_id_of, model_from_reconstruction, reconstruction_from_model
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable
from ..mapping.bundle_adjustment import mapping, measure_scales
from ..match_consistency import explain
from .from_depth import supported, with_pose


def joined(
    model: SparseModel,
    found: Mapping[int, Float[np.ndarray, "4 4"]],
    graph: MatchGraph,
    table: MatchTable,
    *,
    max_error_px: float,
    min_matches: int,
    seed: int,
) -> tuple[SparseModel, dict[int, str]]:
    """Adds photos, and points that they see; cameras and points of the model stay where they are.

    Args:
        found: cam_from_world of photos, each judged by itself.
        max_error_px: as in `explain`.
        min_matches: of a pair whose matches count.

    Returns:
        The model; and photos that are not added, because matches among the added ones deny them,
        with the reason.
    """
    kept = dict(found)
    denied: dict[int, str] = {}
    while kept:
        whole = model
        for photo, pose in kept.items():
            whole = with_pose(whole, photo, pose)
        told = explain(whole, table, max_error_px=max_error_px)
        agree = {photo: told.explained[(table.photos == photo).any(axis=1)] for photo in kept}
        deny = {photo: told.contradicted[(table.photos == photo).any(axis=1)] for photo in kept}
        worst = min(kept, key=lambda photo: float(agree[photo].mean() - deny[photo].mean()))
        if all(supported(agree[photo], deny[photo]) for photo in kept):
            return _with_points(model, kept, graph, min_matches, seed), denied
        del kept[worst]
        denied[worst] = "others that are placed so contradict it"
    return model, denied


def _with_points(
    model: SparseModel,
    found: Mapping[int, Float[np.ndarray, "4 4"]],
    graph: MatchGraph,
    min_matches: int,
    seed: int,
) -> SparseModel:
    """With the points that the new photos see, those that only they and one other see as well."""
    reconstruction = reconstruction_from_model(model, graph.keypoints)
    scales = measure_scales(reconstruction)
    with mapping(
        reconstruction,
        graph.database,
        scales,
        min_matches=min_matches,
        seed=seed,
        two_view_tracks=True,
    ) as mapper:
        for photo, pose in found.items():
            mapper.register_at(photo, pose)
        mapper.mapper.observation_manager.filter_points3D_in_images(
            scales.outlier, 0.0, {image_id_of(photo) for photo in found}
        )
    return model_from_reconstruction(reconstruction, model.names)
