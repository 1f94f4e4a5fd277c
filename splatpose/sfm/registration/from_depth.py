"""One photo against a finished model: its pose from depth, refined by its matches, and the proof.

Only the new pose is free. What is known of it comes from the matches with registered photos; some
of them are kept back, take no part in finding the pose, and must agree with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.centers import centers_of, rms_radius
from ...geometry.projection import project
from ...geometry.rotations import rotation_angle
from ...scene.sparse_model import SparseModel
from ..correspondences import REFERENCE_SIDE, MatchTable, with_matches
from ..held_out import drawn
from ..mapping.track_adjustment import resected
from ..match_consistency import explain
from ..thresholds import INLIERS, LATE
from ..tracks import Tracks, labelled_tracks, triangulated
from .depth_pnp import absolute_pose_from_depth, correspondences_2d_3d


@dataclass(frozen=True)
class Attempt:
    """What came of placing one photo."""

    photo: int
    cam_from_world: Float[np.ndarray, "4 4"]
    """The best pose found; NaN where there is none."""
    reason: str
    """Why it is refused; empty where it is not."""


def place(
    photo: int,
    model: SparseModel,
    table: MatchTable,
    depths: Sequence[Float[np.ndarray, " _K"]],
    *,
    max_error_px: float,
    seed: int,
) -> Attempt:
    """Looks for the pose of a photo, and for what speaks against it.

    Args:
        photo: not registered; its camera's intrinsics are taken as they are.
        depths: of the keypoints of registered photos, see `keypoint_depths`.
        max_error_px: distance within which a match counts as explained, as in `explain`.
        seed: of RANSAC and of what is held out.
    """
    own = with_matches(table, _with_registered(photo, model, table))
    judging = _drawn(photo, own, LATE.held_out_share, seed)
    learning = with_matches(own, ~judging)
    pose = absolute_pose_from_depth(photo, model, learning, depths, seed=seed)
    if pose is None:
        return Attempt(photo, np.full((4, 4), np.nan), "its matches give no pose")
    if not _confirmed(photo, model, learning, depths, seed):
        return Attempt(photo, pose, "each photo that it matches gives another pose")
    half = _drawn(photo, learning, 0.5, seed)
    halves = [_refined(photo, pose, model, with_matches(learning, rows)) for rows in (half, ~half)]
    if not _alike(model, *halves):
        return Attempt(photo, pose, "its matches leave its pose open")
    pose = _refined(photo, pose, model, learning)
    return Attempt(photo, pose, _doubt(photo, pose, model, table, judging, max_error_px))


def with_pose(model: SparseModel, photo: int, pose: Float[np.ndarray, "4 4"]) -> SparseModel:
    """The model with one more photo registered, without observations."""
    poses, registered = model.cam_from_world.copy(), model.registered.copy()
    poses[photo], registered[photo] = pose, True
    return replace(model, cam_from_world=poses, registered=registered)


def supported(
    agree: Bool[np.ndarray, " N"], deny: Bool[np.ndarray, " N"], least: int = INLIERS.enough_matches
) -> bool:
    """Whether enough matches agree with a pose, and few enough contradict it."""
    return bool(agree.sum() >= max(least, LATE.support * deny.sum()))


def _with_registered(photo: int, model: SparseModel, table: MatchTable) -> Bool[np.ndarray, " M"]:
    known = model.registered[table.photos[:, ::-1]]
    return np.asarray(((table.photos == photo) & known).any(axis=1))


def _drawn(photo: int, own: MatchTable, share: float, seed: int) -> Bool[np.ndarray, " M"]:
    """All matches of a random share of the photo's keypoints."""
    own_keypoint = _Sides(photo, own).keypoint
    keypoint = np.unique(own_keypoint)
    rng = np.random.default_rng([seed, photo, 0x5E5E])
    chosen, _ = drawn(keypoint, round(share * len(keypoint)), rng)
    return np.isin(own_keypoint, chosen)


def _alike(model: SparseModel, a: Float[np.ndarray, "4 4"], b: Float[np.ndarray, "4 4"]) -> bool:
    """Whether two poses differ by no more than noise."""
    centers = centers_of(model.cam_from_world)[model.registered]
    radius = rms_radius(centers)
    first, second = centers_of(np.stack([a, b]))
    return bool(
        np.linalg.norm(first - second) <= LATE.max_position * radius
        and rotation_angle(a[:3, :3] @ b[:3, :3].T) <= LATE.max_rotation
    )


