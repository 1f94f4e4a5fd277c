"""Verdicts on exact scenes: what is right is trusted, what is wrong is not, and what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.poses import Scene, arc, cloud, look_at, make_scene
from scenes.trust import levels, moved, subject_of, turned, twins, verdicts_on
from scenes.walks import torn

from splatpose.io.colmap_database import read_graph
from splatpose.scene.verdicts import Verdicts
from splatpose.stages.trust.config import TrustConfig

COUNT = 8
SHIFT = np.array([0.0, 0.5, 0.1])
"""Of a camera's centre; the radius of the arcs is about 1.4."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("arc"), arc(COUNT), cloud(), outliers=0.2)


def test_a_right_model_is_trusted(scene: Scene, tmp_path: Path) -> None:
    verdicts = verdicts_on(subject_of(scene), tmp_path)
    assert levels(verdicts) == ["trusted"] * COUNT
    assert verdicts.advice == ()
    for photo in verdicts.photos:
        assert photo.advice is None
        assert photo.evidence.folds_agreeing == 2
        assert photo.evidence.fold_rotation < 0.5
        assert photo.evidence.fold_position < 1.0
        assert photo.evidence.held_out_share > 0.8
        assert photo.evidence.missing_overlap == 0
    assert any("agree with each other on 8 of 8" in note for note in verdicts.notes)


def test_the_same_seed_gives_the_same_verdicts(scene: Scene, tmp_path: Path) -> None:
    one = verdicts_on(subject_of(scene), tmp_path / "one")
    two = verdicts_on(subject_of(scene), tmp_path / "two", TrustConfig(workers=1))
    assert repr(one) == repr(two), "NaN differs from itself"


@pytest.mark.parametrize("how", ["turned", "moved"])
def test_one_wrong_photo_is_found(scene: Scene, tmp_path: Path, how: str) -> None:
    true = scene.cam_from_world
    poses = turned(true, 3, 8.0) if how == "turned" else moved(true, [3], lambda c: c + SHIFT)
    verdicts = verdicts_on(subject_of(scene, poses), tmp_path)
    assert [i for i, level in enumerate(levels(verdicts)) if level != "trusted"] == [3]
    photo = verdicts.photos[3]
    assert photo.level == "weak"
    assert photo.evidence.folds_denying == 2
    assert "both halves of the matches place it elsewhere" in photo.reason
    assert photo.advice is not None


def test_half_of_a_model_at_another_scale_is_not_trusted(scene: Scene, tmp_path: Path) -> None:
    """Grown about the photo between the two halves: the other half stays trusted."""
    hinge = scene.centers[3]
    poses = moved(scene.cam_from_world, [4, 5, 6, 7], lambda c: hinge + 1.5 * (c - hinge))
    found = levels(verdicts_on(subject_of(scene, poses), tmp_path))
    assert "trusted" not in found[4:] or "trusted" not in found[:3]


def test_a_photo_without_a_pose_is_refused_with_its_reason(scene: Scene, tmp_path: Path) -> None:
    poses = scene.cam_from_world.copy()
    poses[5] = np.nan
    verdicts = verdicts_on(subject_of(scene, poses), tmp_path)
    photo = verdicts.photos[5]
    assert (photo.level, photo.reason) == ("refused", "refusal 5")
    assert photo.advice is not None
    assert "between IMG_" in photo.advice
    assert verdicts.count("trusted") == COUNT - 1


def test_two_halves_on_one_pair_are_weak_and_the_advice_names_it(tmp_path: Path) -> None:
    blocked = frozenset((i, j) for i in range(5) for j in range(5, 10) if (i, j) != (4, 5))
    scene = make_scene(tmp_path, arc(10), cloud(), blocked=blocked)
    verdicts = verdicts_on(subject_of(scene), tmp_path / "work")
    found = levels(verdicts)
    halves = [found[:5], found[5:]]
    assert ["weak"] * 5 in halves
    assert "trusted" in found, "the larger or first part is the model that the other hangs on"
    assert verdicts.advice[0].startswith(
        "3 photos between IMG_5.png and IMG_6.png would connect the two halves"
    )


