"""A database whose photos belong to other cameras than the capture says."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Int

from ..scene.camera import Camera
from ..scene.matches import MatchGraph
from .atomic import replacing
from .colmap import camera_id_of, camera_to_colmap, index_of_camera, photo_of
from .colmap_database import opened, transaction

_ROW_BYTES = 512
"""Bytes of a row of the tables of cameras, rigs, frames and images."""


def with_cameras(
    graph: MatchGraph,
    cameras: Sequence[Camera],
    known: Sequence[bool],
    camera_index: Int[np.ndarray, " V"],
    path: Path,
) -> MatchGraph:
    """The same matches in a database in which other cameras took the photos.

    Args:
        cameras: all of them; the first ones are the database's, perhaps with other intrinsics.
        known: whether the focal length of each is known beforehand.
        camera_index: each photo's camera.
        path: the database, written whole or not at all; one that is there already is used again.
    """
    if not path.exists():
        with replacing(path) as temporary:
            shutil.copyfile(graph.database, temporary)
            with opened(temporary) as database:
                size = _ROW_BYTES * 2 * (len(cameras) + len(camera_index))
                with transaction(database, size):
                    regroup(database, dict(enumerate(cameras)), camera_index, known)
    return replace(graph, database=path)


def regroup(
    database: pycolmap.Database,
    cameras: Mapping[int, Camera],
    camera_index: Int[np.ndarray, " V"],
    known: Sequence[bool] | None = None,
) -> None:
    """Writes other intrinsics of cameras, further cameras, and who took which photo; inside a
    transaction.

    Args:
        cameras: by their index; those the database lacks are added.
        camera_index: each photo's camera.
        known: whether the focal length of each camera is known beforehand. Default: as it is, and
            of added ones it is not.
    """
    for index, camera in sorted(cameras.items()):
        written = camera_to_colmap(camera, index)
        exists = database.exists_camera(written.camera_id)
        if known is not None:
            written.has_prior_focal_length = known[index]
        elif exists:
            before = database.read_camera(written.camera_id)
            written.has_prior_focal_length = before.has_prior_focal_length
        if exists:
            database.update_camera(written)
            continue
        database.write_camera(written, use_camera_id=True)
        rig = pycolmap.Rig(rig_id=written.camera_id)
        rig.add_ref_sensor(written.sensor_id)
        database.write_rig(rig, use_rig_id=True)
    for image in database.read_all_images():
        index = int(camera_index[photo_of(image.image_id)])
        if index_of_camera(image.camera_id) == index:
            continue
        image.camera_id = camera_id_of(index)
        frame = pycolmap.Frame(frame_id=image.frame_id, rig_id=image.camera_id)
        frame.add_data_id(image.data_id)
        database.update_frame(frame)
        database.update_image(image)
