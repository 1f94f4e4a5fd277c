"""Models that are wrong on purpose are wrong in the way that they are called, and in no other."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import verdict_evidence
import wrong_models
from scenes.poses import arc, cloud, look_at, make_scene
from scenes.trust import subject_of

from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.rotations import rotation_angle
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.model_comparison import difference
from splatpose.stages.trust.evidence import ModelUnderTest

COUNT = 8


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> ModelUnderTest:
    poses = arc(COUNT)
    return subject_of(make_scene(tmp_path_factory.mktemp("wrong"), poses, cloud(150)))


def changed(wrong: SparseModel, right: SparseModel) -> np.ndarray:
    """Photos whose cameras are not those of the right model."""
    return np.flatnonzero(np.abs(wrong.cam_from_world - right.cam_from_world).max((1, 2)) > 1e-9)


def rigid(model: SparseModel) -> bool:
    R = model.cam_from_world[:, :3, :3]
    straight = np.abs(R @ R.transpose(0, 2, 1) - np.eye(3)).max() < 1e-9
    return bool(straight and (np.linalg.det(R) > 0).all())


def relative(model: SparseModel, photos: np.ndarray) -> np.ndarray:
    """Motions from each of the photos to the next."""
    poses = model.cam_from_world[photos]
    return poses[1:] @ np.linalg.inv(poses[:-1])


PLACED = np.arange(COUNT)


def made(kind, subject: ModelUnderTest, seed: int = 0) -> SparseModel:
    wrong = kind(subject.model, PLACED, np.random.default_rng(seed))
    assert rigid(wrong)
    return wrong


def test_one_photo_is_moved_or_turned(subject):
    for kind in (wrong_models.moved_photo, wrong_models.turned_photo):
        wrong = made(kind, subject)
        (photo,) = changed(wrong, subject.model)
        centers = [centers_of(m.cam_from_world)[photo] for m in (wrong, subject.model)]
        turn = wrong.cam_from_world[photo, :3, :3] @ subject.model.cam_from_world[photo, :3, :3].T
        if kind is wrong_models.moved_photo:
            away = np.linalg.norm(centers[0] - centers[1])
            assert 0.08 <= away / rms_radius(centers_of(subject.model.cam_from_world)) <= 0.4
            assert rotation_angle(turn) < 1e-6
        else:
            np.testing.assert_allclose(*centers, atol=1e-9)
            assert 6 <= rotation_angle(turn) <= 30


def test_a_false_edge_moves_a_part_as_a_whole(subject):
    for seed in range(2):
        wrong = made(wrong_models.false_edge, subject, seed)
        part = changed(wrong, subject.model)
        assert 2 <= len(part) <= COUNT // 2
        np.testing.assert_array_equal(part, np.arange(COUNT - len(part), COUNT))
        same = relative(wrong, part) - relative(subject.model, part)
        assert np.abs(same).max() < 1e-9
        assert not difference(wrong.cam_from_world, subject.model.cam_from_world).agrees.all()


def test_a_scaled_part_keeps_its_rotations(subject):
    wrong = made(wrong_models.scaled_part, subject)
    part = changed(wrong, subject.model)
    np.testing.assert_array_equal(
        wrong.cam_from_world[:, :3, :3], subject.model.cam_from_world[:, :3, :3]
    )
    steps = [
        np.linalg.norm(np.diff(centers_of(m.cam_from_world)[part], axis=0), axis=1)
        for m in (wrong, subject.model)
    ]
    ratio = steps[0] / steps[1]
    assert np.ptp(ratio) < 1e-6
    assert abs(np.log(ratio[0])) > 0.2


def test_a_fold_puts_the_last_photo_by_the_first(subject):
    wrong = made(wrong_models.folded, subject)
    np.testing.assert_array_equal(changed(wrong, subject.model), np.arange(COUNT // 2, COUNT))
    centers, radius = (
        centers_of(wrong.cam_from_world),
        rms_radius(centers_of(subject.model.cam_from_world)),
    )
    for photo in range(COUNT // 2):
        away = np.linalg.norm(centers[COUNT - 1 - photo] - centers[photo])
        assert 0 < away < 0.15 * radius


def test_a_part_laid_over_another_is_unchanged_in_itself(subject):
    wrong = made(wrong_models.laid_over, subject, 3)
    part = changed(wrong, subject.model)
    assert np.abs(relative(wrong, part) - relative(subject.model, part)).max() < 1e-9
    gaps = np.abs(wrong.cam_from_world[part][:, None] - wrong.cam_from_world).max((2, 3))
    gaps[np.arange(len(part)), part] = 1
    assert gaps.min() < 1e-9


def test_a_mirrored_part_keeps_its_distances_and_not_its_turns(subject):
    wrong = made(wrong_models.mirrored_part, subject)
    part = changed(wrong, subject.model)
    centers = [centers_of(m.cam_from_world)[part] for m in (wrong, subject.model)]
    lengths = [np.linalg.norm(c[:, None] - c, axis=2) for c in centers]
    np.testing.assert_allclose(*lengths, atol=1e-9)
    turns = [relative(m, part)[:, :3, :3] for m in (wrong, subject.model)]
    assert rotation_angle(turns[0][0] @ turns[1][0].T) > 1


@pytest.mark.parametrize("factor", [0.9, 1.05])
def test_a_wrong_focal_length_is_held_and_the_poses_follow(subject, factor):
    wrong = wrong_models.refocused(subject, factor)
    assert wrong is not None
    assert rigid(wrong)
    ratio = wrong.cameras[0].params[0] / subject.model.cameras[0].params[0]
    assert ratio == pytest.approx(factor)
    off = difference(wrong.cam_from_world, subject.model.cam_from_world)
    assert off.position.max() > 0.2
    # Fewer matches would agree with the poses as they were.
    start = dataclasses.replace(subject.model, cameras=wrong.cameras)
    errors = [
        np.median(m.point_errors)
        for m in (wrong, wrong_models.with_points(start, subject.table, wrong_models.PIXELS))
    ]
    assert errors[0] < errors[1]


def test_broken_models_are_chosen_by_the_seed(subject):
    names = [[kind for kind, _ in wrong_models.broken_models(subject, s, 4)] for s in (1, 1, 2)]
    assert names[0] == names[1]
    assert names[0] != names[2]
    assert len(names[0]) == 4
    assert names[0][0].startswith("focal ")
    assert len(set(names[0])) == 4
    assert wrong_models.broken_models(subject, 1, 0) == []


def test_two_places_are_merged_into_one_frame(tmp_path):
    """Only the first place is in the model; the second one has a true frame of its own."""
    near = arc(5)
    far = np.stack([look_at((x, 0.2, -4.0), (0, 0, 0)) for x in np.linspace(-1, 1, 4)])
    scene = make_scene(tmp_path, np.concatenate([near, far]), cloud(200))
    found = scene.cam_from_world.copy()
    found[5:] = np.nan
    subject = subject_of(scene, found)
    true, place = np.concatenate([near, 7.0 * far]), np.repeat([0, 1], [5, 4])
    true[5:, :3, :3], true[5:, 3, 3] = far[:, :3, :3], 1.0
    ((kind, wrong),) = wrong_models.merged_places(subject, true, place, seed=0)
    assert kind == "two places merged"
    assert wrong.registered.all()
    assert rigid(wrong)
    np.testing.assert_array_equal(wrong.cam_from_world[:5], subject.model.cam_from_world[:5])
    radius = [
        rms_radius(centers_of(wrong.cam_from_world)[rows]) for rows in (place == 0, place == 1)
    ]
    assert radius[0] == pytest.approx(radius[1])
    assert wrong_models.merged_places(subject, true, np.zeros(9, int), seed=0) == []


def row(scene: str, model: str, *, right: bool, trusted: bool) -> dict:
    family = scene.partition("-")[0]
    return {"scene": scene, "family": family, "model": model, "right": right, "trusted": trusted}


def test_evidence_is_written_whole_and_read_back(tmp_path, capsys):
    rows = [
        row("walk-tune-0", "ours", right=True, trusted=True),
        row("walk-tune-0", "folded", right=False, trusted=True),
        row("night-tune-0", "ours", right=True, trusted=False),
    ]
    file = tmp_path / "evidence" / "walk-tune-0.jsonl"
    assert verdict_evidence.read_rows(file) == []
    verdict_evidence.write_rows(file, rows)
    assert verdict_evidence.read_rows(file) == rows
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    verdict_evidence.print_table(rows)
    printed = capsys.readouterr().out
    assert "| (folded) | 1 | 1 | 0 | 0 | 1 |" in printed
    assert "| night | 1 | 1 | 1 | 0 | 0 |" in printed


def test_scenes_of_a_split_come_family_by_family(tmp_path):
    for name in ("walk-tune-1", "night-tune-0", "walk-tune-0", "walk-test-0"):
        family, split, _ = name.split("-")
        (tmp_path / name).mkdir()
        about = {"scene": name, "family": family, "split": split}
        (tmp_path / name / "scene.json").write_text(json.dumps(about))
    found = [path.name for path in verdict_evidence.scenes_of(tmp_path, "tune", None)]
    assert found == ["night-tune-0", "walk-tune-0", "walk-tune-1"]
    assert [p.name for p in verdict_evidence.scenes_of(tmp_path, "test", "walk")] == ["walk-test-0"]
    assert not list(verdict_evidence.scenes_of(tmp_path, "test", "night"))


def test_every_wrong_focal_length_is_wrong() -> None:
    assert all(abs(np.log(factor)) > 0.02 for factor in wrong_models.FOCAL_ERRORS)
