"""Poses of photos that meet no point of the model, from prior depth of the photos they match."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from ...depth.keypoints import KeypointPriors
from ...depth.map_fit import fit_maps, fitted_depth
from ...geometry.projection import normalized_from_pixels
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable
from ..thresholds import DEPTH
from ..twoview.absolute_pose import absolute_pose


def aligned_keypoint_depths(
    model: SparseModel, priors: KeypointPriors
) -> tuple[Float[np.ndarray, " _K"], ...]:
    """Depth of every keypoint by the map of its photo, aligned with the points of the model.

    Returns:
        For each photo, along its z axis in world units; NaN where the map says nothing, does not
        follow the points, or the photo is not registered.
    """
    kind, fitted = fit_maps(model, priors)
    depths = [np.full(len(values), np.nan) for values in priors.values]
    for one in fitted:
        depths[one.photo] = fitted_depth(priors.values[one.photo], one.fit, kind)
    return tuple(depths)


def absolute_pose_from_depth(
    photo: int,
    model: SparseModel,
    table: MatchTable,
    depths: Sequence[Float[np.ndarray, " _K"]],
    *,
    seed: int,
) -> Float[np.ndarray, "4 4"] | None:
    """cam_from_world of a photo from its matches with registered ones; None if they give none.

    Where the other keypoint belongs to a point of the model, that is its place; elsewhere the
    map's depth puts it on its ray.

    Args:
        photo: not registered.
        depths: from `aligned_keypoint_depths`.
        seed: of the RANSAC.
    """
    xy, places = correspondences_2d_3d(photo, model, table, depths)
    camera = model.cameras[model.camera_index[photo]]
    found = absolute_pose(xy, places, camera, DEPTH.late_pose, seed=seed)
    return None if found is None else found[0]


def correspondences_2d_3d(
    photo: int,
    model: SparseModel,
    table: MatchTable,
    depths: Sequence[Float[np.ndarray, " _K"]],
) -> tuple[Float[np.ndarray, "N 2"], Float[np.ndarray, "N 3"]]:
    """Pixels of a photo, and where in the world what they show is; arguments of
    `absolute_pose_from_depth`."""
    pixels, places = [np.zeros((0, 2))], [np.zeros((0, 3))]
    for own, other in ((0, 1), (1, 0)):
        rows = np.flatnonzero(
            (table.photos[:, own] == photo) & model.registered[table.photos[:, other]]
        )
        for neighbour in np.unique(table.photos[rows, other]):
            mine = rows[table.photos[rows, other] == neighbour]
            found = _places(model, int(neighbour), table, mine, other, depths[neighbour])
            known = np.isfinite(found[:, 0])
            pixels.append(table.xy[mine[known], own])
            places.append(found[known])
    return np.concatenate(pixels), np.concatenate(places)


def _places(
    model: SparseModel,
    photo: int,
    table: MatchTable,
    rows: Int[np.ndarray, " N"],
    side: int,
    depth: Float[np.ndarray, " _K"],
) -> Float[np.ndarray, "N 3"]:
    """Where in the world keypoints of a registered photo are; NaN where nothing says."""
    keypoints = table.keypoints[rows, side]
    camera = model.cameras[model.camera_index[photo]]
    rays = np.c_[normalized_from_pixels(camera, table.xy[rows, side]), np.ones(len(rows))]
    pose = model.cam_from_world[photo]
    result = (rays * depth[keypoints, None] - pose[:3, 3]) @ pose[:3, :3]
    track = np.full(len(depth), -1)
    observed = model.observations[model.observations[:, 1] == photo]
    track[observed[:, 2]] = observed[:, 0]
    of_track: Bool[np.ndarray, " N"] = track[keypoints] >= 0
    result[of_track] = model.points[track[keypoints[of_track]]]
    return result
