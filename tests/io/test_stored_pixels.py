"""Models for the pixels that other tools read: photos stored turned, as cameras store them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pycolmap
import pytest
from PIL import ExifTags, Image

from splatpose.geometry.centers import centers_of
from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp
from splatpose.io.colmap import read_model, write_model
from splatpose.io.photos import read_header, read_photo
from splatpose.io.stored_pixels import (
    is_mirrored,
    quarters_to_upright,
    stored_model,
    turned_camera,
    turned_points,
    turned_pose,
    upright_model,
    write_stored_model,
)
from splatpose.scene.camera import Camera
from splatpose.scene.sparse_model import SparseModel

LANDSCAPE = Camera("OPENCV", 320, 240, np.array([250, 260, 150, 130, 0.05, -0.01, 0.004, -0.006]))
PORTRAIT = Camera("SIMPLE_RADIAL", 240, 320, np.array([255.0, 125, 150, 0.04]))
ORIENTATIONS = (1, 6, 3, 8, 6, 1)
PORTRAITS = (1, 3, 4)
CAMERAS = [
    Camera("SIMPLE_PINHOLE", 320, 240, np.array([250.0, 150, 130])),
    Camera("PINHOLE", 320, 240, np.array([250.0, 260, 150, 130])),
    Camera("RADIAL", 320, 240, np.array([250.0, 150, 130, 0.05, -0.01])),
    LANDSCAPE,
    PORTRAIT,
]


def model_of_upright_photos() -> SparseModel:
    """Six photos of nine points; three of them portraits."""
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid([-0.5, 0, 0.5], [-0.5, 0, 0.5], [0.0]), -1).reshape(-1, 3)
    points = grid + rng.normal(0, 0.05, grid.shape)
    count = len(ORIENTATIONS)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = so3_exp(rng.normal(0, 0.1, (count, 3)))
    poses[:, :3, 3] = rng.normal(0, 0.1, (count, 3)) + np.array([0, 0, 3])
    index = np.isin(np.arange(count), PORTRAITS).astype(np.int64)
    cameras = (LANDSCAPE, PORTRAIT)
    xy = [
        project(cameras[c], pose, points)[0] for pose, c in zip(poses, index.tolist(), strict=True)
    ]
    rows = np.array([(t, p, t) for t in range(len(points)) for p in range(count)])
    return replace(
        SparseModel.of_cameras([f"{i}.png" for i in range(count)], poses, index, cameras),
        points=points,
        point_colors=np.full((len(points), 3), 200, np.uint8),
        point_errors=np.zeros(len(points)),
        observations=rows,
        observation_xy=np.stack([xy[p][t] for t, p, _ in rows]),
    )


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.model)
@pytest.mark.parametrize("quarters", [1, 2, 3, 4, -1])
def test_a_turned_camera_sees_the_turned_picture(camera: Camera, quarters: int) -> None:
    pose = np.eye(4)
    pose[:3, :3] = so3_exp(np.array([0.1, -0.2, 0.3]))
    pose[:3, 3] = 0.2, -0.1, 2
    points = np.random.default_rng(0).normal(0, 0.4, (50, 3))
    xy, depth = project(camera, pose, points)
    turned, same = project(turned_camera(camera, quarters), turned_pose(pose, quarters), points)
    np.testing.assert_allclose(same, depth, atol=1e-12)
    expected = turned_points(xy, camera.width, camera.height, quarters)
    np.testing.assert_allclose(turned, expected, atol=1e-9)


def test_pixels_turn_as_pictures_do() -> None:
    picture = np.zeros((4, 6), np.uint8)
    picture[1, 4] = 1
    row, column = np.argwhere(np.rot90(picture, -1))[0]  # clockwise
    xy = turned_points(np.array([[4.5, 1.5]]), 6, 4, 1)
    np.testing.assert_array_equal(xy, [[column + 0.5, row + 0.5]])


def test_there_and_back() -> None:
    model = model_of_upright_photos()
    stored = stored_model(model, ORIENTATIONS)
    sizes = [(stored.cameras[i].width, stored.cameras[i].height) for i in stored.camera_index]
    assert set(sizes) == {(320, 240)}, "the sensor's format, whichever way it was held"
    np.testing.assert_allclose(centers_of(stored.cam_from_world), centers_of(model.cam_from_world))
    again = upright_model(stored, ORIENTATIONS)
    np.testing.assert_allclose(again.cam_from_world, model.cam_from_world, atol=1e-12)
    np.testing.assert_allclose(again.observation_xy, model.observation_xy, atol=1e-9)
    for photo in range(len(ORIENTATIONS)):
        first, second = (m.cameras[m.camera_index[photo]] for m in (model, again))
        assert (first.width, first.height) == (second.width, second.height)
        np.testing.assert_allclose(first.params, second.params, atol=1e-12)


def test_upright_photos_keep_their_model() -> None:
    model = model_of_upright_photos()
    assert stored_model(model, [1] * 6) is model
    assert stored_model(model, [2, 4, 5, 7, 1, 1]) is model, "no camera fits mirrored pixels"
    assert [is_mirrored(orientation) for orientation in (1, 2, 3, 4, 5, 6, 7, 8)] == [
        *(False, True, False, True),
        *(True, False, True, False),
    ]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_quarters_are_what_files_need(tmp_path: Path, orientation: int, suffix: str) -> None:
    """Stored pixels, turned by the quarters, are the photo as it is read upright."""
    stored = np.zeros((40, 64, 3), np.uint8)
    stored[:20, :32], stored[20:, :32], stored[20:, 32:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(stored).save(path, exif=exif, quality=100)
    quarters = quarters_to_upright([read_header(path).stored_orientation])[0]
    difference = np.abs(read_photo(path).astype(int) - np.rot90(stored, -quarters))
    assert np.median(difference) < 4


def test_colmap_undistorts_photos_that_are_stored_turned(tmp_path: Path) -> None:
    """Every point lies on its mark in the pictures that pycolmap makes of files and model."""
    upright = model_of_upright_photos()
    images, model = tmp_path / "images", tmp_path / "sparse"
    images.mkdir()
    for photo, (name, quarters) in enumerate(
        zip(upright.names, quarters_to_upright(ORIENTATIONS).tolist(), strict=True)
    ):
        camera = upright.cameras[upright.camera_index[photo]]
        picture = np.zeros((camera.height, camera.width, 3), np.uint8)
        own = upright.observations[:, 1] == photo
        for track, (x, y) in zip(
            upright.observations[own, 0], upright.observation_xy[own], strict=True
        ):
            mark = (60, 20 * int(track) + 60, 255)
            cv2.circle(picture, (round(x - 0.5), round(y - 0.5)), 6, mark, -1)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = ORIENTATIONS[photo]
        Image.fromarray(np.ascontiguousarray(np.rot90(picture, quarters))).save(
            images / name, exif=exif
        )
    write_model(upright, tmp_path / "upright")
    stored = stored_model(upright, ORIENTATIONS)
    write_stored_model(tmp_path / "upright", stored, ORIENTATIONS, model)
    pycolmap.undistort_images(tmp_path / "out", model, images)
    found = read_model(tmp_path / "out" / "sparse")
    assert found.names == upright.names
    for photo, name in enumerate(found.names):
        # The undistorter keeps the EXIF; its other readers do not turn by it either.
        as_stored = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        picture = cv2.imread(str(tmp_path / "out" / "images" / name), as_stored)
        camera = found.cameras[found.camera_index[photo]]
        assert picture.shape[:2] == (camera.height, camera.width)
        xy, _ = project(camera, found.cam_from_world[photo], upright.points)
        for track, (x, y) in enumerate(xy):
            blue, green, _ = picture[int(y), int(x)].tolist()
            assert blue > 200, f"no mark of point {track} in {name}"
            assert abs(green - (20 * track + 60)) < 10


def test_all_keypoints_move_along(tmp_path: Path) -> None:
    upright = model_of_upright_photos()
    keypoints = [
        np.vstack([upright.observation_xy[upright.observations[:, 1] == p], [[5.0, 7.0]]])
        for p in range(6)
    ]
    write_model(upright, tmp_path / "upright", keypoints)
    stored = stored_model(upright, ORIENTATIONS)
    write_stored_model(tmp_path / "upright", stored, ORIENTATIONS, tmp_path / "stored")
    model = pycolmap.Reconstruction(tmp_path / "stored")
    assert model.compute_mean_reprojection_error() < 1e-6
    np.testing.assert_allclose(model.image(2).points2D[9].xy, (7, 240 - 5))
    np.testing.assert_allclose(model.image(1).points2D[9].xy, (5, 7))
