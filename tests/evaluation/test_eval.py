"""`splatpose eval`: somebody's cameras against the truth: files, table, JSON and exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes import dataset_files as files
from scenes import outputs as outputs_scene
from scenes.dataset_files import Known, known_cameras
from scipy.spatial.transform import Rotation

from splatpose.cli.main import main
from splatpose.evaluation.estimate import read_estimate
from splatpose.evaluation.names import match_names
from splatpose.evaluation.poses import evaluate_poses, held_out_photos
from splatpose.evaluation.readers import read_dataset
from splatpose.geometry.similarity import Similarity
from splatpose.io.nerfstudio import read_transforms, write_transforms
from splatpose.io.stored_pixels import upright_model
from splatpose.io.tum import write_tum
from splatpose.scene.sparse_model import SparseModel


def elsewhere(known: Known) -> Known:
    """The same cameras and points in another world."""
    rotation = Rotation.from_rotvec([0.3, -1.0, 0.4]).as_matrix()
    world = Similarity(0.3, rotation, np.array([1.0, 2.0, 3.0]))
    return Known(
        world.cam_from_world(known.cam_from_world), known.K, known.size, world.points(known.points)
    )


def write_run(out: Path, known: Known, *, missing: int = 2, wrong: int = 5) -> None:
    """A run that was given nine of ten photos and one bad file, and placed eight: one wrongly."""
    poses = known.cam_from_world.copy()
    poses[wrong, :3, :3] = Rotation.from_rotvec([0, 0.5, 0]).as_matrix() @ poses[wrong, :3, :3]
    files.write_colmap_text(
        out, Known(poses, known.K * [[1.1], [1.1], [1]], known.size, known.points)
    )
    images = out / "sparse" / "0" / "images.txt"
    blocks = images.read_text().split("\n\n")
    gone = (known.names[missing], known.names[9])
    images.write_text("\n\n".join(block for block in blocks if not block.endswith(gone)))
    report = {
        "photos": [{"name": name} for name in known.names[:9]],
        "skipped": [
            {"name": "notes.png", "reason": "it is text", "kind": ""},
            {"name": "small/img_001.png", "reason": "a smaller copy", "kind": "smaller copy"},
        ],
    }
    (out / "report.json").write_text(json.dumps(report))


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, Path]:
    """A run, and the truth of its photos."""
    out, truth = tmp_path / "run", tmp_path / "data"
    known = known_cameras()
    truth.mkdir()
    files.write_transforms(truth, known)
    write_run(out, elsewhere(known))
    return out, truth


def test_a_run(
    scene: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, truth = scene
    target = tmp_path / "new" / "scores.json"
    assert main(["eval", str(out), "--truth", str(truth), "--json", str(target)]) == 0
    text = capsys.readouterr().out
    for line in (
        "photos right    7 of 9",
        "registered      8 of 9",
        "1 photo without a pose: img_002.png.",
        "1 photo not given to the run, not counted: img_009.png.",
        "1 photo wrong",
        "focal error     10 %",
    ):
        assert line in text
    wrong = next(line for line in text.splitlines() if line.strip().startswith("img_005.png"))
    assert "28.65 deg" in wrong
    value = json.loads(target.read_text())
    assert value["version"] == 1
    assert value["metrics"]["right"] == 7
    assert value["not_given"] == ["img_009.png"]
    assert [p["name"] for p in value["photos"] if p["registered"] and not p["right"]] == [
        "img_005.png"
    ]
    missing = value["photos"][2]
    assert (missing["name"], missing["registered"], missing["rotation_error"]) == (
        "img_002.png",
        False,
        None,
    )


@pytest.mark.parametrize("truth_is", ["of stored pixels", "of upright photos"])
def test_a_run_of_photos_that_are_stored_turned(tmp_path: Path, truth_is: str) -> None:
    """Its cameras fit the pixels as stored; the truth may be of either, and its sizes tell."""
    known = known_cameras()
    out, truth = tmp_path / "run", tmp_path / "data"
    files.write_colmap_text(out, known)
    orientations = [6, 6, 3, 1, 6, 6, 6, 8, 6, 6]
    report = {
        "photos": [
            {"name": name, "orientation": orientation}
            for name, orientation in zip(known.names, orientations, strict=True)
        ],
        "skipped": [],
    }
    (out / "report.json").write_text(json.dumps(report))
    truth.mkdir()
    files.write_transforms(truth, known)
    if truth_is == "of upright photos":
        scene = read_transforms(truth / "transforms.json")
        stored = SparseModel.of_cameras(
            known.names, scene.cam_from_world, scene.camera_index, scene.cameras
        )
        upright = upright_model(stored, orientations)
        scene = replace(
            scene,
            cam_from_world=upright.cam_from_world,
            cameras=upright.cameras,
            camera_index=upright.camera_index,
        )
        write_transforms(truth / "transforms.json", scene)
    found = evaluate_poses(read_dataset(truth), read_estimate(out)).metrics
    assert found.right == 10
    assert found.focal_percent == pytest.approx(0, abs=1e-6)


def test_times_in_names_are_no_numbers_with_separators() -> None:
    """Python reads 1311868169_163498 as one whole number."""
    truth = ["1311868169.1000", "1311868169.1635", "1311868169.2000"]
    names = ["shots/1311868169_163498.jpg", "shots/1311868169_200001.jpg"]
    found = match_names(truth, names)
    assert found.index.tolist() == [-1, 0, 1]
    assert found.rule.startswith("time")


def test_anybodys_cameras(scene: tuple[Path, Path], tmp_path: Path) -> None:
    """A bare model, a transforms.json and a trajectory of the same cameras; photos that they do
    not name are missing."""
    out, truth = scene
    dataset = read_dataset(truth)
    (out / "report.json").unlink()
    model = evaluate_poses(dataset, read_estimate(out))
    assert (model.metrics.photos, model.metrics.registered, model.metrics.right) == (10, 8, 7)
    other = elsewhere(known_cameras())
    (tmp_path / "b").mkdir()
    files.write_transforms(tmp_path / "b", other)
    write_tum(tmp_path / "c.tum", np.arange(10.0), other.cam_from_world)
    for path in (tmp_path / "b" / "transforms.json", tmp_path / "c.tum"):
        metrics = evaluate_poses(dataset, read_estimate(path)).metrics
        assert (metrics.registered, metrics.right) == (10, 10)
        assert metrics.ate_percent < 1e-4


def test_two_places_in_one_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every other photo belongs to the second place, and was joined to the first all the same."""
    known = known_cameras()
    files.write_poses_json(tmp_path, known)
    files.write_colmap_text(tmp_path / "model", elsewhere(known))
    target = tmp_path / "scores.json"
    words = [str(tmp_path / "model"), "--truth", str(tmp_path / "poses.json")]
    assert main(["eval", *words, "--json", str(target)]) == 0
    text = capsys.readouterr().out
    assert "photos right    5 of 10" in text
    assert "img_001.png  joined to another place than its own (1)" in text
    assert json.loads(target.read_text())["photos"][1]["position_error_percent"] is None


