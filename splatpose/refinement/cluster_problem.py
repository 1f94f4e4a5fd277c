"""A cluster as it is given to a process of its own, and where its optimisation starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from ..scene.camera import Camera
from ..scene.views import Views
from ..sfm.correspondences import MatchTable, distinct_keypoints, with_matches
from ..sfm.mapping.track_adjustment import resected
from ..sfm.tracks import Tracks, clipped, component_labels, labelled_tracks, triangulated
from ..sfm.twoview.all_pairs import RelativePoses
from ..sfm.twoview.match_errors import fitting_matches
from ..sfm.viewgraph.view_graph import solve_view_graph

_COARSE_OUTLIER = 30.0
"""In pixels: a track further off than this from poses of two views is not one."""


@dataclass(frozen=True)
class Problem:
    """n photos of a cluster, numbered from 0, and all that is known of them."""

    photos: Int[np.ndarray, " n"]
    """Their numbers in the capture."""
    table: MatchTable
    """Matches between them to learn from."""
    judging: MatchTable
    """Matches that judge; of the same pairs."""
    relative: RelativePoses
    """Relative poses of pairs that do not contradict others, fitted to `table`."""
    cameras: tuple[Camera, ...]
    camera_index: Int[np.ndarray, " n"]
    views: Views
    """The photos, undistorted and small. Poses and points are not set."""
    maps: tuple[Float[np.ndarray, "_H _W"] | None, ...]
    """Prior depth or disparity at the views' pixels, NaN where there is none."""
    kind: Literal["auto", "depth", "disparity"]


@dataclass(frozen=True)
class Placed:
    """m photos of a cluster with poses, and what they saw."""

    members: Int[np.ndarray, " m"]
    """Their numbers in the cluster."""
    cam_from_world: Float[np.ndarray, "m 4 4"]
    """In a frame and scale of the cluster's own."""
    tracks: Tracks
    """Tracks to learn from."""
    keypoint: Int[np.ndarray, " O"]
    """Index of each observation's keypoint in its photo."""
    judges: Tracks


def part(
    table: MatchTable, pairs: Int[np.ndarray, " E"], photos: Int[np.ndarray, " n"]
) -> MatchTable:
    """The matches of some rows of `table.pairs` alone, photos and pairs numbered anew.

    Args:
        pairs: all between two of `photos`.
        photos: ascending.
    """
    number = np.full(len(table.pairs), -1)
    number[pairs] = np.arange(len(pairs))
    own = with_matches(table, number[table.pair] >= 0)
    return replace(
        own,
        pairs=np.searchsorted(photos, table.pairs[pairs]),
        pair=number[own.pair],
        photos=np.searchsorted(photos, own.photos),
    )


def place(problem: Problem, *, min_matches: int, seed: int) -> Placed | None:
    """Poses from the cluster's view graph; None if they leave fewer than three photos."""
    found = solve_view_graph(
        problem.table,
        problem.cameras,
        problem.camera_index,
        min_matches=min_matches,
        seed=seed,
        relative=problem.relative,
    )
    if found is None:
        return None
    members = np.flatnonzero(np.isfinite(found.cam_from_world[:, 0, 0]))
    if len(members) < 3:
        return None
    poses = found.cam_from_world[members]
    fits = fitting_matches(problem.table, found.relative, problem.cameras, problem.camera_index)
    tracks, keypoint = cluster_tracks(problem, problem.table, fits, members, poses)
    tracks, keypoint = without_outliers(tracks, keypoint, poses, _COARSE_OUTLIER)
    everything = np.ones(len(problem.judging), bool)
    judges, _ = cluster_tracks(problem, problem.judging, everything, members, poses)
    return Placed(members, poses, tracks, keypoint, judges)


def cluster_tracks(
    problem: Problem,
    table: MatchTable,
    rows: Bool[np.ndarray, " M"],
    members: Int[np.ndarray, " m"],
    cam_from_world: Float[np.ndarray, "m 4 4"],
) -> tuple[Tracks, Int[np.ndarray, " O"]]:
    """Tracks of the matches `rows` in the placed photos, triangulated, and their keypoints."""
    rows = rows & np.isin(table.photos, members).all(axis=1)
    label, proper = component_labels(table, rows)
    rows = rows & proper[np.maximum(label, 0)] if len(proper) else rows
    table, label = with_matches(table, rows), label[rows]
    match, side = distinct_keypoints(table)
    tracks = labelled_tracks(
        table, (match, side), label[match], members, problem.cameras, problem.camera_index
    )
    return triangulated(tracks, cam_from_world), table.keypoints[match, side]


def without_outliers(
    tracks: Tracks,
    keypoint: Int[np.ndarray, " O"],
    cam_from_world: Float[np.ndarray, "m 4 4"],
    limit: float,
) -> tuple[Tracks, Int[np.ndarray, " P"]]:
    """Only tracks of which no observation is further off than `limit` pixels."""
    good = np.ones(len(tracks), bool)
    good[tracks.track[~(tracks.errors(cam_from_world) <= limit)]] = False
    return tracks.subset(good), keypoint[good[tracks.track]]


def judged(judges: Tracks, cam_from_world: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " T"]:
    """Each held-out track's mean clipped error in pixels where poses put it best.

    The poses stay as they are; a track of two photos is then off by what epipolar geometry
    cannot explain.
    """
    fixed = np.ones(len(cam_from_world), bool)
    best, _ = resected(triangulated(judges, cam_from_world), cam_from_world, fixed)
    errors = clipped(best.errors(cam_from_world))
    count = np.bincount(judges.track, minlength=len(judges))
    return np.bincount(judges.track, errors, minlength=len(judges)) / count
