"""transforms.json: axes, round trips, other writers' files, wrong files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scenes import DEMO

from splatpose.errors import SplatposeError
from splatpose.geometry.rotations import so3_exp
from splatpose.io.nerfstudio import (
    Transforms,
    cam_from_opengl,
    opengl_from_cam,
    read_transforms,
    relative_path,
    write_transforms,
)
from splatpose.scene.camera import Camera

TRANSFORMS = DEMO / "transforms.json"
FRAME = {"file_path": "a.jpg", "transform_matrix": np.eye(4).tolist()}
INTRINSICS = {"w": 64, "h": 48, "fl_x": 50.0}


def random_poses(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = so3_exp(rng.normal(size=(count, 3)))
    poses[:, :3, 3] = rng.normal(size=(count, 3))
    return poses


def a_scene(folder: Path, cameras: tuple[Camera, ...]) -> Transforms:
    count = 5
    return Transforms(
        photos=tuple(folder / "photos" / f"b {i} ü.jpg" for i in range(count)),
        cam_from_world=random_poses(count),
        cameras=cameras,
        camera_index=np.arange(count) % len(cameras),
        point_cloud=folder / "run" / "sparse_pc.ply",
    )


OPENCV = Camera("OPENCV", 640, 480, np.array([500.0, 510, 321, 239, 0.1, -0.02, 1e-3, -2e-3]))
THREE = Camera(
    "FULL_OPENCV", 64, 48, np.array([60.0, 60, 32, 24, 0.2, -0.7, 0.001, 0.002, 0.9, 0, 0, 0])
)
RADIAL = Camera("RADIAL", 300, 400, np.array([333.0, 150, 201, -0.1, 0.03]))
PINHOLE = Camera("SIMPLE_PINHOLE", 300, 400, np.array([333.0, 150, 201]))


def test_a_camera_that_looks_ahead_looks_along_minus_z_in_opengl() -> None:
    """A camera at (0, 0, -5) that looks at the origin, image top towards -y, as score_poses.py and
    nerfstudio expect it: its columns are right, up, backward, centre."""
    cam_from_world = np.eye(4)
    cam_from_world[2, 3] = 5
    pose = opengl_from_cam(cam_from_world)
    np.testing.assert_allclose(pose[:3, 0], (1, 0, 0))
    np.testing.assert_allclose(pose[:3, 1], (0, -1, 0))
    np.testing.assert_allclose(pose[:3, 2], (0, 0, -1))
    np.testing.assert_allclose(pose[:3, 3], (0, 0, -5))


def test_axes_there_and_back() -> None:
    poses = random_poses(20)
    np.testing.assert_allclose(cam_from_opengl(opengl_from_cam(poses)), poses, atol=1e-12)
    assert np.allclose(np.linalg.det(opengl_from_cam(poses)[:, :3, :3]), 1)


def test_the_demo_s_cameras_see_the_table_upright() -> None:
    """An independent writer's file: every true camera looks at the still life with z up."""
    scene = read_transforms(TRANSFORMS)
    assert all(photo.is_file() for photo in scene.photos)
    assert 16 <= len(scene.photos) <= 24
    K = scene.cameras[0].K
    world = np.array([[0, 0.12, 0.08, 1], [0, 0.12, 0.28, 1]])
    for pose in scene.cam_from_world:
        seen = (world @ pose.T)[:, :3] @ K.T
        assert (seen[:, 2] > 1).all()
        (x, y), (_, y_above) = seen[:, :2] / seen[:, 2:]
        assert abs(x - 320) < 80
        assert abs(y - 240) < 80
        assert y_above < y - 30


