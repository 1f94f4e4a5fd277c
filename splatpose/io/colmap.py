"""Sparse models: COLMAP's files and `pycolmap.Reconstruction` as arrays, and back.

COLMAP counts images, cameras and points from 1, we count photos, cameras and tracks from 0; what
one is called in the other is asked here.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

import numpy as np
import pycolmap
from jaxtyping import Float, Int

from ..errors import SplatposeError
from ..geometry.groups import rows_of_each
from ..scene.camera import Camera, CameraModel
from ..scene.sparse_model import SparseModel
from .colmap_text import FILES as TEXT
from .colmap_text import read_text_model

_ONLY_FATAL = 3
_BINARY = ("cameras.bin", "images.bin", "points3D.bin")

if threading.current_thread() is threading.main_thread():
    # Loading COLMAP has its log print a stack where the process is asked to end: whoever Python
    # knows to be concerned with that signal gets it back.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)


def image_id_of(photo: int) -> int:
    """COLMAP's number of a photo's image."""
    return photo + 1


def photo_of(image_id: int) -> int:
    """Index of the photo that an image is."""
    return image_id - 1


def camera_id_of(index: int) -> int:
    """COLMAP's number of a camera."""
    return index + 1


def index_of_camera(camera_id: int) -> int:
    """Index of a camera by COLMAP's number."""
    return camera_id - 1


def point_id_of(track: int) -> int:
    """COLMAP's number of a track's point in what `reconstruction_from_model` makes."""
    return track + 1


def camera_from_colmap(camera: pycolmap.Camera) -> Camera:
    """The same intrinsics as our type.

    Raises:
        ValueError: a camera model that splatpose does not use.
    """
    if camera.model_name not in get_args(CameraModel):
        raise ValueError(f"camera model {camera.model_name} is not one of {get_args(CameraModel)}")
    model = cast(CameraModel, camera.model_name)
    return Camera(model, camera.width, camera.height, np.array(camera.params, np.float64))


def camera_to_colmap(camera: Camera, index: int) -> pycolmap.Camera:
    """The same intrinsics as pycolmap's type, for the camera of this index."""
    return pycolmap.Camera(
        camera_id=camera_id_of(index),
        model=getattr(pycolmap.CameraModelId, camera.model),
        width=camera.width,
        height=camera.height,
        params=camera.params,
    )


def model_from_reconstruction(
    reconstruction: pycolmap.Reconstruction, names: Sequence[str] | None = None
) -> SparseModel:
    """Arrays of a reconstruction, its tracks ordered by their id.

    Args:
        names: all photos in order, where the reconstruction may lack some. Without it the
            reconstruction's own images in the order of their ids.

    Raises:
        ValueError: an image of the reconstruction is called otherwise in `names`.
    """
    images = {image.image_id: image for image in reconstruction.images.values()}
    ids = [image_id_of(i) for i in range(len(names))] if names is not None else sorted(images)
    names = tuple(names) if names is not None else tuple(images[i].name for i in ids)
    row = {image_id: i for i, image_id in enumerate(ids)}
    camera_ids = sorted(reconstruction.cameras)
    camera_row = {camera_id: i for i, camera_id in enumerate(camera_ids)}
    poses = np.full((len(ids), 4, 4), np.nan)
    camera_index = np.zeros(len(ids), np.int64)
    for image_id, image in images.items():
        if image_id not in row or names[row[image_id]] != image.name:
            raise ValueError(
                f"image {image_id} of the model is {image.name}, not one of the photos"
            )
        camera_index[row[image_id]] = camera_row[image.camera_id]
        if image.has_pose:
            poses[row[image_id], :3] = image.cam_from_world().matrix()
            poses[row[image_id], 3] = (0, 0, 0, 1)
    points = [point for _, point in sorted(reconstruction.points3D.items())]
    observations, observation_xy = _observations(
        [images.get(image_id) for image_id in ids],
        np.array(sorted(reconstruction.points3D), np.int64),
    )
    return SparseModel(
        names=names,
        registered=np.isfinite(poses[:, 0, 0]),
        cam_from_world=poses,
        camera_index=camera_index,
        cameras=tuple(camera_from_colmap(reconstruction.cameras[i]) for i in camera_ids),
        points=np.array([point.xyz for point in points], np.float64).reshape(-1, 3),
        point_colors=np.array([point.color for point in points], np.uint8).reshape(-1, 3),
        point_errors=np.array([point.error for point in points], np.float64),
        observations=observations,
        observation_xy=observation_xy,
    )