def test_the_largest_of_several_models(tmp_path: Path) -> None:
    known = known_cameras()
    files.write_colmap_text(tmp_path / "all", known)
    few = Known(known.cam_from_world[:3], known.K, known.size, known.points)
    files.write_colmap_text(tmp_path / "few", few)
    (tmp_path / "sparse").mkdir()
    (tmp_path / "few" / "sparse" / "0").rename(tmp_path / "sparse" / "0")
    (tmp_path / "all" / "sparse" / "0").rename(tmp_path / "sparse" / "1")
    for path in (tmp_path, tmp_path / "sparse"):
        estimate = read_estimate(path)
        assert len(estimate.names) == files.COUNT
        assert estimate.kind == "COLMAP model 1, the largest of 2"
    assert len(read_estimate(tmp_path / "sparse" / "0").names) == 3


def test_a_real_report_names_its_photos(tmp_path: Path) -> None:
    """What `splatpose fit` writes is what is read: all photos, skipped ones too, in its order."""
    run = outputs_scene.make_scene(tmp_path)
    run.write()
    estimate = read_estimate(run.out)
    given = [photo.name for photo in run.capture.photos]
    assert list(estimate.names[: len(given) + 1]) == [*given, "note.jpg"]
    assert estimate.complete


def test_copies_that_were_left_out_are_no_photos_of_the_run(scene: tuple[Path, Path]) -> None:
    names = read_estimate(scene[0]).names
    assert "notes.png" in names
    assert "small/img_001.png" not in names


