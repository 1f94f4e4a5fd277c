"""Which of the reconstructions that nothing confirms is taken once they are refined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.poses import CAMERA, CONFIG, arc, cloud, make_scene

from splatpose.events import Message, Progress
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.mapping.camera_model_selection import Choice
from splatpose.sfm.mapping.hypotheses import Hypothesis
from splatpose.sfm.match_consistency import Explanation
from splatpose.sfm.registration.final_refinement import Refined
from splatpose.stages.poses import attempt as module
from splatpose.stages.poses.attempt import Attempt, Lenses, Setting, _refine_best
from splatpose.stages.poses.search import SearchResult

COUNT = 4


def explanation(share: float) -> Explanation:
    some = np.ones(3, bool)
    return Explanation(np.ones(COUNT, bool), some, ~some, share, share, 0.0, 0.9, 20.0)


def refined(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    shares: dict[str, tuple[float, float]],
    jumps: dict[str, float],
    *,
    agreeing: bool = False,
) -> tuple[Attempt, list[str], list[str]]:
    """The best of mappings that explain so much before and after they are refined.

    Args:
        jumps: how the steps of the refined models jump.

    Returns:
        It, what was refined, and what is said.
    """
    scene = make_scene(folder, arc(COUNT), cloud(60))
    names = tuple(photo.name for photo in scene.capture.photos)
    index = np.zeros(COUNT, np.int64)
    model = SparseModel.of_cameras(names, scene.cam_from_world, index, (CAMERA,))
    made = {name: pycolmap.Reconstruction() for name in shares}
    name_of = {id(reconstruction): name for name, reconstruction in made.items()}
    level = np.zeros(COUNT)
    found = [
        Hypothesis(name, name, made[name], model, explanation(before), 0.5, 1.0, level)
        for name, (before, _) in shares.items()
    ]
    done: list[str] = []

    def refine(start: pycolmap.Reconstruction, *args: object, **kwargs: object) -> Refined:
        done.append(name_of[id(start)])
        return Refined(start, Choice({}, ()), frozenset(), frozenset())

    monkeypatch.setattr(module, "refine", refine)
    monkeypatch.setattr(module, "model_from_reconstruction", lambda *args: replace(model))
    monkeypatch.setattr(module, "explain", lambda *a, **k: explanation(shares[done[-1]][1]))
    monkeypatch.setattr(module, "step_jumps", lambda *args: level + jumps.get(done[-1], 0.0))
    said: list[str] = []

    def emit(event: object) -> None:
        if isinstance(event, Message):
            said.append(event.text)
        assert isinstance(event, Message | Progress)

    given = scene.graph, match_table(scene.graph), [list(range(COUNT))], CONFIG, 0, None, None, None
    setting = Setting(scene.capture, names, *given, emit)
    lenses = Lenses(scene.graph, (CAMERA,), (False,), index)
    result = SearchResult(tuple(found), (), agreeing, ())
    return _refine_best(setting, lenses, result, on_selected=False), done, said


def test_what_explains_most_once_it_is_refined_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = {"global": (0.8, 0.82), "incremental": (0.79, 0.85)}
    best, done, said = refined(tmp_path, monkeypatch, shares, {})
    assert done == ["global", "incremental"]
    assert best.chosen.name == "incremental"
    assert best.explanation.share == 0.85
    assert best.refined.reconstruction is best.chosen.reconstruction
    (warning,) = said
    assert "none of 2 attempts confirms it" in warning


def test_a_model_whose_steps_jump_loses_to_one_that_explains_a_little_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = {"global": (0.88, 0.88), "incremental": (0.86, 0.865)}
    best, _, _ = refined(tmp_path, monkeypatch, shares, {"global": 3.0})
    assert best.chosen.name == "incremental"


def test_what_another_confirms_is_taken_without_refining_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = {"global": (0.8, 0.82), "incremental": (0.79, 0.85)}
    best, done, said = refined(tmp_path, monkeypatch, shares, {}, agreeing=True)
    assert (best.chosen.name, done, said) == ("global", ["global"], [])
