"""Points of a model whose cameras are known, from its matches alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable, distinct_keypoints, keypoint_ids, with_matches
from ..match_consistency import explain, pixel_thresholds
from ..tracks import Tracks, grown_labels, labelled_tracks, triangulated

_MAX_ERROR = 4.0
"""Reprojection error of a triangulated point in thresholds."""
_MIN_ANGLE = np.radians(1.5)
"""Angle under which two photos must see a point."""


def with_points(
    model: SparseModel,
    table: MatchTable,
    max_error_px: float,
    rows: Bool[np.ndarray, " M"] | None = None,
) -> SparseModel:
    """The cameras of a model with points of these matches in the place of its own.

    Args:
        max_error_px: distance within which a match counts as explained, as in `explain`.
        rows: matches that agree with the cameras, where it is known.
    """
    bare = SparseModel.of_cameras(
        model.names, model.cam_from_world, model.camera_index, model.cameras
    )
    if rows is None:
        rows = explain(bare, table, max_error_px=max_error_px).explained
    if not rows.any():
        return bare
    tracks, keypoint = _tracks(model, with_matches(table, rows))
    places = np.flatnonzero(model.registered)
    tracks = triangulated(tracks, model.cam_from_world[places])
    good = _good(tracks, model.cam_from_world[places], max_error_px)
    kept = good[tracks.track]
    found = tracks.subset(good)
    photo = places[found.view]
    order = np.lexsort((photo, found.track))
    xy = _pixels_of(table, photo[order], keypoint[kept][order])
    errors = np.zeros(len(found))
    scale = pixel_thresholds(model.cameras, 1.0)[model.camera_index[photo]]
    np.add.at(errors, found.track, found.errors(model.cam_from_world[places]) * scale)
    count = np.bincount(found.track, minlength=len(found))
    return replace(
        bare,
        points=found.points,
        point_colors=np.zeros((len(found), 3), np.uint8),
        point_errors=errors / np.maximum(count, 1),
        observations=np.stack([found.track, photo, keypoint[kept]], 1)[order],
        observation_xy=xy,
    )


def _tracks(model: SparseModel, table: MatchTable) -> tuple[Tracks, Int[np.ndarray, " O"]]:
    """Tracks of at least two keypoints without points yet, and the keypoint of each observation."""
    label = grown_labels(table)
    match, side = distinct_keypoints(table)
    several = np.bincount(label[match, side])[label[match, side]] >= 2
    match, side = match[several], side[several]
    tracks = labelled_tracks(
        table,
        (match, side),
        label[match, side],
        np.flatnonzero(model.registered),
        model.cameras,
        model.camera_index,
    )
    return tracks, table.keypoints[match, side]


def _good(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"], max_error_px: float
) -> Bool[np.ndarray, " T"]:
    """Points close to all their observations and seen from two sides."""
    good = np.ones(len(tracks), bool)
    good[tracks.track[~(tracks.errors(cam_from_world) <= _MAX_ERROR * max_error_px)]] = False
    R, t = cam_from_world[:, :3, :3], cam_from_world[:, :3, 3]
    ray = tracks.points[tracks.track] + np.einsum("vji,vj->vi", R, t)[tracks.view]
    ray /= np.maximum(np.linalg.norm(ray, axis=1, keepdims=True), 1e-300)
    mean = np.zeros((len(tracks), 3))
    np.add.at(mean, tracks.track, ray)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-300)
    cosine = np.ones(len(tracks))
    np.minimum.at(cosine, tracks.track, (ray * mean[tracks.track]).sum(1))
    return good & (cosine < np.cos(_MIN_ANGLE / 2))


def _pixels_of(
    table: MatchTable, photo: Int[np.ndarray, " O"], keypoint: Int[np.ndarray, " O"]
) -> Float[np.ndarray, "O 2"]:
    stride = int(table.keypoints.max(initial=0)) + 1
    match, side = distinct_keypoints(table)
    ids = keypoint_ids(table)[match, side]
    found = np.searchsorted(ids, photo * stride + keypoint)
    return table.xy[match[found], side[found]]