def test_what_exists_twice_is_not_trusted_when_laid_on_itself(tmp_path: Path) -> None:
    """Every match agrees with the wrong model, and both halves of them lead to it."""
    scene, wrong = twins(tmp_path)
    subject = subject_of(scene, wrong)
    verdicts = verdicts_on(subject, tmp_path / "work")
    assert all(photo.evidence.contradicted_share < 0.05 for photo in verdicts.photos)
    assert "trusted" not in levels(verdicts)
    assert all(photo.evidence.missing_overlap > 0.3 for photo in verdicts.photos)
    assert any("twice" in photo.reason for photo in verdicts.photos)


def test_without_halves_nothing_is_trusted(scene: Scene, tmp_path: Path) -> None:
    verdicts = verdicts_on(subject_of(scene), tmp_path, TrustConfig(folds=False))
    assert "trusted" not in levels(verdicts)
    assert not list(tmp_path.iterdir())


def test_three_photos_can_be_judged(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(3, span_deg=25), cloud(400))
    right = verdicts_on(subject_of(scene), tmp_path / "right")
    assert levels(right) == ["trusted"] * 3
    wrong = subject_of(scene, moved(scene.cam_from_world, [2], lambda c: c + SHIFT))
    assert levels(verdicts_on(wrong, tmp_path / "wrong"))[2] == "weak"


def test_a_part_that_nothing_ties_is_called_a_guess_from_its_hinge_on(tmp_path: Path) -> None:
    """Photos side by side before a wall; hardly a track leads from the third to the fourth."""
    xs = np.linspace(0, 4, 8)
    poses = np.stack([look_at((x, 0.1 * np.cos(3 * x), -3), (x, 0, 0)) for x in xs])
    wall = cloud(400) * (2.5, 0.8, 0.3) + (2.0, 0, 0)
    scene = make_scene(tmp_path, poses, wall)
    subject = replace(subject_of(scene), order=np.arange(8))
    config = TrustConfig(folds=False)
    tied = verdicts_on(subject, tmp_path / "tied", config)
    assert all(photo.evidence.scale_sigma < 1 for photo in tied.photos)
    model = torn(subject.model, 3, 2)
    verdicts = verdicts_on(replace(subject, model=model), tmp_path / "open", config)
    far = verdicts.photos[0]
    assert far.evidence.scale_sigma > 50
    assert far.reason == (
        "its distance from IMG_4.png on is a guess: only 2 points are seen well from both sides"
    )
    assert far.advice is not None
    assert far.advice.startswith("Walk on sideways around IMG_4.png: 3 photos, each a step to the")
    assert "--depth" in far.advice
    assert "IMG_1.png" in far.advice
    assert verdicts.photos[6].evidence.scale_sigma == 0
    assert all(photo.evidence.position_sigma < 1 for photo in verdicts.photos[4:])
    assert any("the scale of" in note and "is a guess" in note for note in verdicts.notes)
    assert not any("guess" in note for note in tied.notes)


def test_halves_of_many_photos_are_built_on_selected_tracks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(tmp_path, arc(6), cloud(1200))
    subject = subject_of(scene)
    matches = {}
    for name, many in (("every", 7), ("some", 6)):
        for module in ("validation.split_reconstructions", "mapping.mapper_variants"):
            monkeypatch.setattr(f"splatpose.sfm.{module}.MANY_PHOTOS", many)
        assert levels(verdicts_on(subject, tmp_path / name)) == ["trusted"] * 6
        graph = read_graph(tmp_path / name / "half 1" / "matches.db", "")
        matches[name] = int(graph.num_verified.sum())
    assert matches["some"] < 0.7 * matches["every"]


def test_matches_that_are_all_off_by_little_are_counted(tmp_path: Path) -> None:
    """What bends every photo a little leaves matches that neither agree nor contradict."""

    def with_noise(pixels: float) -> Verdicts:
        folder = tmp_path / str(pixels)
        folder.mkdir()
        return verdicts_on(subject_of(make_scene(folder, arc(6), cloud(), noise=pixels)), folder)

    sharp, bent = with_noise(0.3), with_noise(2.0)
    (small,) = {photo.evidence.imprecise for photo in sharp.photos}
    (large,) = {photo.evidence.imprecise for photo in bent.photos}
    assert small < 0.1
    assert large > 0.35
    assert {photo.level for photo in sharp.photos} == {"trusted"}
    assert "trusted" not in {photo.level for photo in bent.photos}
