"""Bundle adjustment with depth maps, where tracks alone hold photos weakly.

Where few tracks lead from one part of a capture to the next, parts bend and grow at next to no
reprojection error. Depth maps are coarse, and say next to nothing where tracks are many; here they
are all there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyceres
import pycolmap
from jaxtyping import Bool, Float

from ...depth.keypoints import KeypointPriors
from ...geometry.graphs import biconnected_blocks
from ...geometry.robust import CAUCHY_BEND
from ...io.colmap import (
    image_id_of,
    model_from_reconstruction,
    point_id_of,
    reconstruction_from_model,
)
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable
from ..match_consistency import Explanation, explain
from ..reprojection import reprojection_errors
from ..thresholds import DEPTH
from .bundle_adjustment import Scales, bundle_options, measure_scales
from .depth_terms import DepthCost, DepthTerms, depth_terms
from .scale_ambiguity import shared_tracks

_ITERATIONS = 50
_SAME_CERES = pyceres.__ceres_version__ == pycolmap.__ceres_version__
"""Costs of one package work in problems of the other as long as both are of one ceres."""


def held_weakly(model: SparseModel) -> bool:
    """Whether single photos or a few tracks are all that holds parts of a model together."""
    linked = shared_tracks(model) >= DEPTH.weakly_shared
    return len(biconnected_blocks(linked)) != 1 or not linked[model.registered].any(1).all()


def refine_with_depth(
    model: SparseModel,
    keypoints: Sequence[Float[np.ndarray, "_K 2"]],
    table: MatchTable,
    priors: KeypointPriors,
    *,
    max_error_px: float,
) -> SparseModel | None:
    """The model after bundle adjustment with depth terms; None where it is not for the better.

    Points and cameras move, intrinsics do not. The matches have the last word: no more of them may
    contradict the result than chance allows, nor fewer agree with it.

    Args:
        model: scales already settled, so that maps can follow its points.
        keypoints: of all photos.
        priors: of the same photos.
        max_error_px: as in `explain`.
    """
    if not _SAME_CERES or not held_weakly(model):
        return None
    start = _without_outliers(model)
    terms = depth_terms(start, priors)
    if not terms:
        return None
    adjusted = bundle_adjust_with_depth(start, keypoints, terms)
    if adjusted is None:
        return None
    before, after = (explain(m, table, max_error_px=max_error_px) for m in (model, adjusted))
    return adjusted if not_worse(before, after) else None


def bundle_adjust_with_depth(
    model: SparseModel,
    keypoints: Sequence[Float[np.ndarray, "_K 2"]],
    terms: Sequence[DepthTerms],
) -> SparseModel | None:
    """Bundle adjustment of poses and points with depth terms; None if ceres finds no solution.

    Args:
        keypoints: of all photos.
        terms: of points of the model.
    """
    reconstruction = reconstruction_from_model(model, keypoints)
    scales = measure_scales(reconstruction)
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in sorted(reconstruction.reg_image_ids()):
        config.add_image(image_id)
    for camera_id in reconstruction.cameras:
        config.set_constant_cam_intrinsics(camera_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = bundle_options(scales.loss, principal_point=False, iterations=_ITERATIONS)
    adjuster = pycolmap.create_default_ceres_bundle_adjuster(options, config, reconstruction)
    # Ceres keeps pointers to all of these until it is done.
    kept = [_add(one, reconstruction, scales, adjuster.problem) for one in terms]
    solved = adjuster.solve().is_solution_usable()
    kept.clear()
    if not solved:
        return None
    reconstruction.update_point_3d_errors()
    adjusted = model_from_reconstruction(reconstruction, model.names)
    return replace(
        adjusted,
        camera_index=model.camera_index,
        cameras=model.cameras,
        point_colors=model.point_colors,
    )


def _add(
    terms: DepthTerms,
    reconstruction: pycolmap.Reconstruction,
    scales: Scales,
    problem: pyceres.Problem,
) -> tuple[object, ...]:
    """Adds one photo's residuals in pixels, the unit of all others, and returns what they need."""
    pixel = scales.loss / CAUCHY_BEND
    factor = pixel * terms.weight / terms.sigma
    loss = pyceres.CauchyLoss(CAUCHY_BEND * pixel * terms.weight)
    frame = reconstruction.frame(reconstruction.image(image_id_of(terms.photo)).frame_id)
    assert frame.rig_from_world is not None, "terms are of registered photos"
    pose, ends = frame.rig_from_world.params, terms.ends.copy()
    costs = []
    for track, share in zip(terms.tracks.tolist(), terms.share.tolist(), strict=True):
        cost = DepthCost(share, terms.kind, factor)
        point = reconstruction.points3D[point_id_of(track)].xyz
        problem.add_residual_block(cost, loss, [pose, point, ends])
        costs.append(cost)
    return loss, ends, costs


def not_worse(before: Explanation, after: Explanation) -> bool:
    """Whether matches that changed sides did so evenly, as by chance (McNemar 1947)."""
    if (before.connected & ~after.connected).any():
        return False
    return not (
        _moved(before.explained, after.explained) or _moved(after.contradicted, before.contradicted)
    )


def _moved(have: Bool[np.ndarray, " M"], still: Bool[np.ndarray, " M"]) -> bool:
    lost, gained = int((have & ~still).sum()), int((still & ~have).sum())
    return lost - gained > DEPTH.chance * math.sqrt(lost + gained)


def _without_outliers(model: SparseModel) -> SparseModel:
    """Without tracks that a part drags along which was scaled since."""
    limit = measure_scales(reconstruction_from_model(model)).outlier
    track = model.observations[:, 0]
    bad = np.zeros(len(model.points), bool)
    bad[track[reprojection_errors(model) > limit]] = True
    number = np.cumsum(~bad) - 1
    rows = ~bad[track]
    observations = model.observations[rows].copy()
    observations[:, 0] = number[observations[:, 0]]
    return replace(
        model,
        points=model.points[~bad],
        point_colors=model.point_colors[~bad],
        point_errors=model.point_errors[~bad],
        observations=observations,
        observation_xy=model.observation_xy[rows],
    )
