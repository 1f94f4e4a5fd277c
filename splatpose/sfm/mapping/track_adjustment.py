"""Bundle adjustment of views and tracks, with some of the views held fast."""

from __future__ import annotations

import numpy as np
import pycolmap
from jaxtyping import Bool, Float

from ...geometry.similarity import alignment
from ...io.colmap import camera_id_of, image_id_of, point_id_of
from ..tracks import Tracks, clipped_error
from .bundle_adjustment import bundle_options

_SMALLEST_LOSS, _LARGEST_LOSS = 0.25, 200.0
_MOST_ROUNDS = 8
_SMALLER = 0.8


def resolved(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"]
) -> tuple[Tracks, Float[np.ndarray, "V 4 4"]]:
    """Bundle adjustment of all poses and points, intrinsics as they are.

    The robust loss bends at twice the median error, so that poses far off are drawn in by all
    observations first, and by the good ones more and more as they come near. The result is in
    the frame of the poses that were given: similarity-aligned to them.
    """
    free = np.zeros(len(cam_from_world), bool)
    adjusted, poses = _annealed(tracks, cam_from_world, free)
    frame = alignment(poses, cam_from_world)
    return adjusted.moved(frame.points(adjusted.points)), frame.cam_from_world(poses)


def resected(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"], fixed: Bool[np.ndarray, " V"]
) -> tuple[Tracks, Float[np.ndarray, "V 4 4"]]:
    """Points and the poses of the views that are not fixed, from the tracks alone."""
    return _annealed(tracks, cam_from_world, fixed)


def held_out_error(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"]
) -> tuple[Tracks, float]:
    """Triangulates tracks with the poses held fast; also their mean clipped error in pixels."""
    fixed = np.ones(len(cam_from_world), bool)
    placed, _ = resected(tracks, cam_from_world, fixed)
    return placed, clipped_error(placed.errors(cam_from_world))


def _annealed(
    tracks: Tracks, poses: Float[np.ndarray, "V 4 4"], fixed: Bool[np.ndarray, " V"]
) -> tuple[Tracks, Float[np.ndarray, "V 4 4"]]:
    if not len(tracks):
        return tracks, poses
    last = np.inf
    for _ in range(_MOST_ROUNDS):
        median = float(np.median(tracks.errors(poses)))
        loss = float(np.clip(2 * median, _SMALLEST_LOSS, _LARGEST_LOSS))
        if loss > _SMALLER * last:
            break
        last = loss
        tracks, poses = _adjusted(tracks, poses, fixed, loss)
    return tracks, poses


def _adjusted(
    tracks: Tracks,
    poses: Float[np.ndarray, "V 4 4"],
    fixed: Bool[np.ndarray, " V"],
    loss: float,
) -> tuple[Tracks, Float[np.ndarray, "V 4 4"]]:
    reconstruction = _reconstruction(tracks, poses)
    config = pycolmap.BundleAdjustmentConfig()
    images = [reconstruction.image(image_id_of(view)) for view in range(len(poses))]
    for view, image in enumerate(images):
        config.add_image(image.image_id)
        config.set_constant_cam_intrinsics(image.camera_id)
        if fixed[view]:
            config.set_constant_rig_from_world_pose(image.frame_id)
    if fixed.sum() < 2:
        config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = bundle_options(loss, principal_point=False)
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()
    result = poses.copy()
    for view in np.flatnonzero(~fixed).tolist():
        result[view, :3] = images[view].cam_from_world().matrix()
    points = np.array([reconstruction.points3D[point_id_of(i)].xyz for i in range(len(tracks))])
    return tracks.moved(points), result


def _reconstruction(tracks: Tracks, poses: Float[np.ndarray, "V 4 4"]) -> pycolmap.Reconstruction:
    """One pinhole camera a view whose pixels are those of `Tracks`, the principal point at 0."""
    reconstruction = pycolmap.Reconstruction()
    number = np.zeros(len(tracks.track), np.int64)
    for view, pose in enumerate(poses):
        rows = np.flatnonzero(tracks.view == view)
        number[rows] = np.arange(len(rows))
        focal = float(tracks.focal[view])
        camera = pycolmap.Camera(
            camera_id=camera_id_of(view),
            model="SIMPLE_PINHOLE",
            width=1,
            height=1,
            params=[focal, 0, 0],
        )
        reconstruction.add_camera_with_trivial_rig(camera)
        points = [pycolmap.Point2D(xy) for xy in tracks.rays[rows] * focal]
        image = pycolmap.Image(
            name=str(view),
            points2D=pycolmap.Point2DList(points),
            camera_id=camera.camera_id,
            image_id=image_id_of(view),
        )
        reconstruction.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose[:3]))
    order = np.argsort(tracks.track, kind="stable")
    starts = np.searchsorted(tracks.track[order], np.arange(len(tracks) + 1))
    for index, xyz in enumerate(tracks.points):
        elements = [
            pycolmap.TrackElement(image_id_of(int(tracks.view[o])), int(number[o]))
            for o in order[starts[index] : starts[index + 1]]
        ]
        reconstruction.add_point3D(xyz, pycolmap.Track(elements))
    return reconstruction
