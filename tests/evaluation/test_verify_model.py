"""Models that somebody else made, judged without truth: right, corrupted, of other photos."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.poses import Scene, arc, cloud, make_scene
from scenes.trust import moved, subject_of, turned

from splatpose.cli.main import main
from splatpose.errors import SplatposeError
from splatpose.evaluation.verify_model import read_foreign_model, verify_model
from splatpose.io.atomic import write_json
from splatpose.io.colmap import reconstruction_from_model, write_model
from splatpose.io.colmap_text import write_text_model
from splatpose.io.stored_pixels import stored_model
from splatpose.keys import LAYOUT
from splatpose.runs.folder import MANIFEST
from splatpose.scene.camera import Camera
from splatpose.stages.capture.storage import save_capture


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("arc"), arc(8), cloud(), outliers=0.1)


@pytest.fixture(scope="module")
def run(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with capture and matches, and nothing else."""
    out = tmp_path_factory.mktemp("run")
    work = out / ".splatpose"
    for stage in ("capture", "matching"):
        (work / stage).mkdir(parents=True)
        write_json(work / stage / MANIFEST, {}, LAYOUT)
    save_capture(scene.capture, work / "capture", out)
    shutil.copy(scene.graph.database, work / "matching" / "database.db")
    write_json(work / "matching" / "matching.json", {"matcher": "sift"})
    return out


def written(scene: Scene, folder: Path, poses: np.ndarray, *, text: bool = False) -> Path:
    """A COLMAP model with these cameras."""
    model = subject_of(scene, poses).model
    if text:
        folder.mkdir()
        reconstruction_from_model(model).write_text(folder)
    else:
        write_model(model, folder)
    return folder


@pytest.mark.parametrize("text", [False, True])
def test_a_right_model_holds(scene: Scene, run: Path, tmp_path: Path, text: bool) -> None:
    model = written(scene, tmp_path / "model", scene.cam_from_world, text=text)
    before = sorted(run.rglob("*"))
    found = verify_model(run, model, lambda event: None)
    assert found.judgement == "right"
    assert found.verdicts.count("trusted") == 8
    assert "8 of the 8 poses are trusted" in found.sentence
    assert sorted(run.rglob("*")) == before


def test_a_misplaced_photo_makes_a_model_wrong(scene: Scene, run: Path, tmp_path: Path) -> None:
    model = written(scene, tmp_path / "model", turned(scene.cam_from_world, 4, 20.0))
    found = verify_model(run, model, lambda event: None)
    assert found.judgement == "wrong"
    assert "IMG_5.png elsewhere" in found.sentence
    assert found.verdicts.photos[4].level == "weak"


