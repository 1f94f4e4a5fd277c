"""Data sets in every format: the cameras that were written come back, axes and pixels exact."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image
from scenes import dataset_files as files
from scenes.dataset_files import Known, agrees, known_cameras, pixels

from splatpose.errors import SplatposeError
from splatpose.evaluation.formats import Format
from splatpose.evaluation.names import match_names
from splatpose.evaluation.readers import READERS, read_dataset
from splatpose.evaluation.splits import held_out_names


def renamed(known: Known, names: list[str]) -> Known:
    """The same cameras under a format's own names."""

    class Renamed(Known):
        @property
        def names(self) -> list[str]:
            return names

    return Renamed(known.cam_from_world, known.K, known.size, known.points)


@pytest.mark.parametrize("photos", ["images", "photos"])
def test_poses_json(tmp_path: Path, photos: str) -> None:
    known = known_cameras()
    files.write_poses_json(tmp_path, known, photos)
    dataset = read_dataset(tmp_path)
    agrees(dataset, known)
    assert dataset.images == tmp_path / photos
    assert dataset.place.tolist() == [0, 1] * 5
    agrees(read_dataset(tmp_path / "poses.json", "poses-json"), known)


def test_transforms(tmp_path: Path) -> None:
    known = known_cameras()
    files.write_transforms(tmp_path, known)
    dataset = read_dataset(tmp_path)
    agrees(dataset, known)
    assert dataset.test is not None
    assert dataset.test.tolist() == [i == 3 for i in range(files.COUNT)]


def test_transforms_of_blender_scenes(tmp_path: Path) -> None:
    """One angle of view, no sizes, no suffixes; without the photos the calibration is unknown."""
    known = known_cameras(centered=True, square=True)
    files.write_transforms(tmp_path, known)
    file = tmp_path / "transforms.json"
    value = json.loads(file.read_text())
    angle = 2 * np.arctan(known.size[0] / 2 / value["fl_x"])
    frames = [
        {**frame, "file_path": frame["file_path"].removesuffix(".png")} for frame in value["frames"]
    ]
    file.write_text(json.dumps({"camera_angle_x": angle, "frames": frames}))
    agrees(read_dataset(tmp_path), known)
    for photo in (tmp_path / "images").iterdir():
        photo.unlink()
    dataset = read_dataset(tmp_path)
    assert np.isnan(dataset.K).all()
    np.testing.assert_allclose(dataset.cam_from_world, known.cam_from_world, atol=1e-9)


def test_transforms_of_other_cameras(tmp_path: Path) -> None:
    """A fisheye's poses count although `splatpose` has no such camera."""
    known = known_cameras()
    files.write_transforms(tmp_path, known)
    file = tmp_path / "transforms.json"
    value = {**json.loads(file.read_text()), "camera_model": "OPENCV_FISHEYE", "k3": 0.1}
    file.write_text(json.dumps(value))
    agrees(read_dataset(tmp_path), known)


@pytest.mark.parametrize("where", [".", "sparse", "sparse/0"])
@pytest.mark.parametrize("binary", [False, True])
def test_colmap(tmp_path: Path, where: str, binary: bool) -> None:
    known = known_cameras()
    files.write_colmap_text(tmp_path, known)
    model = tmp_path / "sparse" / "0"
    if binary:
        pycolmap.Reconstruction(model).write_binary(model)
        for file in model.glob("*.txt"):
            file.unlink()
    dataset = read_dataset(tmp_path / where)
    agrees(dataset, known)
    assert dataset.name == tmp_path.name
    assert dataset.test is None


def test_names_with_blanks_in_a_text_model_whose_last_line_is_missing(tmp_path: Path) -> None:
    known = known_cameras()
    files.write_colmap_text(tmp_path, known)
    images = tmp_path / "sparse" / "0" / "images.txt"
    spaced = {name: f"shot {i} of 10.png" for i, name in enumerate(known.names)}
    text = images.read_text()
    for name, new in spaced.items():
        text = text.replace(f" {name}", f" {new}")
    images.write_text(text.rstrip())
    dataset = read_dataset(tmp_path)
    assert sorted(dataset.names) == sorted(spaced.values())
    assert np.isfinite(dataset.cam_from_world).all()


def test_names_with_blanks_in_a_tum_sequence(tmp_path: Path) -> None:
    (tmp_path / "rgb.txt").write_text("# t file\n 1.0 rgb/a b.png \n2.0 rgb/c.png\n")
    (tmp_path / "groundtruth.txt").write_text("1.0 0 0 0 0 0 0 1\n2.0 1 0 0 0 0 0 1\n")
    assert read_dataset(tmp_path, "tum").names == ("a b.png", "c.png")


