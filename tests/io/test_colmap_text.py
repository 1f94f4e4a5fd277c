"""COLMAP's text models: names with blanks, missing lines, and what COLMAP itself makes of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from splatpose.errors import SplatposeError
from splatpose.io.colmap import model_from_reconstruction, read_model, read_reconstruction
from splatpose.io.colmap_text import read_text_model, write_text_model

NAMES = ("a b  c.jpg", "#1 'Küche'.jpg", "12", "deep er/写真 1.png", "plain.jpg", "1 2 3 x.jpg")


def made(count: int = 6, points: int = 20) -> pycolmap.Reconstruction:
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions(
        num_rigs=1, num_cameras_per_rig=1, num_frames_per_rig=count, num_points3D=points
    )
    model = pycolmap.synthesize_dataset(options)
    for (_, image), name in zip(sorted(model.images.items()), NAMES, strict=True):
        image.name = name
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_text_model(made(), tmp_path / "model")
    return tmp_path / "model"


def edited(folder: Path, name: str, edit: Callable[[str], str]) -> Path:
    file = folder / name
    file.write_bytes(edit(file.read_text(encoding="utf-8")).encode())
    return folder


def test_what_is_written_is_read_back_to_the_last_bit(folder: Path) -> None:
    model, again = model_from_reconstruction(made()), read_model(folder)
    assert again.names == NAMES
    for field in fields(model):
        first, second = getattr(model, field.name), getattr(again, field.name)
        if isinstance(first, np.ndarray):
            np.testing.assert_allclose(second, first, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(again.points, model.points)
    np.testing.assert_array_equal(again.observation_xy, model.observation_xy)
    assert all(len(image.points2D) for image in read_text_model(folder).images.values())


def test_colmap_reads_what_is_written(tmp_path: Path) -> None:
    model = made()
    for number, image in model.images.items():
        image.name = f"{number}.jpg"
    write_text_model(model, tmp_path)
    ours, theirs = read_text_model(tmp_path), pycolmap.Reconstruction(tmp_path)
    assert ours.summary() == theirs.summary() == model.summary()
    for number, image in theirs.images.items():
        assert ours.image(number).name == image.name
        np.testing.assert_allclose(
            ours.image(number).cam_from_world().matrix(),
            image.cam_from_world().matrix(),
            atol=1e-14,
        )


def test_the_last_photo_may_lack_its_empty_line(folder: Path) -> None:
    def without(text: str) -> str:
        lines = text.rstrip("\n").split("\n")
        return "\n".join(lines[:-1])

    edited(folder, "images.txt", without)
    assert model_from_reconstruction(read_text_model(folder)).names == NAMES


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("empty_lines", ["kept", "last one missing", "all missing"])
def test_a_model_without_observations(folder: Path, ends: str, empty_lines: str) -> None:
    def only_photos(text: str) -> str:
        lines = text.rstrip("\n").split("\n")
        comments, photos = lines[:2], lines[2::2]
        apart = ends if empty_lines == "all missing" else 2 * ends
        last = 2 * ends if empty_lines == "kept" else ""
        return "\ufeff" + ends.join(comments) + ends + apart.join(photos) + last

    edited(folder, "images.txt", only_photos)
    edited(folder, "points3D.txt", lambda text: "")
    model = model_from_reconstruction(read_text_model(folder))
    assert model.names == NAMES
    assert model.registered.all()


def test_a_binary_model_beside_it_is_preferred(folder: Path) -> None:
    model = made()
    model.image(1).name = "from binary.jpg"
    model.write_binary(folder)
    assert read_reconstruction(folder).image(1).name == "from binary.jpg"
    (folder / "images.bin").unlink()
    assert read_reconstruction(folder).image(1).name == NAMES[0]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("cameras.txt", "1 PINHOLE 640 480 1 2 3", "line 1: PINHOLE has 4 parameters, not 3"),
        ("cameras.txt", "1 LENS 640 480 1 2 3", "no camera LENS"),
        ("cameras.txt", "# a\n1 PINHOLE 640", "line 2: not 'CAMERA_ID"),
        ("cameras.txt", "one PINHOLE 640 480 1 2 3 4", "'one' is no whole number"),
        ("images.txt", "1 1 0 0 0 0 0 0 9 a.jpg\n\n", "there is no camera 9"),
        ("images.txt", "1 0 0 0 0 0 0 0 1 a.jpg\n\n", "no quaternion"),
        ("images.txt", "1 1 0 0 0 0 0 nan 1 a.jpg\n\n", "not finite"),
        ("images.txt", "1 1 0 0 0 0 0 0 1 a\n\n1 1 0 0 0 0 0 0 1 b\n\n", "two photos 1"),
        ("images.txt", "1 2 3\n\n", "not 'IMAGE_ID"),
        ("points3D.txt", "1 2 3", "not 'POINT3D_ID"),
        ("points3D.txt", "1 0 0 0 9 9 9 0.1 x 1", "'x' is no whole number"),
    ],
)
def test_damaged_files_are_told_by_line(folder: Path, name: str, text: str, said: str) -> None:
    edited(folder, name, lambda _: text)
    with pytest.raises(SplatposeError) as refusal:
        read_text_model(folder)
    assert said in refusal.value.message
    assert str(folder / name) in refusal.value.message


def test_a_name_with_a_line_break_is_refused(tmp_path: Path) -> None:
    model = made()
    model.image(3).name = "a\nb.jpg"
    with pytest.raises(SplatposeError, match="line break"):
        write_text_model(model, tmp_path / "model")


def test_what_is_no_text_or_not_there(folder: Path) -> None:
    (folder / "images.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SplatposeError, match="no UTF-8 text"):
        read_reconstruction(folder)
    (folder / "images.txt").unlink()
    with pytest.raises(SplatposeError, match="no COLMAP model"):
        read_reconstruction(folder)
    with pytest.raises(SplatposeError, match="cannot be read"):
        read_text_model(folder)
