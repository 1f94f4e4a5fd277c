"""What halves of the matches are asked, where mapping of one of them fails by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pycolmap
import pytest
from scenes.poses import Scene, arc, cloud, make_scene
from scenes.trust import MIN_MATCHES, PIXELS, subject_of

from splatpose.geometry.rotations import so3_exp
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.hypotheses import Hypothesis
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.model_comparison import difference
from splatpose.sfm.validation import split_reconstructions
from splatpose.sfm.validation.split_agreement import fold_evidence
from splatpose.sfm.validation.split_reconstructions import (
    Half,
    by_lens,
    group_cameras,
    map_halves,
)
from splatpose.tolerance import Tolerance

COUNT = 10


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("arc"), arc(COUNT), cloud(), outliers=0.2)


def folded(poses: np.ndarray, photos: list[int]) -> np.ndarray:
    """Some cameras together turned about the world's middle."""
    wrong = poses.copy()
    wrong[photos, :3, :3] = poses[photos, :3, :3] @ so3_exp(np.radians([0.0, 25.0, 0.0]))
    return wrong


def halves_of(
    scene: Scene,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: tuple[np.ndarray, np.ndarray],
    model: np.ndarray | None = None,
    workers: int = 1,
) -> tuple[tuple[Half, Half], list[str]]:
    """The halves where mapping finds these poses, and what was told."""
    subject = subject_of(scene, model)
    true = subject_of(scene)

    def workshop(home: Path, graph, names, groups, table, **options) -> SimpleNamespace:
        poses = found[0 if home.parent.name == "half 1" else 1]
        own = SparseModel.of_cameras(names, poses, groups, true.model.cameras)
        told = explain(own, table, max_error_px=PIXELS)
        parts = (pycolmap.Reconstruction(), own, told, 0.0, 0.0, np.zeros(COUNT))
        result = Hypothesis("known", "known", *parts)
        home.mkdir()
        return SimpleNamespace(run=lambda recipes, workers: [result], tolerance=Tolerance())

    monkeypatch.setattr(split_reconstructions, "Workshop", workshop)
    told: list[str] = []
    halves = map_halves(
        subject.graph,
        subject.table,
        subject.model,
        subject.groups,
        folder,
        max_error_px=PIXELS,
        min_matches=MIN_MATCHES,
        seed=0,
        workers=workers,
        every=False,
        progress=told.append,
    )
    return halves, told


def agreeing(half: Half, poses: np.ndarray) -> int:
    return int(difference(half.attempts[0].cam_from_world, poses).agrees.sum())


def asked(told: list[str]) -> list[str]:
    return [text for text in told if "asked about" in text]


def test_a_half_whose_mapping_failed_is_asked_about_what_the_other_found(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = scene.cam_from_world
    wrong = folded(true, [0, 1, 2, 3])
    halves, told = halves_of(scene, tmp_path, monkeypatch, (true, wrong))
    assert asked(told) == ["half 2 of the matches, asked about the other half's model"]
    assert [attempt.of_other_half for attempt in halves[1].attempts[:2]] == [True, False]
    assert agreeing(halves[1], true) == COUNT
    subject = subject_of(scene)
    folds = fold_evidence(halves, subject.model, subject.table)
    assert (folds.agreeing == 2).all()
    assert not folds.denying.any()
    assert (folds.ways[:4] == 1).all(), "it is no further way of mapping"
    assert "incremental mapping, begun from the other half's" in folds.notes[1]


def test_what_explains_no_more_than_what_a_half_found_is_not_taken(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model under test is wrong, and one half has found so."""
    true = scene.cam_from_world
    wrong = folded(true, [0, 1, 2, 3])
    halves, told = halves_of(scene, tmp_path, monkeypatch, (wrong, true), model=wrong)
    assert asked(told) == ["half 2 of the matches, asked about the other half's model"]
    assert not any(attempt.of_other_half for half in halves for attempt in half.attempts)
    assert agreeing(halves[1], true) == COUNT


def test_halves_that_agree_ask_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither with the model nor, where that is wrong, with each other."""
    true = scene.cam_from_world
    _, told = halves_of(scene, tmp_path, monkeypatch, (true, true))
    assert not asked(told)
    (tmp_path / "wrong").mkdir()
    wrong = folded(true, [0, 1, 2, 3])
    halves, told = halves_of(scene, tmp_path / "wrong", monkeypatch, (true, true), model=wrong)
    assert not asked(told)
    assert agreeing(halves[0], true) == COUNT


@pytest.mark.parametrize("workers", [1, 2])
def test_each_half_is_asked_about_what_the_other_found_by_itself(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Not about what that one took over from it, which would depend on who is asked first."""
    true = scene.cam_from_world
    wrong, more_wrong = folded(true, [0, 1]), folded(true, [0, 1, 2, 3, 4])
    about: dict[str, np.ndarray] = {}
    ask = split_reconstructions._HalfAtWork.ask_about

    def spied(own, attempt, found, cameras) -> None:
        about[own._folder.name] = found.cam_from_world
        ask(own, attempt, found, cameras)

    monkeypatch.setattr(split_reconstructions._HalfAtWork, "ask_about", spied)
    halves, _ = halves_of(scene, tmp_path, monkeypatch, (more_wrong, wrong), workers=workers)
    np.testing.assert_array_equal(about["half 1"], wrong)
    np.testing.assert_array_equal(about["half 2"], more_wrong)
    assert halves[0].attempts[0].of_other_half, "else nothing was taken over"


def test_a_long_lens_is_a_lens_of_its_own(scene: Scene) -> None:
    """A phone's own camera and its tenfold zoom behind one label."""
    model = subject_of(scene).model
    short = replace(scene.camera, params=np.array([640.0, 400, 300, 0]))
    long = replace(scene.camera, params=np.array([5200.0, 400, 300, 0]))
    zoomed = np.arange(COUNT) % 3 == 0
    two = replace(model, cameras=(short, long), camera_index=zoomed.astype(int))
    lenses = by_lens(two, np.zeros(COUNT, np.int64))
    np.testing.assert_array_equal(lenses != 0, zoomed)
    assert group_cameras(two, lenses) == {0: short, int(lenses.max()): long}


def test_a_group_that_has_no_camera_is_not_given_that_of_another(scene: Scene) -> None:
    """The zoomed photos have no pose, or a lens that none is."""
    model = subject_of(scene).model
    zoomed = np.arange(COUNT) % 3 == 0
    odd = replace(scene.camera, params=np.array([9999.0, 400, 300, 0]))
    two = replace(model, cameras=(scene.camera, odd), camera_index=zoomed.astype(int))
    cameras = split_reconstructions._cameras_of_groups(two, zoomed.astype(int), {})
    assert cameras == (scene.camera, odd)
    known = replace(scene.camera, params=np.array([3000.0, 400, 300, 0]))
    cameras = split_reconstructions._cameras_of_groups(two, zoomed.astype(int), {1: known})
    assert cameras == (scene.camera, known)