def reconstruction_from_model(
    model: SparseModel, keypoints: Sequence[Float[np.ndarray, "_ 2"]] | None = None
) -> pycolmap.Reconstruction:
    """A reconstruction of the registered photos.

    Args:
        keypoints: all keypoints of every photo, so that keypoint indices stay those of the
            database. Without them a photo's observations become its only keypoints.
    """
    reconstruction = pycolmap.Reconstruction()
    for index, camera in enumerate(model.cameras):
        reconstruction.add_camera_with_trivial_rig(camera_to_colmap(camera, index))
    keypoint_of = model.observations[:, 2].copy()
    rows_of = rows_of_each(model.observations[:, 1], len(model.names))
    for photo in np.flatnonzero(model.registered).tolist():
        if keypoints is None:
            rows = rows_of[photo]
            keypoint_of[rows] = np.arange(len(rows))
            xy = model.observation_xy[rows]
        else:
            xy = np.asarray(keypoints[photo], np.float64)
        image = pycolmap.Image(
            name=model.names[photo],
            keypoints=xy,
            camera_id=camera_id_of(int(model.camera_index[photo])),
            image_id=image_id_of(photo),
        )
        pose = pycolmap.Rigid3d(model.cam_from_world[photo, :3])
        reconstruction.add_image_with_trivial_frame(image, pose)
    starts = np.searchsorted(model.observations[:, 0], np.arange(len(model.points) + 1)).tolist()
    photo_of_row, keypoint_of_row = model.observations[:, 1].tolist(), keypoint_of.tolist()
    for track, xyz in enumerate(model.points):
        elements = pycolmap.Track()
        for row in range(starts[track], starts[track + 1]):
            elements.add_element(image_id_of(photo_of_row[row]), keypoint_of_row[row])
        reconstruction.add_point3D(xyz, elements, model.point_colors[track])
    reconstruction.update_point_3d_errors()
    return reconstruction


def read_model(folder: Path, names: Sequence[str] | None = None) -> SparseModel:
    """Reads a COLMAP model; `names` as in `model_from_reconstruction`, errors as in
    `read_reconstruction`."""
    return model_from_reconstruction(read_reconstruction(folder), names)


def read_model_to_show(folder: Path, names: Sequence[str] | None = None) -> SparseModel:
    """As `read_model`, without observations, in a fraction of the time: of many photos these are
    most of a model, and nobody who looks at it sees them."""
    reconstruction = read_reconstruction(folder)
    points = [point for _, point in sorted(reconstruction.points3D.items())]
    seen = {
        "points": np.array([point.xyz for point in points], np.float64).reshape(-1, 3),
        "point_colors": np.array([point.color for point in points], np.uint8).reshape(-1, 3),
        "point_errors": np.array([point.error for point in points], np.float64),
    }
    reconstruction.delete_all_points2D_and_points3D()
    return replace(model_from_reconstruction(reconstruction, names), **seen)


def holds_model(folder: Path) -> bool:
    """Whether a COLMAP model, binary or text, lies in a folder."""
    return any(all((folder / name).is_file() for name in names) for names in (_BINARY, TEXT))


def read_reconstruction(folder: Path) -> pycolmap.Reconstruction:
    """Reads a COLMAP model, binary or, where there is none, text.

    Raises:
        SplatposeError: there is none, or it cannot be read.
    """
    if not all((folder / name).is_file() for name in _BINARY):
        if holds_model(folder):
            return read_text_model(folder)
        raise SplatposeError(
            f"There is no COLMAP model in {folder}.",
            "It needs cameras, images and points3D, all .bin or all .txt.",
        )
    try:
        with quiet_colmap():
            return pycolmap.Reconstruction(folder)
    except (RuntimeError, ValueError, IndexError) as error:
        raise SplatposeError(
            f"{folder}: COLMAP cannot read this model ({str(error).splitlines()[0]}).",
            "Check that the files are complete.",
        ) from error


def write_model(
    model: SparseModel,
    folder: Path,
    keypoints: Sequence[Float[np.ndarray, "_ 2"]] | None = None,
) -> None:
    """Writes a binary COLMAP model of the registered photos into `folder`, made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    reconstruction_from_model(model, keypoints).write_binary(folder)


def _observations(
    images: Sequence[pycolmap.Image | None], point_ids: Int[np.ndarray, " T"]
) -> tuple[Int[np.ndarray, "O 3"], Float[np.ndarray, "O 2"]]:
    """Rows (track, photo, keypoint) in ascending order, and their pixels.

    Asked of the images: of a track's elements one has to ask each of its image again.

    Args:
        images: of each photo, None where the reconstruction has none.
        point_ids: of the tracks, ascending.
    """
    rows, pixels = [np.zeros((0, 3), np.int64)], [np.zeros((0, 2))]
    for photo, image in enumerate(images):
        if image is not None and image.num_points3D:
            seen = image.get_observation_points2D()
            track = np.searchsorted(point_ids, [point.point3D_id for point in seen])
            keypoint = np.array(image.get_observation_point2D_idxs(), np.int64)
            rows.append(np.stack([track, np.full(len(seen), photo), keypoint], axis=1))
            pixels.append(np.array([point.xy for point in seen], np.float64).reshape(-1, 2))
    observations = np.concatenate(rows)
    # Photos and their keypoints are in ascending order already.
    order = np.argsort(observations[:, 0], kind="stable")
    return observations[order], np.concatenate(pixels)[order]


@contextmanager
def quiet_colmap() -> Iterator[None]:
    """Keeps COLMAP's log off stderr; what matters comes as events."""
    level = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = _ONLY_FATAL
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = level
