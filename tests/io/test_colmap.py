"""COLMAP models and arrays are the same thing."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from splatpose.geometry.centers import centers_of
from splatpose.geometry.projection import project
from splatpose.io.colmap import (
    camera_from_colmap,
    camera_id_of,
    camera_to_colmap,
    image_id_of,
    index_of_camera,
    model_from_reconstruction,
    photo_of,
    point_id_of,
    read_model,
    read_model_to_show,
    reconstruction_from_model,
    write_model,
)
from splatpose.io.colmap_database import opened, transaction
from splatpose.scene.camera import Camera


@pytest.fixture(scope="module")
def reconstruction() -> pycolmap.Reconstruction:
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions(
        num_rigs=2, num_cameras_per_rig=1, num_frames_per_rig=3, num_points3D=40
    )
    result = pycolmap.synthesize_dataset(options)
    result.update_point_3d_errors()
    return result


def test_arrays_say_what_pycolmap_says(reconstruction: pycolmap.Reconstruction) -> None:
    model = model_from_reconstruction(reconstruction)
    assert model.registered.all()
    assert len(model.points) == 40
    assert len(model.cameras) == 2
    for i, name in enumerate(model.names):
        image = reconstruction.find_image_with_name(name)
        assert image is not None
        np.testing.assert_array_equal(model.cam_from_world[i, :3], image.cam_from_world().matrix())
        np.testing.assert_allclose(
            centers_of(model.cam_from_world)[i], image.projection_center(), atol=1e-9
        )
        own = model.observations[:, 1] == i
        assert own.sum() == image.num_points3D
        for (_, _, keypoint), xy in zip(
            model.observations[own], model.observation_xy[own], strict=True
        ):
            np.testing.assert_array_equal(image.points2D[int(keypoint)].xy, xy)


def test_observations_are_projections_of_their_points(
    reconstruction: pycolmap.Reconstruction,
) -> None:
    """Ties poses, cameras, tracks and pixels together: any mixed-up index breaks it."""
    model = model_from_reconstruction(reconstruction)
    for i in range(len(model.names)):
        own = model.observations[:, 1] == i
        xy, depth = project(
            model.cameras[model.camera_index[i]],
            model.cam_from_world[i],
            model.points[model.observations[own, 0]],
        )
        np.testing.assert_allclose(xy, model.observation_xy[own], atol=1e-6)
        assert (depth > 0).all()


@pytest.mark.parametrize("all_keypoints", [True, False])
def test_round_trip(
    reconstruction: pycolmap.Reconstruction, tmp_path: Path, all_keypoints: bool
) -> None:
    model = model_from_reconstruction(reconstruction)
    keypoints = [np.array([p.xy for p in reconstruction.image(i + 1).points2D]) for i in range(6)]
    write_model(model, tmp_path / "a b" / "0", keypoints if all_keypoints else None)
    again = read_model(tmp_path / "a b" / "0", model.names)
    np.testing.assert_allclose(again.cam_from_world, model.cam_from_world, atol=1e-12)
    np.testing.assert_array_equal(again.points, model.points)
    np.testing.assert_array_equal(again.point_colors, model.point_colors)
    np.testing.assert_allclose(again.point_errors, model.point_errors, atol=1e-9)
    np.testing.assert_array_equal(again.observations[:, :2], model.observations[:, :2])
    np.testing.assert_array_equal(again.observation_xy, model.observation_xy)
    assert [c.model for c in again.cameras] == [c.model for c in model.cameras]
    if all_keypoints:
        np.testing.assert_array_equal(again.observations, model.observations)


def test_unregistered_photos_are_nan(reconstruction: pycolmap.Reconstruction) -> None:
    model = model_from_reconstruction(reconstruction)
    registered = np.array([True, True, False, True, True, True])
    kept = model.observations[:, 1] != 2
    partial = replace(
        model,
        registered=registered,
        observations=model.observations[kept],
        observation_xy=model.observation_xy[kept],
    )
    again = model_from_reconstruction(reconstruction_from_model(partial), model.names)
    np.testing.assert_array_equal(again.registered, registered)
    assert np.isnan(again.cam_from_world[2]).all()
    assert np.isfinite(again.cam_from_world[registered]).all()


def test_names_that_do_not_fit_are_refused(reconstruction: pycolmap.Reconstruction) -> None:
    with pytest.raises(ValueError, match="not one of the photos"):
        model_from_reconstruction(reconstruction, ["a", "b", "c", "d", "e", "f"])


def test_cameras_round_trip_and_unknown_models_are_named() -> None:
    camera = Camera("OPENCV", 640, 480, np.array([500.0, 503, 318, 244, 0.06, -0.04, 0.002, 0]))
    again = camera_from_colmap(camera_to_colmap(camera, 3))
    assert (again.model, again.width, again.height) == ("OPENCV", 640, 480)
    np.testing.assert_array_equal(again.params, camera.params)
    fisheye = pycolmap.Camera.create_from_model_name(1, "OPENCV_FISHEYE", 500, 640, 480)
    with pytest.raises(ValueError, match="OPENCV_FISHEYE"):
        camera_from_colmap(fisheye)


def test_numbers_are_those_of_the_reconstruction(reconstruction: pycolmap.Reconstruction) -> None:
    model = model_from_reconstruction(reconstruction)
    again = reconstruction_from_model(model)
    for photo, name in enumerate(model.names):
        image = again.image(image_id_of(photo))
        assert image.name == name
        assert photo_of(image.image_id) == photo
        assert image.camera_id == camera_id_of(int(model.camera_index[photo]))
        assert index_of_camera(image.camera_id) == model.camera_index[photo]
    for track, xyz in enumerate(model.points):
        np.testing.assert_array_equal(again.points3D[point_id_of(track)].xyz, xyz)


def test_a_transaction_asks_for_room_before_colmap_ends_the_process(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as database:
        with pytest.raises(OSError, match="No space left") as caught, transaction(database, 10**16):
            pytest.fail("the transaction was begun")
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(tmp_path / "a.db")
        with transaction(database, 10):
            database.write_camera(pycolmap.Camera(model="PINHOLE", width=4, height=3))
        assert database.num_cameras() == 1


def test_a_model_to_show_lacks_nothing_but_observations(
    reconstruction: pycolmap.Reconstruction, tmp_path: Path
) -> None:
    reconstruction.write_binary(tmp_path)
    whole, shown = read_model(tmp_path), read_model_to_show(tmp_path)
    assert len(shown.observations) == len(shown.observation_xy) == 0
    assert shown.names == whole.names
    for name in ("registered", "cam_from_world", "camera_index"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(whole, name))
    for name in ("points", "point_colors", "point_errors"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(whole, name))
    for ours, theirs in zip(shown.cameras, whole.cameras, strict=True):
        np.testing.assert_array_equal(ours.K, theirs.K)
