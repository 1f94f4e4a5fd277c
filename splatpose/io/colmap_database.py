"""The COLMAP database of a capture: cameras, keypoints, matches and two-view geometries.

Photos and camera groups are numbered as `splatpose.io.colmap` has it, so that any COLMAP tool can
take over.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Float, Int

from ..scene.camera import Camera
from ..scene.capture import CameraGroup, Capture
from ..scene.matches import MatchGraph
from .colmap import (
    camera_from_colmap,
    camera_id_of,
    camera_to_colmap,
    image_id_of,
    index_of_camera,
    photo_of,
)

_DEFAULT_FOCAL_RATIO = 1.2
"""Focal length over the longer side where the photos do not say (COLMAP's guess)."""
_SPARE_BYTES = 2**18
"""Bytes of a transaction beside its arrays: pages that are not full, indices."""
_ROW_BYTES = 512
"""Bytes of a row beside its arrays."""
_OPEN: dict[int, Path] = {}
"""Files of the open databases, by their objects' ids."""


@dataclasses.dataclass(frozen=True)
class PairMatches:
    """Putative matches of two photos and what geometric verification made of them."""

    first: int
    second: int
    """Photo indices, first < second."""
    putative: Int[np.ndarray, "M 2"]
    geometry: pycolmap.TwoViewGeometry


@contextmanager
def opened(path: Path) -> Iterator[pycolmap.Database]:
    """Opens (or creates) the database and closes it, so that the file may be moved afterwards."""
    database = pycolmap.Database.open(path)
    _OPEN[id(database)] = path
    try:
        yield database
    finally:
        del _OPEN[id(database)]
        database.close()


@contextmanager
def transaction(database: pycolmap.Database, num_bytes: int) -> Iterator[None]:
    """Writes all that is written meanwhile, or none of it.

    COLMAP ends the process where the disk runs full in a transaction, so that space is asked for
    before.

    Args:
        database: open, by `opened`.
        num_bytes: what is about to be written.

    Raises:
        OSError: the disk is too full for that (ENOSPC).
    """
    path = _OPEN[id(database)]
    # A page is written to the journal first.
    if shutil.disk_usage(path.parent).free < 2 * num_bytes + _SPARE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    with pycolmap.DatabaseTransaction(database):
        yield


def camera_of(group: CameraGroup, index: int) -> pycolmap.Camera:
    """COLMAP's SIMPLE_RADIAL camera of a group, with EXIF's focal length where there is one."""
    focal = group.focal_prior or _DEFAULT_FOCAL_RATIO * max(group.width, group.height)
    camera = pycolmap.Camera.create_from_model_name(
        camera_id_of(index), "SIMPLE_RADIAL", focal, group.width, group.height
    )
    camera.has_prior_focal_length = group.focal_prior is not None
    return camera


def write_photos(database: pycolmap.Database, capture: Capture) -> None:
    """Cameras, rigs (one camera each), frames (one photo each) and images."""
    with transaction(database, _ROW_BYTES * (2 * len(capture.groups) + 2 * len(capture.photos))):
        for index, group in enumerate(capture.groups):
            camera = camera_of(group, index)
            database.write_camera(camera, use_camera_id=True)
            rig = pycolmap.Rig(rig_id=camera.camera_id)
            rig.add_ref_sensor(camera.sensor_id)
            database.write_rig(rig, use_rig_id=True)
        for index, photo in enumerate(capture.photos):
            image_id, camera_id = image_id_of(index), camera_id_of(photo.group)
            image = pycolmap.Image(name=photo.name, camera_id=camera_id, image_id=image_id)
            frame = pycolmap.Frame(frame_id=image_id, rig_id=camera_id)
            frame.add_data_id(image.data_id)
            image.frame_id = frame.frame_id
            database.write_frame(frame, use_frame_id=True)
            database.write_image(image, use_image_id=True)


def write_keypoints(
    database: pycolmap.Database, keypoints: Sequence[Float[np.ndarray, "_ 2"]]
) -> None:
    """Keypoints of all photos, in pixels of the photo as given."""
    with transaction(database, sum(8 * len(xy) + _ROW_BYTES for xy in keypoints)):
        for index, xy in enumerate(keypoints):
            database.write_keypoints(image_id_of(index), np.ascontiguousarray(xy, np.float32))


def write_pairs(database: pycolmap.Database, pairs: Sequence[PairMatches]) -> None:
    """Putative and verified matches, all or none of them."""
    with transaction(database, _bytes_of(pairs)):
        for pair in pairs:
            ids = image_id_of(pair.first), image_id_of(pair.second)
            database.write_matches(*ids, np.ascontiguousarray(pair.putative, np.uint32))
            database.write_two_view_geometry(*ids, pair.geometry)


def append_keypoints(
    database: pycolmap.Database, keypoints: Sequence[Float[np.ndarray, "_ 2"]]
) -> None:
    """Adds keypoints after those that each photo has already."""
    with transaction(database, sum(8 * len(xy) + _ROW_BYTES for xy in keypoints)):
        for index, xy in enumerate(keypoints):
            image_id = image_id_of(index)
            both = np.concatenate([database.read_keypoints(image_id)[:, :2], xy])
            database.update_keypoints(image_id, np.ascontiguousarray(both, np.float32))


def move_keypoints(
    database: pycolmap.Database, keypoints: Mapping[int, Float[np.ndarray, "_ 2"]]
) -> None:
    """Gives all keypoints of some photos other positions."""
    with transaction(database, sum(8 * len(xy) + _ROW_BYTES for xy in keypoints.values())):
        for index, xy in keypoints.items():
            database.update_keypoints(image_id_of(index), np.ascontiguousarray(xy, np.float32))


def replace_pairs(database: pycolmap.Database, pairs: Sequence[PairMatches]) -> None:
    """Writes pairs in place of what the database holds about them, all or none."""
    with transaction(database, _bytes_of(pairs)):
        for pair in pairs:
            ids = image_id_of(pair.first), image_id_of(pair.second)
            database.delete_matches(*ids)
            database.delete_two_view_geometry(*ids)
            database.write_matches(*ids, np.ascontiguousarray(pair.putative, np.uint32))
            database.write_two_view_geometry(*ids, pair.geometry)


def forget_pairs(database: pycolmap.Database, pairs: Int[np.ndarray, "P 2"]) -> None:
    """Takes back the verification of pairs of photos."""
    for i, j in pairs.tolist():
        database.delete_two_view_geometry(image_id_of(i), image_id_of(j))


def keep_inliers(
    database: pycolmap.Database, pair: tuple[int, int], inliers: Int[np.ndarray, "M 2"]
) -> None:
    """Leaves two photos only some of their verified matches; no geometry where there are none."""
    ids = image_id_of(pair[0]), image_id_of(pair[1])
    geometry = database.read_two_view_geometry(*ids)
    database.delete_two_view_geometry(*ids)
    if len(inliers):
        geometry.inlier_matches = np.ascontiguousarray(inliers, np.uint32)
        database.write_two_view_geometry(*ids, geometry)


def read_cameras(path: Path) -> tuple[tuple[Camera, ...], tuple[bool, ...]]:
    """Cameras in the order of their ids, and whether their focal length is known beforehand."""
    with opened(path) as database:
        cameras = sorted(database.read_all_cameras(), key=lambda camera: camera.camera_id)
    known = tuple(camera.has_prior_focal_length for camera in cameras)
    return tuple(camera_from_colmap(camera) for camera in cameras), known


def update_cameras(database: pycolmap.Database, cameras: Mapping[int, Camera]) -> None:
    """Gives cameras, by their index, other intrinsics; whether they are known stays as it is."""
    for before in database.read_all_cameras():
        index = index_of_camera(before.camera_id)
        if index in cameras:
            camera = camera_to_colmap(cameras[index], index)
            camera.has_prior_focal_length = before.has_prior_focal_length
            database.update_camera(camera)


def done_pairs(database: pycolmap.Database, pairs: Int[np.ndarray, "P 2"]) -> set[tuple[int, int]]:
    """Those of the pairs, by photo indices, that the database holds, with matches or without."""
    ids, _ = database.read_two_view_geometry_num_inliers()
    done = {_photos_of(i) for i in ids}
    # COLMAP lists only pairs that have matches; whether it holds others must be asked one by one.
    asked = ((i, j) for i, j in pairs.tolist())
    return {p for p in asked if p in done or database.exists_matches(*map(image_id_of, p))}


def read_putative(path: Path) -> dict[tuple[int, int], Int[np.ndarray, "_ 2"]]:
    """Matches before verification by photo indices."""
    with opened(path) as database:
        ids, matches = database.read_all_matches()
    return {
        _photos_of(i): np.asarray(m, np.int64).reshape(-1, 2)
        for i, m in zip(ids, matches, strict=True)
    }


def read_graph(path: Path, matcher: str) -> MatchGraph:
    """Loads the database as a `MatchGraph`, its pairs in ascending order."""
    with opened(path) as database:
        images = sorted(image.image_id for image in database.read_all_images())
        keypoints = tuple(database.read_keypoints(i)[:, :2].astype(np.float64) for i in images)
        putative = {
            _photos_of(i): len(m) for i, m in zip(*database.read_all_matches(), strict=True)
        }
        geometries = {
            _photos_of(i): g for i, g in zip(*database.read_two_view_geometries(), strict=True)
        }
    pairs = sorted(pair for pair, count in putative.items() if count > 0)
    verified = [
        np.asarray(geometries[p].inlier_matches, np.int64).reshape(-1, 2)
        if p in geometries
        else np.zeros((0, 2), np.int64)
        for p in pairs
    ]
    return MatchGraph(
        database=path,
        matcher=matcher,
        keypoints=keypoints,
        pairs=np.array(pairs, np.int64).reshape(-1, 2),
        num_putative=np.array([putative[p] for p in pairs], np.int64),
        offsets=np.cumsum([0, *map(len, verified)]),
        matches=np.concatenate([np.zeros((0, 2), np.int64), *verified]),
        configuration=np.array(
            [int(geometries[p].config) if p in geometries else 0 for p in pairs], np.int64
        ),
    )


def read_verified_pairs(
    path: Path,
) -> tuple[Int[np.ndarray, "P 2"], Int[np.ndarray, " P"]]:
    """The `verified_pairs` of a database file."""
    with opened(path) as database:
        return verified_pairs(database)


def verified_pairs(
    database: pycolmap.Database,
) -> tuple[Int[np.ndarray, "P 2"], Int[np.ndarray, " P"]]:
    """Photo indices of the pairs with verified matches, and how many each has; reads no match."""
    ids, counts = database.read_two_view_geometry_num_inliers()
    pairs = np.array([_photos_of(i) for i in ids], np.int64).reshape(-1, 2)
    matches = np.array(counts, np.int64)
    return pairs[matches > 0], matches[matches > 0]


def _bytes_of(pairs: Sequence[PairMatches]) -> int:
    return sum(
        8 * (len(pair.putative) + len(pair.geometry.inlier_matches)) + 2 * _ROW_BYTES
        for pair in pairs
    )


def _photos_of(pair_id: int) -> tuple[int, int]:
    first, second = pycolmap.pair_id_to_image_pair(pair_id)
    return photo_of(first), photo_of(second)
