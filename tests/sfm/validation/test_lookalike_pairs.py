"""Strong pairs that a model denies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scenes.poses import Scene, arc, cloud, make_scene
from scenes.trust import PIXELS, subject_of

from splatpose.geometry.rotations import so3_exp
from splatpose.sfm.correspondences import with_matches
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.validation.lookalike_pairs import find_lookalikes


def test_strong_pairs_that_are_denied_are_lookalikes(scene: Scene) -> None:
    right = subject_of(scene)
    fine = find_lookalikes(
        right.model, right.table, explain(right.model, right.table, max_error_px=PIXELS), 0
    )
    assert fine.overall == 0
    assert not fine.near.any()
    assert not fine.shifted.any()
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
        assert (found.near > 0.3).all()
        np.testing.assert_array_equal(found.shifted, found.near if shifted else 0)


def test_imprecise_pairs_count_little(scene: Scene) -> None:
    right = subject_of(scene)
    explanation = explain(right.model, right.table, max_error_px=PIXELS)
    rng = np.random.default_rng(0)
    crossing = (right.table.photos < 3).any(1) & (right.table.photos >= 3).any(1)
    # Of the matches between two groups few agree; the others miss by much, or by little.
    off = crossing & (rng.random(len(right.table)) < 0.75)
    told = replace(explanation, explained=explanation.explained & ~off, contradicted=off)
    wrong = find_lookalikes(right.model, right.table, told, 0)
    few, some = (off & (rng.random(len(right.table)) < share) for share in (0.1, 0.33))
    blurred = find_lookalikes(right.model, right.table, replace(told, contradicted=few), 0)
    between = find_lookalikes(right.model, right.table, replace(told, contradicted=some), 0)
    assert wrong.overall > 0.3
    np.testing.assert_array_equal(wrong.shifted, wrong.near)
    assert blurred.pairs == between.pairs == wrong.pairs
    assert blurred.overall == 0
    assert not blurred.near.any()
    assert 0.2 * wrong.overall < between.overall < 0.8 * wrong.overall


def test_what_is_denied_far_away_says_nothing_of_a_photo(tmp_path: Path) -> None:
    """Two places joined by a few photos; in one of them pairs that match best are denied."""
    count = 24
    scene = make_scene(tmp_path, arc(count), cloud())
    right = subject_of(scene)
    span = np.abs(right.table.photos[:, 0] - right.table.photos[:, 1])
    table = with_matches(right.table, span <= 3)
    explanation = explain(right.model, table, max_error_px=PIXELS)
    last = (table.photos >= count - 6).all(1) & (np.ptp(table.photos, axis=1) == 1)
    told = replace(explanation, explained=explanation.explained & ~last, contradicted=last)
    found = find_lookalikes(right.model, table, told, 0)
    assert found.overall > 0
    assert found.near[-7] > 0.05
    assert not found.near[: count - 12].any()


def test_a_misplaced_photo_says_nothing_of_those_beside_it(scene: Scene) -> None:
    right = subject_of(scene)
    explanation = explain(right.model, right.table, max_error_px=PIXELS)
    own = (right.table.photos == 2).any(1)
    told = replace(explanation, explained=explanation.explained & ~own, contradicted=own)
    found = find_lookalikes(right.model, right.table, told, 0)
    assert found.share[2] == 1
    assert found.overall == 0
    assert not found.near.any()
