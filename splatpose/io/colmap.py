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
from jaxtyping import Float, Int, UInt8

from ..errors import SplatposeError
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
    observations, points, colors, errors = _tracks(reconstruction, row)
    return SparseModel(
        names=names,
        registered=np.isfinite(poses[:, 0, 0]),
        cam_from_world=poses,
        camera_index=camera_index,
        cameras=tuple(camera_from_colmap(reconstruction.cameras[i]) for i in camera_ids),
        points=points,
        point_colors=colors,
        point_errors=errors,
        observations=observations,
        observation_xy=_observation_xy(images, ids, observations),
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
    for photo in np.flatnonzero(model.registered).tolist():
        rows = np.flatnonzero(model.observations[:, 1] == photo)
        if keypoints is None:
            keypoint_of[rows] = np.arange(len(rows))
            xy = model.observation_xy[rows]
        else:
            xy = np.asarray(keypoints[photo], np.float64)
        image = pycolmap.Image(
            name=model.names[photo],
            points2D=pycolmap.Point2DList([pycolmap.Point2D(p) for p in xy]),
            camera_id=camera_id_of(int(model.camera_index[photo])),
            image_id=image_id_of(photo),
        )
        pose = pycolmap.Rigid3d(model.cam_from_world[photo, :3])
        reconstruction.add_image_with_trivial_frame(image, pose)
    starts = np.searchsorted(model.observations[:, 0], np.arange(len(model.points) + 1))
    for track, xyz in enumerate(model.points):
        rows = range(starts[track], starts[track + 1])
        elements = [
            pycolmap.TrackElement(image_id_of(int(model.observations[o, 1])), int(keypoint_of[o]))
            for o in rows
        ]
        reconstruction.add_point3D(xyz, pycolmap.Track(elements), model.point_colors[track])
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


def _tracks(
    reconstruction: pycolmap.Reconstruction, row: dict[int, int]
) -> tuple[
    Int[np.ndarray, "O 3"],
    Float[np.ndarray, "T 3"],
    UInt8[np.ndarray, "T 3"],
    Float[np.ndarray, " T"],
]:
    points3d = sorted(reconstruction.points3D.items())
    observations = [
        (track, row[element.image_id], element.point2D_idx)
        for track, (_, point) in enumerate(points3d)
        for element in sorted(
            point.track.elements, key=lambda element: (element.image_id, element.point2D_idx)
        )
    ]
    return (
        np.array(observations, np.int64).reshape(-1, 3),
        np.array([point.xyz for _, point in points3d], np.float64).reshape(-1, 3),
        np.array([point.color for _, point in points3d], np.uint8).reshape(-1, 3),
        np.array([point.error for _, point in points3d], np.float64),
    )


def _observation_xy(
    images: dict[int, pycolmap.Image], ids: Sequence[int], observations: Int[np.ndarray, "O 3"]
) -> Float[np.ndarray, "O 2"]:
    xy = np.zeros((len(observations), 2))
    for photo in np.unique(observations[:, 1]):
        rows = np.flatnonzero(observations[:, 1] == photo)
        points2d = images[ids[photo]].points2D
        xy[rows] = [points2d[int(k)].xy for k in observations[rows, 2]]
    return xy


@contextmanager
def quiet_colmap() -> Iterator[None]:
    """Keeps COLMAP's log off stderr; what matters comes as events."""
    level = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = _ONLY_FATAL
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = level