def test_mip_nerf_360(tmp_path: Path) -> None:
    """Smaller photos have calibrations of their own; every 8th photo from the first is held out."""
    known = known_cameras()
    files.write_colmap_text(tmp_path, known)
    files.write_photos(tmp_path / "images_4", known.names, (24, 16))
    dataset = read_dataset(tmp_path)
    agrees(dataset, known)
    assert dataset.test is not None
    assert np.flatnonzero(dataset.test).tolist() == [0, 8]
    small = read_dataset(tmp_path, "mipnerf360", subfolder="images_4")
    assert (small.sizes == (24, 16)).all()
    assert small.images == tmp_path / "images_4"
    np.testing.assert_allclose(small.K[:, :2], dataset.K[:, :2] / 4)


def test_llff(tmp_path: Path) -> None:
    known = known_cameras(centered=True, square=True)
    files.write_llff(tmp_path, known)
    dataset = read_dataset(tmp_path)
    agrees(dataset, known)
    assert dataset.test is not None
    assert np.flatnonzero(dataset.test).tolist() == [0, 8]
    files.write_photos(tmp_path / "images_4", [f"image{i:03d}.png" for i in range(10)], (24, 16))
    small = read_dataset(tmp_path, subfolder="images_4")
    assert small.names[3] == "image003.png"
    np.testing.assert_allclose(small.K[:, :2], dataset.K[:, :2] / 4)
    (tmp_path / "images" / known.names[0]).unlink()
    with pytest.raises(SplatposeError, match="10 cameras, and images 9 photos"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(("scene", "test"), [("Horse", [4]), ("Family", [1, 3, 5, 7, 9])])
def test_nope_nerf(tmp_path: Path, scene: str, test: list[int]) -> None:
    """Its unit is 0.75 times the nearest depth, its split every 8th from the fifth."""
    known = known_cameras(centered=True, square=True)
    files.write_llff(tmp_path / scene, known, nearest=2.0)
    dataset = read_dataset(tmp_path / scene)
    agrees(dataset, known, scale=1 / 1.5)
    assert dataset.name == scene
    assert dataset.test is not None
    assert np.flatnonzero(dataset.test).tolist() == test


@pytest.mark.parametrize("kind", ["ndc_isotropic", "ndc_norm_image_bounds"])
@pytest.mark.parametrize("size", [(96, 64), (64, 96)])
def test_co3d(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    known = known_cameras(size=size)
    sequence = files.write_co3d(tmp_path / "hydrant", known, kind)
    agrees(read_dataset(sequence), known)
    with pytest.raises(SplatposeError, match="not a sequence") as refusal:
        read_dataset(tmp_path / "hydrant")
    assert sequence.name in refusal.value.hint


def test_scannet(tmp_path: Path) -> None:
    known = known_cameras()
    names = files.write_scannet(tmp_path, known)
    dataset = read_dataset(tmp_path)
    assert np.isnan(dataset.cam_from_world[3]).all()
    check_without(dataset, renamed(known, names), 3)


def test_seven_scenes(tmp_path: Path) -> None:
    """The colour camera's focal length is nominal: 525 pixels of 640."""
    known = known_cameras(size=(96, 72), centered=True)
    K = known.K.copy()
    K[0, 0] = K[1, 1] = 525 / 640 * 96
    known = replace(known, K=K)
    names = files.write_seven_scenes(tmp_path, known)
    dataset = read_dataset(tmp_path)
    assert np.isnan(dataset.cam_from_world[1]).all()
    check_without(dataset, renamed(known, names), 1)


def check_without(dataset, known: Known, lost: int) -> None:
    """All but one camera agree."""
    kept = [i for i in range(len(known.names)) if i != lost]
    some = Known(known.cam_from_world[kept], known.K, known.size, known.points)
    assert list(dataset.names) == known.names
    agrees(
        replace(
            dataset,
            names=tuple(known.names[i] for i in kept),
            cam_from_world=dataset.cam_from_world[kept],
            K=dataset.K[kept],
            sizes=dataset.sizes[kept],
            place=dataset.place[kept],
        ),
        renamed(some, [known.names[i] for i in kept]),
    )


def test_tum(tmp_path: Path) -> None:
    """The nearest pose in time belongs to a photo; intrinsics are those of the named camera."""
    known = known_cameras(size=(640, 480))
    K = np.array([[535.4, 0, 320.1 + 0.5], [0, 539.2, 247.6 + 0.5], [0, 0, 1]])
    known = replace(known, K=K)
    folder = tmp_path / "rgbd_dataset_freiburg3_office"
    names = files.write_tum(folder, known)
    agrees(read_dataset(folder), renamed(known, names))
    trajectory = read_dataset(folder / "groundtruth.txt")
    assert len(trajectory.names) == 3 * files.COUNT
    np.testing.assert_allclose(trajectory.cam_from_world[1::3], known.cam_from_world, atol=1e-7)
    # Photos before and after the tracked time have no pose.
    with (folder / "rgb.txt").open("a") as file:
        file.write("1305031200.0 rgb/late.png\n")
    assert np.isnan(read_dataset(folder).cam_from_world[-1]).all()


def test_dtu(tmp_path: Path) -> None:
    known = known_cameras()
    files.write_dtu_npz(tmp_path / "scan24", known)
    agrees(read_dataset(tmp_path / "scan24"), known)
    files.write_dtu_mvsnet(tmp_path / "scan9", known)
    agrees(read_dataset(tmp_path / "scan9"), known)


def test_dtu_rectified(tmp_path: Path) -> None:
    """Photos of the same position in another light have the same camera."""
    known = known_cameras()
    folder, names = files.write_dtu_rectified(tmp_path, known)
    dataset = read_dataset(folder)
    assert list(dataset.names) == names
    seen = pixels(dataset.cam_from_world, dataset.K, known.points)
    np.testing.assert_allclose(seen[::2], known.pixels(), atol=1e-3)
    np.testing.assert_allclose(seen[1::2], known.pixels(), atol=1e-3)


@pytest.mark.parametrize("format", list(READERS))
def test_wrong_folder(tmp_path: Path, format: Format) -> None:
    """Every reader says what it looked for where that is not."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(SplatposeError) as refusal:
        read_dataset(tmp_path, format)
    assert refusal.value.hint
    assert str(tmp_path) in refusal.value.message


def test_nothing_recognised(tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="no true cameras") as refusal:
        read_dataset(tmp_path)
    for word in ("poses.json", "poses_bounds.npy", "frame_annotations.jgz", "--format"):
        assert word in refusal.value.hint
    with pytest.raises(SplatposeError, match="does not exist"):
        read_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("write", "file", "content"),
    [
        (files.write_poses_json, "poses.json", '{"frames": [{"file": "a.png", "c2w": [1]}]}'),
        (files.write_poses_json, "poses.json", '{"frames": "c2w"'),
        (files.write_llff, "poses_bounds.npy", "not an array"),
        (files.write_dtu_npz, "cameras.npz", "not a zip"),
        (files.write_colmap_text, "sparse/0/images.txt", "1 2 3\n\n"),
        (files.write_scannet, "pose/0.txt", "1 2 3"),
        (files.write_tum, "groundtruth.txt", "1 2 3"),
        (files.write_tum, "rgb.txt", "no time"),
    ],
)
def test_damaged_files(
    tmp_path: Path, write: Callable[[Path, Known], object], file: str, content: str
) -> None:
    write(tmp_path, known_cameras(size=(640, 480)))
    (tmp_path / file).write_text(content)
    with pytest.raises(SplatposeError) as refusal:
        read_dataset(tmp_path, "poses-json" if file == "poses.json" else "auto")
    assert str(tmp_path) in refusal.value.message


def test_rounded_and_mirrored_rotations(tmp_path: Path) -> None:
    """Rounded rotations are made exact about the same centre; a mirrored camera is refused."""
    known = known_cameras()
    files.write_poses_json(tmp_path, known)
    value = json.loads((tmp_path / "poses.json").read_text())
    for frame in value["frames"]:
        frame["c2w"] = np.round(frame["c2w"], 3).tolist()
    (tmp_path / "poses.json").write_text(json.dumps(value))
    dataset = read_dataset(tmp_path)
    R = dataset.cam_from_world[:, :3, :3]
    identity = np.broadcast_to(np.eye(3), R.shape)
    np.testing.assert_allclose(R @ np.swapaxes(R, 1, 2), identity, atol=1e-12)
    centers = np.linalg.inv(dataset.cam_from_world)[:, :3, 3]
    np.testing.assert_allclose(centers, np.round(known.world_from_cam[:, :3, 3], 3), atol=1e-12)
    for frame in value["frames"]:
        frame["c2w"][0][0] *= -1
        frame["c2w"][1][0] *= -1
        frame["c2w"][2][0] *= -1
    (tmp_path / "poses.json").write_text(json.dumps(value))
    with pytest.raises(SplatposeError, match="mirrors"):
        read_dataset(tmp_path)


def test_real_sets(shared: Path) -> None:
    """Truth and photos of every set at hand fit together."""
    sets = [path.parent for path in sorted((shared / "data").glob("*/poses*.json"))]
    assert sets
    for folder in sets:
        dataset = read_dataset(folder)
        known = np.isfinite(dataset.cam_from_world).all((1, 2))
        assert known.any(), folder
        for name, size in list(zip(dataset.names, dataset.sizes, strict=True))[::10]:
            with Image.open(dataset.images / name) as image:
                assert image.size == tuple(size), (folder, name)
        assert np.allclose(np.linalg.det(dataset.cam_from_world[known][:, :3, :3]), 1)


@pytest.mark.parametrize(
    ("truth", "estimate", "index", "rule"),
    [
        (["a.jpg", "b.jpg"], ["b.jpg", "a.jpg"], [1, 0], "path"),
        (["photos/x/a.jpg", "photos/y/a.jpg"], ["y/a.jpg", "x/a.jpg"], [1, 0], "common folder"),
        (["left/a.jpg", "right/b.jpg"], ["b.jpg", "c.jpg"], [-1, 0], "file name"),
        (["a.png", "b.png"], ["b.jpg"], [-1, 0], "without suffix"),
        (["x/a.jpg", "y/a.jpg", "x/b.jpg"], ["a.jpg", "b.jpg"], [-1, -1, 1], "file name"),
        (["img2.jpg", "img10.jpg"], ["0.000000", "1.000000"], [0, 1], "number of the photo"),
        (["img10.jpg", "img2.jpg"], ["0.000000", "1.000000"], [1, 0], "number of the photo"),
        (["1.00.png", "1.50.png", "9.png"], ["1.51", "1.0"], [1, 0, -1], "time"),
        (["0.990", "1.004", "1.013", "1.5"], ["1.0.png", "1.49.png"], [-1, 0, -1, 1], "time"),
        (["0", "2", "1"], ["a.jpg", "b.jpg", "c.jpg"], [0, 2, 1], "number of the photo"),
    ],
)
def test_names(truth: list[str], estimate: list[str], index: list[int], rule: str) -> None:
    found = match_names(truth, estimate)
    assert found.index.tolist() == index
    assert rule in found.rule


def test_names_without_match() -> None:
    with pytest.raises(SplatposeError, match=r"a\.jpg.*IMG_1\.jpg"):
        match_names(["a.jpg", "b.jpg"], ["IMG_1.jpg", "IMG_2.jpg"])


@pytest.mark.parametrize("name", ["nan.jpg", "inf.jpg", "-inf.png", "1e999.jpg", "².jpg", "①"])
@pytest.mark.filterwarnings("error")
def test_names_that_pass_for_numbers(name: str) -> None:
    assert match_names([name, "b.jpg"], ["0.jpg", name]).index.tolist() == [1, -1]
    with pytest.raises(SplatposeError, match="has the name of a photo"):
        match_names([name, "2.jpg"], ["0.jpg", "1.jpg"])


@pytest.mark.parametrize("split", ["every:²", "every:①", "every:" + "9" * 5000])
def test_a_split_of_odd_digits_is_an_error_for_people(split: str) -> None:
    with pytest.raises(SplatposeError):
        held_out_names([f"{i}.jpg" for i in range(9)], split)


@pytest.mark.parametrize("content", [b"[1, 2]", b"[", b"\xff\xfe\x00", b'["a.jpg", null]'])
def test_a_split_file_that_holds_no_names_is_an_error_for_people(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "split").write_bytes(content)
    with pytest.raises(SplatposeError, match="cannot be read as names"):
        held_out_names(["a.jpg"], str(tmp_path / "split"))


def test_a_matrix_that_is_no_pose_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "poses.json").write_text(
        json.dumps({"frames": [{"file": "a.jpg", "c2w": np.zeros((4, 4)).tolist()}]})
    )
    with pytest.raises(SplatposeError, match="singular"):
        read_dataset(tmp_path, "poses-json")


@pytest.mark.parametrize("value", ["Infinity", "NaN", "1e999", '"²"'])
@pytest.mark.parametrize("format", ["nerfstudio", "poses-json"])
def test_sizes_that_are_no_numbers_are_an_error_for_people(
    tmp_path: Path, value: str, format: Format
) -> None:
    eye = np.eye(4).tolist()
    frame = f'{{"file": "a.jpg", "file_path": "a.jpg", "c2w": {eye}, "transform_matrix": {eye}, '
    frame += f'"fl_x": 1, "fx": 1, "w": {value}, "h": 2}}'
    for name in ("transforms.json", "poses.json"):
        (tmp_path / name).write_text(f'{{"frames": [{frame}]}}')
    with pytest.raises(SplatposeError, match="frame cannot be read"):
        read_dataset(tmp_path, format)
