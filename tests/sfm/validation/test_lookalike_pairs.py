"""Strong pairs that a model denies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scenes.poses import Scene
from scenes.trust import PIXELS, subject_of

from splatpose.geometry.rotations import so3_exp
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.validation.lookalike_pairs import find_lookalikes


def test_strong_pairs_that_are_denied_are_lookalikes(scene: Scene) -> None:
    right = subject_of(scene)
    fine = find_lookalikes(
        right.model, right.table, explain(right.model, right.table, max_error_px=PIXELS), 0
    )
    assert (fine.overall, fine.shifted) == (0, 0)
    assert np.nanmax(fine.share) == 0
    for turn, shift, shifted in ((9.0, 0.0, False), (0.0, 0.6, True)):
        poses = scene.cam_from_world.copy()
        poses[:3, :3, :3] = so3_exp(np.radians([0.0, turn, 0.0])) @ poses[:3, :3, :3]
        poses[:3, 1, 3] += shift
        wrong = replace(right.model, cam_from_world=poses)
        explanation = explain(wrong, right.table, max_error_px=PIXELS)
        found = find_lookalikes(wrong, right.table, explanation, 0)
        assert found.overall > 0.3
        assert all((i < 3) != (j < 3) for i, j in found.pairs)
        assert found.shifted == (found.overall if shifted else 0)


def test_imprecise_pairs_count_half(scene: Scene) -> None:
    right = subject_of(scene)
    explanation = explain(right.model, right.table, max_error_px=PIXELS)
    rng = np.random.default_rng(0)
    crossing = (right.table.photos < 3).any(1) & (right.table.photos >= 3).any(1)
    # Of the matches between two groups few agree; the others miss by much, or by little.
    off = crossing & (rng.random(len(right.table)) < 0.75)
    told = replace(explanation, explained=explanation.explained & ~off, contradicted=off)
    wrong = find_lookalikes(right.model, right.table, told, 0)
    imprecise = replace(told, contradicted=off & (rng.random(len(right.table)) < 0.1))
    blurred = find_lookalikes(right.model, right.table, imprecise, 0)
    assert wrong.overall > 0.3
    assert wrong.shifted == wrong.overall
    assert blurred.pairs == wrong.pairs
    assert (blurred.overall, blurred.shifted) == (wrong.overall / 2, wrong.shifted / 2)
