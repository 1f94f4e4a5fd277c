"""Cameras for the pixels as a photo's file stores them, of cameras for the upright photo, and back.

splatpose turns photos upright by their EXIF orientation. Most tools that take a model with the
photos (COLMAP's undistorter, gsplat, nerfstudio) read the pixels as they are stored: what is
written for them fits those. Turning by quarters is exact: the camera turns about its optical axis.
No camera fits pixels that are stored mirrored; these photos keep their upright camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ..scene.camera import Camera
from ..scene.sparse_model import SparseModel
from .colmap import image_id_of, model_from_reconstruction, read_reconstruction, write_model

_UPRIGHT = {1: 0, 6: 1, 3: 2, 8: 3}
"""Quarters clockwise by which stored pixels are turned upright, by EXIF orientation."""
_PARAMETERS_IN_PAIRS = ("PINHOLE", "OPENCV", "FULL_OPENCV")


def is_mirrored(orientation: int) -> bool:
    """Whether pixels of an EXIF orientation are stored mirrored."""
    return orientation not in _UPRIGHT


def quarters_to_upright(orientations: Sequence[int]) -> Int[np.ndarray, " V"]:
    """Quarters clockwise, 0 to 3, that turn stored pixels upright; 0 where they are mirrored."""
    return np.array([_UPRIGHT.get(orientation, 0) for orientation in orientations], np.int64)


def stored_model(model: SparseModel, orientations: Sequence[int]) -> SparseModel:
    """The model of the pixels as stored, of the model of the upright photos."""
    return turned_model(model, -quarters_to_upright(orientations) % 4)


def upright_model(model: SparseModel, orientations: Sequence[int]) -> SparseModel:
    """The model of the upright photos, of the model of the pixels as stored."""
    return turned_model(model, quarters_to_upright(orientations))


def write_stored_model(
    model_dir: Path, stored: SparseModel, orientations: Sequence[int], folder: Path
) -> None:
    """Writes the COLMAP model of the pixels as stored with all keypoints of the photos.

    Args:
        model_dir: the COLMAP model of the upright photos.
        stored: `stored_model` of it.
        orientations: of the photos.
        folder: is made if missing.
    """
    reconstruction = read_reconstruction(model_dir)
    upright = model_from_reconstruction(reconstruction, stored.names)
    quarters = -quarters_to_upright(orientations) % 4
    keypoints = []
    for photo, quarter in enumerate(quarters.tolist()):
        points: Float[np.ndarray, "K 2"] = np.zeros((0, 2))
        if upright.registered[photo]:
            image = reconstruction.image(image_id_of(photo))
            camera = reconstruction.cameras[image.camera_id]
            xy = np.array([point.xy for point in image.points2D], np.float64).reshape(-1, 2)
            points = turned_points(xy, camera.width, camera.height, quarter)
        keypoints.append(points)
    model = replace(
        upright,
        cam_from_world=stored.cam_from_world,
        camera_index=stored.camera_index,
        cameras=stored.cameras,
    )
    write_model(model, folder, keypoints)


def turned_model(model: SparseModel, quarters: Int[np.ndarray, " V"]) -> SparseModel:
    """The model of the same photos, each picture turned clockwise by its quarters.

    A camera whose photos are turned differently becomes several.
    """
    if not quarters.any():
        return model
    cameras, index = _split(model, quarters)
    poses, xy = model.cam_from_world.copy(), model.observation_xy.copy()
    of_photo = np.argsort(model.observations[:, 1], kind="stable")
    photos = np.arange(len(model.names) + 1)
    bounds = np.searchsorted(model.observations[of_photo, 1], photos)
    for photo in np.flatnonzero(quarters).tolist():
        poses[photo] = turned_pose(poses[photo], int(quarters[photo]))
        own = of_photo[bounds[photo] : bounds[photo + 1]]
        camera = model.cameras[int(model.camera_index[photo])]
        xy[own] = turned_points(xy[own], camera.width, camera.height, int(quarters[photo]))
    return replace(
        model,
        cam_from_world=poses,
        camera_index=index,
        cameras=cameras,
        observation_xy=xy,
        snapshots=(),
        model_dir=None,
    )


def turned_pose(
    cam_from_world: Float[np.ndarray, "4 4"], quarters: int
) -> Float[np.ndarray, "4 4"]:
    """The pose of a camera whose picture is turned clockwise by quarters."""
    turned = cam_from_world.copy()
    for _ in range(quarters % 4):
        turned[:2] = np.stack([-turned[1], turned[0]])
    return turned


def turned_camera(camera: Camera, quarters: int) -> Camera:
    """The intrinsics of a picture that is turned clockwise by quarters."""
    for _ in range(quarters % 4):
        params = camera.params.copy()
        if camera.model in _PARAMETERS_IN_PAIRS:
            params[:2] = params[1::-1]
        focals = 2 if camera.model in _PARAMETERS_IN_PAIRS else 1
        x, y = camera.params[focals : focals + 2]
        params[focals : focals + 2] = camera.height - y, x
        if camera.model in ("OPENCV", "FULL_OPENCV"):  # tangential distortion
            params[6:8] = camera.params[7], -camera.params[6]
        camera = replace(camera, width=camera.height, height=camera.width, params=params)
    return camera


def turned_points(
    xy: Float[np.ndarray, "N 2"], width: int, height: int, quarters: int
) -> Float[np.ndarray, "N 2"]:
    """Pixels of a picture of this size after it is turned clockwise by quarters."""
    for _ in range(quarters % 4):
        xy = np.stack([height - xy[:, 1], xy[:, 0]], axis=1)
        width, height = height, width
    return xy


def _split(
    model: SparseModel, quarters: Int[np.ndarray, " V"]
) -> tuple[tuple[Camera, ...], Int[np.ndarray, " V"]]:
    """Cameras for every turn of each that occurs, the first in its place; and the photos' rows."""
    cameras, rows = list(model.cameras), {}
    index = np.zeros(len(quarters), np.int64)
    for photo, (camera, quarter) in enumerate(
        zip(model.camera_index.tolist(), quarters.tolist(), strict=True)
    ):
        if (camera, quarter) not in rows:
            turned = turned_camera(model.cameras[camera], quarter)
            if any(known == camera for known, _ in rows):
                rows[camera, quarter] = len(cameras)
                cameras.append(turned)
            else:
                rows[camera, quarter] = camera
                cameras[camera] = turned
        index[photo] = rows[camera, quarter]
    return tuple(cameras), index