@pytest.mark.parametrize("cameras", [(OPENCV,), (RADIAL,), (PINHOLE,), (OPENCV, RADIAL), (THREE,)])
@pytest.mark.parametrize("absolute", [False, True])
def test_round_trip(tmp_path: Path, cameras: tuple[Camera, ...], absolute: bool) -> None:
    (tmp_path / "run").mkdir()
    scene = a_scene(tmp_path, cameras)
    path = tmp_path / "run" / "transforms.json"
    write_transforms(path, scene, absolute=absolute)
    value = json.loads(path.read_text())
    assert ("fl_x" in value) == (len(cameras) == 1)
    assert Path(value["frames"][0]["file_path"]).is_absolute() == absolute
    back = read_transforms(path)
    assert [p.resolve() for p in back.photos] == [p.resolve() for p in scene.photos]
    np.testing.assert_allclose(back.cam_from_world, scene.cam_from_world, atol=1e-12)
    np.testing.assert_array_equal(back.camera_index, scene.camera_index)
    for ours, read in zip(cameras, back.cameras, strict=True):
        np.testing.assert_allclose(read.K, ours.K)
        padded = np.zeros(8)
        padded[: len(ours.distortion)] = ours.distortion
        np.testing.assert_allclose(read.distortion, padded[: len(read.distortion)])
        assert not padded[len(read.distortion) :].any()
        assert (read.width, read.height) == (ours.width, ours.height)
    assert back.point_cloud is not None
    assert back.point_cloud.resolve() == (tmp_path / "run" / "sparse_pc.ply").resolve()


def test_paths_are_those_of_the_folder_it_will_lie_in(tmp_path: Path) -> None:
    scene = a_scene(tmp_path, (OPENCV,))
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    path = tmp_path / "elsewhere" / "deep" / "transforms.json"
    write_transforms(path, scene, folder=tmp_path / "run")
    value = json.loads(path.read_text())
    assert value["frames"][0]["file_path"] == "../photos/b 0 ü.jpg"
    assert value["ply_file_path"] == "sparse_pc.ply"


def test_relative_paths_survive_symbolic_links(tmp_path: Path) -> None:
    (tmp_path / "disk" / "run").mkdir(parents=True)
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "run").symlink_to(tmp_path / "disk" / "run")
    named = relative_path(tmp_path / "photo.jpg", tmp_path / "run")
    assert (tmp_path / "run" / named).is_file()


def test_reads_what_other_tools_write(tmp_path: Path) -> None:
    """NeRF's camera_angle_x, three-row matrices, intrinsics in the frame over those on top."""
    frames = [
        {"file_path": "a.png", "transform_matrix": np.eye(4)[:3].tolist()},
        {"file_path": "b.png", "transform_matrix": np.eye(4)[:3].tolist(), "fl_x": 70, "cx": 1},
    ]
    angle = 2 * np.arctan(0.8)
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"camera_angle_x": angle, "w": 80, "h": 60, "frames": frames}))
    scene = read_transforms(path)
    np.testing.assert_allclose(scene.cameras[0].params[:4], (50, 50, 40, 30))
    np.testing.assert_allclose(scene.cameras[1].params[:4], (70, 70, 1, 30))
    assert scene.point_cloud is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not json", "not JSON"),
        ("[1]", "no list of frames"),
        ('{"frames": []}', "no photo"),
        ('{"frames": [3]}', "not an object"),
        (json.dumps({"frames": [FRAME]}), "lacks w, h or fl_x"),
        (json.dumps({**INTRINSICS, "frames": [{"file_path": "a"}]}), "transform_matrix"),
        (json.dumps({**INTRINSICS, "frames": [{**FRAME, "transform_matrix": [[1]]}]}), "4x4"),
        (
            json.dumps({**INTRINSICS, "camera_model": "OPENCV_FISHEYE", "frames": [FRAME]}),
            "FISHEYE",
        ),
        (json.dumps({**INTRINSICS, "k4": 0.1, "frames": [FRAME]}), "above k3"),
    ],
)
def test_wrong_files_are_explained(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(SplatposeError) as error:
        read_transforms(path)
    assert says in error.value.message
    assert error.value.hint


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="does not exist"):
        read_transforms(tmp_path / "no.json")