class _Sides:
    """Matches of one photo, seen from it."""

    def __init__(self, photo: int, own: MatchTable) -> None:
        rows = np.arange(len(own))
        self.side: Int[np.ndarray, " M"] = (own.photos[:, 1] == photo).astype(np.int64)
        """The photo's place in each match."""
        self.keypoint: Int[np.ndarray, " M"] = own.keypoints[rows, self.side]
        self.neighbour: Int[np.ndarray, " M"] = own.photos[rows, 1 - self.side]


def _confirmed(
    photo: int,
    model: SparseModel,
    learning: MatchTable,
    depths: Sequence[Float[np.ndarray, " _K"]],
    seed: int,
) -> bool:
    """Whether two disjoint groups of neighbours each have the other's matches where they are."""
    neighbour = _Sides(photo, learning).neighbour
    ranked = np.argsort(-np.bincount(neighbour), kind="stable")
    camera = model.cameras[model.camera_index[photo]]
    limit = LATE.prediction_px * max(camera.width, camera.height) / REFERENCE_SIDE
    first = np.isin(neighbour, ranked[::2])
    for group in (first, ~first):
        pose = absolute_pose_from_depth(
            photo, model, with_matches(learning, group), depths, seed=seed
        )
        xy, places = correspondences_2d_3d(photo, model, with_matches(learning, ~group), depths)
        if pose is None or not len(xy):
            return False
        error = np.linalg.norm(project(camera, pose, places)[0] - xy, axis=1)
        # NaN, behind the camera, is not near.
        if (error < limit).mean() < LATE.predicted_share:
            return False
    return True


def _refined(
    photo: int, pose: Float[np.ndarray, "4 4"], model: SparseModel, learning: MatchTable
) -> Float[np.ndarray, "4 4"]:
    """Bundle adjustment of the pose and of a point for each match; all other poses are fixed."""
    views = np.flatnonzero(model.registered | (np.arange(len(model.names)) == photo))
    place = int(np.searchsorted(views, photo))
    fixed = views != photo
    poses = model.cam_from_world[views]
    for limit in LATE.outliers_px:
        poses[place] = pose
        tracks = triangulated(_tracks(photo, model, learning, views), poses)
        good = np.ones(len(tracks), bool)
        good[tracks.track[~(tracks.errors(poses) <= limit)]] = False
        pose = resected(tracks.subset(good), poses, fixed)[1][place]
    return pose


def _tracks(
    photo: int, model: SparseModel, own: MatchTable, views: Int[np.ndarray, " U"]
) -> Tracks:
    """Every keypoint of the photo with all that it matches, points still to be found."""
    sides = _Sides(photo, own)
    _, first = np.unique(sides.keypoint, return_index=True)
    match = np.r_[first, np.arange(len(own))]
    side = np.r_[sides.side[first], 1 - sides.side]
    label = sides.keypoint[match]
    return labelled_tracks(own, (match, side), label, views, model.cameras, model.camera_index)


def _doubt(
    photo: int,
    pose: Float[np.ndarray, "4 4"],
    model: SparseModel,
    table: MatchTable,
    judging: Bool[np.ndarray, " R"],
    max_error_px: float,
) -> str:
    """What speaks against a pose; empty where nothing does."""
    found = explain(with_pose(model, photo, pose), table, max_error_px=max_error_px)
    rows = _with_registered(photo, model, table)
    agree, deny = found.explained[rows], found.contradicted[rows]
    if agree.mean() < LATE.min_share or not supported(agree, deny):
        return f"only {agree.sum()} of its {len(agree)} matches with the others agree"
    kept_back = agree[judging]
    if kept_back.mean() < LATE.min_share or not supported(kept_back, deny[judging], 1):
        return "matches that were kept back do not agree"
    neighbours = np.bincount(_Sides(photo, with_matches(table, rows)).neighbour[agree])
    if (neighbours >= LATE.neighbour_matches).sum() < LATE.min_neighbours:
        return "only one photo agrees"
    return ""