def test_the_command_tells_right_from_wrong(
    scene: Scene, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = written(scene, tmp_path / "right", scene.cam_from_world)
    assert main(["eval", str(run), "--verify-model", str(right)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("IMG_1.png  trusted  ")
    assert out[-1].startswith("The model holds")
    poses = moved(scene.cam_from_world, [2, 3], lambda c: c + (0.0, 0.7, 0.2))  # noqa: RUF005
    wrong = written(scene, tmp_path / "wrong", poses)
    json = tmp_path / "verdicts.json"
    assert main(["eval", str(run), "--verify-model", str(wrong), "--json", str(json)]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("The model is wrong")
    assert '"judgement": "wrong"' in json.read_text()


def test_photos_are_found_by_the_end_of_their_names(scene: Scene, tmp_path: Path) -> None:
    model = subject_of(scene).model
    named = replace(model, names=tuple(f"shots/{name}" for name in model.names))
    write_model(named, tmp_path / "model")
    found = read_foreign_model(tmp_path / "model", scene.capture)
    assert found.registered.all()
    np.testing.assert_allclose(found.cam_from_world, scene.cam_from_world, atol=1e-9)


def test_a_text_model_with_blanks_in_its_names(scene: Scene, tmp_path: Path) -> None:
    model = subject_of(scene).model
    names = tuple(f"my shots/{name}" for name in model.names)
    other = Camera("PINHOLE", 64, 48, np.array([60.0, 60.0, 32.0, 24.0]))
    text = reconstruction_from_model(replace(model, names=names, cameras=(*model.cameras, other)))
    lens = text.cameras[2]  # of no photo: it may be of any kind
    lens.model, lens.params = pycolmap.CameraModelId.OPENCV_FISHEYE, [60, 60, 32, 24, 0, 0, 0, 0]
    write_text_model(text, tmp_path / "model")
    images = tmp_path / "model" / "images.txt"
    images.write_text("\n".join(images.read_text().split("\n")[2::2]))
    found = read_foreign_model(tmp_path / "model", scene.capture)
    assert found.registered.all()
    np.testing.assert_allclose(found.cam_from_world, scene.cam_from_world, atol=1e-9)


@pytest.mark.parametrize("model_of", ["stored pixels", "upright copies"])
def test_a_model_of_photos_that_are_stored_turned(
    scene: Scene, tmp_path: Path, model_of: str
) -> None:
    """COLMAP's is of the pixels as stored; it is judged as the upright photos."""
    orientations = [1, 6, 8, 3, 1, 6, 1, 1] if model_of == "stored pixels" else [6, 8] * 4
    photos = tuple(
        replace(photo, orientation=orientation)
        for photo, orientation in zip(scene.capture.photos, orientations, strict=True)
    )
    model = subject_of(scene).model
    if model_of == "stored pixels":
        model = stored_model(model, orientations)
    write_model(model, tmp_path / "model")
    found = read_foreign_model(tmp_path / "model", replace(scene.capture, photos=photos))
    np.testing.assert_allclose(found.cam_from_world, scene.cam_from_world, atol=1e-9)
    for camera in found.cameras:
        np.testing.assert_allclose(camera.params, scene.camera.params)


def test_a_model_of_smaller_photos_is_scaled(scene: Scene, tmp_path: Path) -> None:
    model = subject_of(scene).model
    half = tuple(camera.resized(400, 300) for camera in model.cameras)
    write_model(replace(model, cameras=half), tmp_path / "model")
    found = read_foreign_model(tmp_path / "model", scene.capture)
    np.testing.assert_allclose(found.cameras[0].params, scene.camera.params)


def test_what_cannot_be_judged_is_said(scene: Scene, run: Path, tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="no COLMAP model"):
        verify_model(run, tmp_path, lambda event: None)
    with pytest.raises(SplatposeError, match="no finished capture"):
        verify_model(tmp_path, tmp_path, lambda event: None)
    model = subject_of(scene).model
    other = replace(model, names=tuple(f"DSC{i}.jpg" for i in range(8)))
    write_model(other, tmp_path / "other")
    with pytest.raises(SplatposeError, match="0 photos in common"):
        read_foreign_model(tmp_path / "other", scene.capture)
    upright = Camera("SIMPLE_RADIAL", 600, 800, np.array([700.0, 300.0, 400.0, 0.0]))
    write_model(replace(model, cameras=(upright,)), tmp_path / "upright")
    with pytest.raises(SplatposeError, match="800 x 600 pixels, and 600 x 800"):
        read_foreign_model(tmp_path / "upright", scene.capture)
    fisheye = reconstruction_from_model(model)
    for camera in fisheye.cameras.values():
        camera.model = pycolmap.CameraModelId.OPENCV_FISHEYE
        camera.params = [700, 700, 400, 300, 0, 0, 0, 0]
    (tmp_path / "fisheye").mkdir()
    fisheye.write(tmp_path / "fisheye")
    with pytest.raises(SplatposeError, match="OPENCV_FISHEYE"):
        read_foreign_model(tmp_path / "fisheye", scene.capture)


def test_verification_needs_a_run() -> None:
    assert main(["eval", "--verify-model", "model"]) == 2
