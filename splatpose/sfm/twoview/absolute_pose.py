"""The pose of a photo from points whose places are roughly known."""

from __future__ import annotations

import numpy as np
import pycolmap
from jaxtyping import Bool, Float

from ...io.colmap import camera_to_colmap
from ...scene.camera import Camera
from ..correspondences import REFERENCE_SIDE
from ..thresholds import AbsolutePoseThresholds


def absolute_pose(
    xy: Float[np.ndarray, "N 2"],
    points: Float[np.ndarray, "N 3"],
    camera: Camera,
    thresholds: AbsolutePoseThresholds,
    *,
    seed: int,
) -> tuple[Float[np.ndarray, "4 4"], Bool[np.ndarray, " N"]] | None:
    """cam_from_world by RANSAC on three points and refinement, and its inliers; None without any.

    Args:
        xy: where the photo shows the points, in its pixels.
        points: in the world.
        camera: of the photo.
        thresholds: when the pose counts.
        seed: of the RANSAC.
    """
    if len(xy) < thresholds.min_inliers:
        return None
    side = max(camera.width, camera.height)
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.ransac.max_error = thresholds.max_error_px * side / REFERENCE_SIDE
    options.ransac.min_num_trials, options.ransac.max_num_trials = thresholds.trials
    options.ransac.random_seed = seed
    found = pycolmap.estimate_and_refine_absolute_pose(
        xy, points, camera_to_colmap(camera, 1), options
    )
    if found is None:
        return None
    inlier = np.asarray(found["inlier_mask"], bool)
    if inlier.sum() < max(thresholds.min_inliers, thresholds.min_inlier_ratio * len(xy)):
        return None
    return np.vstack([found["cam_from_world"].matrix(), [0.0, 0.0, 0.0, 1.0]]), inlier
