"""Tracks of keypoints over many photos that false matches do not tie together, and their points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from ...scene.sparse_model import SparseModel
from ..correspondences import REFERENCE_SIDE, MatchTable, calibrated_matches, focal_ratios
from ..held_out import keypoint_ids, with_matches
from ..match_consistency import explain, pixel_thresholds
from ..tracks import Tracks, triangulated

_MAX_ERROR = 4.0
"""Reprojection error of a triangulated point in thresholds."""
_MIN_ANGLE = np.radians(1.5)
"""Angle under which two photos must see a point."""


def grown_tracks(table: MatchTable) -> Int[np.ndarray, "M 2"]:
    """Number of the track of both keypoints of each match, counting from 0.

    Tracks grow over the best supported pairs first and never take in two keypoints of one photo,
    so that the two numbers of a match that would do so differ.
    """
    stride = int(table.keypoints.max(initial=0)) + 1
    nodes, inverse = np.unique(keypoint_ids(table), return_inverse=True)
    index = inverse.reshape(-1, 2)
    parent = list(range(len(nodes)))
    photos = [1 << photo for photo in (nodes // stride).tolist()]

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    support = np.bincount(table.pair, minlength=len(table.pairs))
    for a, b in index[np.argsort(-support[table.pair], kind="stable")].tolist():
        a, b = root(a), root(b)
        if a != b and not photos[a] & photos[b]:
            parent[b] = a
            photos[a] |= photos[b]
    track = np.array([root(node) for node in range(len(nodes))], np.int64)
    return np.unique(track, return_inverse=True)[1][index]


def with_points(model: SparseModel, table: MatchTable, max_error_px: float) -> SparseModel:
    """The cameras of a model with points of these matches in the place of its own.

    Args:
        max_error_px: distance within which a match counts as explained, as in `explain`.
    """
    bare = SparseModel.of_cameras(
        model.names, model.cam_from_world, model.camera_index, model.cameras
    )
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
    label = grown_tracks(table)
    ids = keypoint_ids(table).ravel()
    _, first = np.unique(ids, return_index=True)
    match, side = np.divmod(first, 2)
    _, number = np.unique(label[match, side], return_inverse=True)
    several = np.bincount(number)[number] >= 2
    match, side = match[several], side[several]
    _, number = np.unique(label[match, side], return_inverse=True)
    every = np.arange(len(table))
    rays = calibrated_matches(table, every, model.cameras, model.camera_index)
    view = np.cumsum(model.registered) - 1
    ratio = focal_ratios(model.cameras)[model.camera_index[model.registered]]
    tracks = Tracks(
        points=np.zeros((int(number.max(initial=-1)) + 1, 3)),
        track=number,
        view=view[table.photos[match, side]],
        rays=rays[match, side],
        focal=REFERENCE_SIDE * ratio,
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
    ids, first = np.unique(keypoint_ids(table).ravel(), return_index=True)
    rows = first[np.searchsorted(ids, photo * stride + keypoint)]
    return table.xy.reshape(-1, 2)[rows]
