"""Tracks: which keypoints show one point, and the points, free of lens and photo size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..geometry.centers import centers_of
from ..geometry.exclusive_trees import exclusive_trees
from ..geometry.groups import groups_of
from ..geometry.projection import normalized_from_pixels
from ..scene.camera import Camera
from ..scene.sparse_model import SparseModel
from ..scene.views import Views
from .correspondences import (
    REFERENCE_SIDE,
    MatchTable,
    calibrated_matches,
    focal_ratios,
    keypoint_ids,
)

_ALLOWED_COST = 6.0


@dataclass(frozen=True)
class Tracks:
    """T points and O observations of them in V views.

    Observations are undistorted image coordinates (X/Z, Y/Z). `focal` turns their differences
    into pixels of a photo whose longer side has 1000, the unit of every error in this package.
    """

    points: Float[np.ndarray, "T 3"]
    track: Int[np.ndarray, " O"]
    view: Int[np.ndarray, " O"]
    rays: Float[np.ndarray, "O 2"]
    focal: Float[np.ndarray, " V"]

    def __len__(self) -> int:
        return len(self.points)

    def subset(self, chosen: Bool[np.ndarray, " T"]) -> Tracks:
        """Only the chosen tracks, numbered anew."""
        number = np.cumsum(chosen) - 1
        rows = chosen[self.track]
        return replace(
            self,
            points=self.points[chosen],
            track=number[self.track[rows]],
            view=self.view[rows],
            rays=self.rays[rows],
        )

    def shared(self) -> Tracks:
        """Only the tracks with at least two observations."""
        return self.subset(np.bincount(self.track, minlength=len(self)) >= 2)

    def of(self, views: Int[np.ndarray, " U"]) -> Tracks:
        """The same points as these views alone see them; the views are numbered anew."""
        number = np.full(len(self.focal), -1)
        number[views] = np.arange(len(views))
        rows = number[self.view] >= 0
        return replace(
            self,
            track=self.track[rows],
            view=number[self.view[rows]],
            rays=self.rays[rows],
            focal=self.focal[views],
        )

    def moved(self, points: Float[np.ndarray, "T 3"]) -> Tracks:
        """The same observations of points that lie elsewhere."""
        return replace(self, points=points)

    def depths(self, cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, " O"]:
        """Depth of each observation's point in its view, in world units."""
        return self._in_camera(cam_from_world)[:, 2]

    def errors(self, cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, " O"]:
        """Reprojection errors in pixels; infinite behind the camera."""
        xy = self.rays * self.focal[self.view, None]
        distance = np.linalg.norm(self.projected(cam_from_world) - xy, axis=1)
        return np.nan_to_num(distance, nan=np.inf)

    def projected(self, cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, "O 2"]:
        """Where each observation's point is seen, in pixels from the principal point; NaN behind
        the camera."""
        x = self._in_camera(cam_from_world)
        z = np.where(x[:, 2] > 1e-9, x[:, 2], np.nan)
        return x[:, :2] / z[:, None] * self.focal[self.view, None]

    def _in_camera(self, cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, "O 3"]:
        pose, point = cam_from_world[self.view], self.points[self.track]
        return np.einsum("oij,oj->oi", pose[:, :3, :3], point) + pose[:, :3, 3]


