"""What the final poses make of the matches and of the triangulated keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ....geometry.centers import centers_of, rms_radius
from ....geometry.projection import project
from ....geometry.rotations import rotation_angle
from ....scene.matches import MatchGraph
from ....scene.sparse_model import SparseModel
from ....sfm.correspondences import match_table
from ....sfm.match_consistency import explain
from ....sfm.thresholds import INLIERS


@dataclass(frozen=True)
class PairSupport:
    """How far the matches of every pair agree with the poses."""

    agreeing: Float[np.ndarray, " P"]
    """Share of the verified matches that agree, 0 to 1; NaN where a photo has no pose."""
    contradicted: Bool[np.ndarray, " P"]
    """Pairs more of whose matches contradict the poses than agree with them."""
    share: float
    """Of all verified matches, those that agree."""


def pair_support(graph: MatchGraph, poses: SparseModel, max_error_px: float) -> PairSupport:
    """Asks every verified match again.

    Args:
        max_error_px: as `PosesConfig.max_error_px`.
    """
    table = match_table(graph)
    explanation = explain(poses, table, max_error_px=max_error_px)
    count = len(graph.pairs)
    agree = np.bincount(table.pair[explanation.explained], minlength=count)
    deny = np.bincount(table.pair[explanation.contradicted], minlength=count)
    total = graph.num_verified
    asked = poses.registered[graph.pairs].all(1) & (total > 0)
    share = np.full(count, np.nan)
    share[asked] = agree[asked] / total[asked]
    return PairSupport(
        share, asked & (deny > agree) & (total >= INLIERS.enough_matches), explanation.share
    )


def reprojection_errors(poses: SparseModel) -> Float[np.ndarray, " O"]:
    """Distance of every observation from its point's projection, in pixels of the photo as given;
    infinite behind the camera."""
    errors = np.full(len(poses.observations), np.inf)
    order = np.argsort(poses.observations[:, 1], kind="stable")
    photos = poses.observations[order, 1]
    bounds = np.searchsorted(photos, np.arange(len(poses.names) + 1))
    for photo in np.flatnonzero(poses.registered).tolist():
        own = order[bounds[photo] : bounds[photo + 1]]
        if len(own):
            camera = poses.cameras[int(poses.camera_index[photo])]
            points = poses.points[poses.observations[own, 0]]
            xy, _ = project(camera, poses.cam_from_world[photo], points)
            errors[own] = np.linalg.norm(xy - poses.observation_xy[own], axis=1)
    return np.where(np.isnan(errors), np.inf, errors)


def pose_change(
    before: Float[np.ndarray, "V 4 4"], after: Float[np.ndarray, "V 4 4"]
) -> tuple[Float[np.ndarray, " V"], Float[np.ndarray, " V"]]:
    """How far each camera turned in degrees, and moved in percent of the RMS radius of the camera
    centres after; NaN where it has no pose before or after."""
    rotation, position = np.full((2, len(before)), np.nan)
    both = np.flatnonzero(np.isfinite(before[:, 0, 0]) & np.isfinite(after[:, 0, 0]))
    if len(both):
        a, b = before[both], after[both]
        rotation[both] = rotation_angle(np.einsum("vij,vkj->vik", b[:, :3, :3], a[:, :3, :3]))
        radius = rms_radius(centers_of(b))
        if radius > 0:
            moved = np.linalg.norm(centers_of(b) - centers_of(a), axis=1)
            position[both] = 100 * moved / radius
    return rotation, position