def test_sides_of_the_split(scene: tuple[Path, Path]) -> None:
    """The data set's own split, or NoPe-NeRF's where it has none."""
    out, truth = scene
    dataset, estimate = read_dataset(truth), read_estimate(out)
    test = evaluate_poses(dataset, estimate, "test")
    assert [photo.name for photo in test.photos] == ["img_003.png"]
    assert evaluate_poses(dataset, estimate, "train").metrics.photos == 8
    (truth / "transforms.json").unlink()
    files.write_poses_json(truth, known_cameras())
    assert np.flatnonzero(held_out_photos(read_dataset(truth))).tolist() == [4]


def test_focal_lengths_of_photos_of_other_sizes(tmp_path: Path) -> None:
    """A run on smaller copies has the same lens."""
    known = known_cameras(size=(96, 64))
    files.write_transforms(tmp_path, known)
    small = Known(known.cam_from_world, np.diag([0.5, 0.5, 1]) @ known.K, (48, 32), known.points)
    files.write_colmap_text(tmp_path / "small", small)
    metrics = evaluate_poses(read_dataset(tmp_path), read_estimate(tmp_path / "small")).metrics
    assert metrics.focal_percent == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("words", [[], ["OUT"], ["--truth", "TRUTH"], ["OUT", "--truht", "TRUTH"]])
def test_wrong_usage(
    scene: tuple[Path, Path], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"OUT": str(scene[0]), "TRUTH": str(scene[1])}
    assert main(["eval", *(names.get(word, word) for word in words)]) == 2
    assert "--truth" in capsys.readouterr().err or words[:1] == ["--truth"]


def test_mendable_mistakes(scene: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    out, truth = scene
    empty = out.parent / "empty"
    empty.mkdir()
    for words, said in (
        ([str(out), "--truth", str(empty)], "no true cameras"),
        ([str(out), "--truth", str(truth), "--format", "llff"], "poses_bounds.npy"),
        ([str(out), "--truth", str(out.parent / "nowhere")], "does not exist"),
        ([str(empty), "--truth", str(truth)], "no estimated cameras"),
    ):
        assert main(["eval", *words]) == 1
        error = capsys.readouterr().err
        assert said in error
        assert "hint:" in error
    (out / "report.json").write_text('{"photos": 3}')
    assert main(["eval", str(out), "--truth", str(truth)]) == 1
    assert "not the report of a run" in capsys.readouterr().err


def test_names_that_do_not_match(
    scene: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = files.write_scannet(tmp_path / "scan", known_cameras())
    assert main(["eval", str(scene[0]), "--truth", str(tmp_path / "scan")]) == 1
    error = capsys.readouterr().err
    assert names[0] in error
    assert "img_000.png" in error


def test_as_a_command(scene: tuple[Path, Path]) -> None:
    """In a process of its own, as a user runs it: exit code and a table on stdout."""
    out, truth = scene
    done = subprocess.run(
        [sys.executable, "-m", "splatpose", "eval", out, "--truth", truth],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "photos right    7 of 9" in done.stdout