def component_labels(
    table: MatchTable, rows: Bool[np.ndarray, " M"]
) -> tuple[Int[np.ndarray, " M"], Bool[np.ndarray, " L"]]:
    """Numbers of the tracks that some of the matches link keypoints to.

    For matches that fit the relative pose of their pair: whatever they link, directly or not, is
    one track, and one that has two keypoints in a photo is known to be false.

    Returns:
        Of each match its track's number, -1 for matches that are not in `rows`; and of each track
        whether it has at most one keypoint in a photo.
    """
    ids = keypoint_ids(table)[rows]
    nodes, index = np.unique(ids, return_inverse=True)
    a, b = index.reshape(-1, 2).T
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(nodes), len(nodes)))
    number, label = connected_components(links, directed=False)
    photo = np.zeros(len(nodes), np.int64)
    photo[index.reshape(-1, 2)] = table.photos[rows]
    photos = int(photo.max(initial=0)) + 1
    places, count = np.unique(label * np.int64(photos) + photo, return_counts=True)
    proper = np.ones(number, bool)
    proper[places[count > 1] // photos] = False
    labels = np.full(len(table), -1)
    labels[rows] = label[a]
    return labels, proper


def grown_labels(table: MatchTable) -> Int[np.ndarray, "M 2"]:
    """Number of the track of both keypoints of each match, counting from 0.

    For matches of which some are false: tracks grow over the best supported pairs first and never
    take in two keypoints of one photo, so that a false match parts two tracks (its two numbers
    differ) where in `component_labels` it would cost both.
    """
    stride = int(table.keypoints.max(initial=0)) + 1
    nodes, inverse = np.unique(keypoint_ids(table), return_inverse=True)
    index = inverse.reshape(-1, 2)
    support = np.bincount(table.pair, minlength=len(table.pairs))
    edges = index[np.argsort(-support[table.pair], kind="stable")]
    tree = exclusive_trees(edges, nodes // stride)
    return np.unique(tree, return_inverse=True)[1][index]


def labelled_tracks(
    table: MatchTable,
    observed: tuple[Int[np.ndarray, " O"], Int[np.ndarray, " O"]],
    label: Int[np.ndarray, " O"],
    views: Int[np.ndarray, " V"],
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " P"],
) -> Tracks:
    """Tracks of keypoints that carry the same label, in ascending order of it; points still to be
    found.

    Args:
        observed: match and side (0 or 1) of each observation.
        views: photos to number the views by, ascending.
        cameras: and which of them each photo has.
    """
    _, track = np.unique(label, return_inverse=True)
    rays = calibrated_matches(table, np.arange(len(table)), cameras, camera_index)
    return Tracks(
        points=np.zeros((int(track.max(initial=-1)) + 1, 3)),
        track=track,
        view=np.searchsorted(views, table.photos[observed]),
        rays=rays[observed],
        focal=REFERENCE_SIDE * focal_ratios(cameras)[camera_index[views]],
    )


def tracks_of(poses: SparseModel, views: Views) -> Tracks:
    """Tracks of a reconstruction, their observations in the order of `views`."""
    registered = np.flatnonzero(poses.registered)
    assert views.names == tuple(poses.names[photo] for photo in registered)
    view_of = np.full(len(poses.names), -1)
    view_of[registered] = np.arange(len(registered))
    view = view_of[poses.observations[:, 1]]
    assert (view >= 0).all(), "an observation in a photo without a pose"
    rays = np.empty((len(view), 2))
    camera_index = poses.camera_index[registered]
    for own in groups_of(camera_index[view]):
        camera = poses.cameras[camera_index[view[own[0]]]]
        rays[own] = normalized_from_pixels(camera, poses.observation_xy[own])
    focal = [
        np.sqrt(camera.K[0, 0] * camera.K[1, 1])
        * (REFERENCE_SIDE / max(camera.width, camera.height))
        for camera in poses.cameras
    ]
    focal = np.array(focal)[camera_index]
    return Tracks(poses.points, poses.observations[:, 0], view, rays, focal)


def triangulated(tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"]) -> Tracks:
    """The points nearest to all their observations' rays, in the least-squares sense."""
    R = cam_from_world[:, :3, :3]
    centers = centers_of(cam_from_world)[tracks.view]
    rays = np.concatenate([tracks.rays, np.ones((len(tracks.rays), 1))], axis=1)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    directions = np.einsum("oji,oj->oi", R[tracks.view], rays)
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    A, b = np.zeros((len(tracks), 3, 3)), np.zeros((len(tracks), 3))
    np.add.at(A, tracks.track, across)
    np.add.at(b, tracks.track, np.einsum("oij,oj->oi", across, centers))
    # A hint of the old place decides for rays that are all parallel.
    A += 1e-9 * np.eye(3)
    return tracks.moved(np.linalg.solve(A, (b + 1e-9 * tracks.points)[:, :, None])[:, :, 0])


def clipped(errors: Float[np.ndarray, " O"]) -> Float[np.ndarray, " O"]:
    """Reprojection errors in pixels, none counting for more than a few."""
    return np.minimum(errors, _ALLOWED_COST)


def clipped_error(errors: Float[np.ndarray, " O"]) -> float:
    """Mean reprojection error in pixels, no observation counting for more than a few."""
    return float(clipped(errors).mean()) if len(errors) else float("nan")
