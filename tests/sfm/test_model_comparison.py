"""Changes of poses in one frame."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scenes.poses import arc
from scenes.spoiled import folded, partial
from scenes.trust import turned

from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.model_comparison import camera_radius, change, compare, difference


def test_pose_changes_are_in_degrees_and_percent_of_the_radius() -> None:
    before = np.tile(np.eye(4), (3, 1, 1))
    before[:, 0, 3] = -1, 0, 1  # centres at 1, 0, -1: RMS radius sqrt(2 / 3)
    after = before.copy()
    c, s = np.cos(0.1), np.sin(0.1)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    after[0, :3] = turn @ before[0, :3]  # about its own centre
    before[2] = np.nan
    found = change(before, after)
    np.testing.assert_allclose(found.rotation[:2], [math.degrees(0.1), 0], atol=1e-6)
    np.testing.assert_allclose(found.position[:2], 0, atol=1e-9)
    assert np.isnan(found.rotation[2])
    after = before.copy()
    after[1, 2, 3] = 0.5
    position = change(before, after).position
    centers = np.array([[1, 0, 0], [0, 0, -0.5]])
    radius = np.sqrt(((centers - centers.mean(0)) ** 2).sum(1).mean())
    assert position[1] == pytest.approx(100 * 0.5 / radius)


def test_models_agree_up_to_a_similarity(truth: SparseModel) -> None:
    move = Similarity(7.0, so3_exp(np.array([0.3, 2, 0.5])), np.array([1.0, 2, 3]))
    moved = replace(
        truth,
        cam_from_world=move.cam_from_world(truth.cam_from_world),
        points=move.points(truth.points),
    )
    same = compare(truth, moved)
    assert same.holds()
    assert same.center_error < 1e-9
    assert same.rotation_error < 1e-5
    assert not compare(truth, folded(truth)).holds()
    assert not compare(truth, partial(truth)).holds()
    assert not compare(partial(truth), truth).holds()


def test_agreement_of_two_photos(truth: SparseModel) -> None:
    def first_two(model: SparseModel) -> SparseModel:
        return replace(model, registered=np.arange(8) < 2)

    assert compare(first_two(truth), first_two(truth)).holds()
    other = replace(truth, cam_from_world=truth.cam_from_world.copy())
    other.cam_from_world[1, :3, 3] *= -1
    assert not compare(first_two(truth), first_two(other)).holds()


@pytest.mark.parametrize("wrong", [[], [2], [0, 6]])
def test_differences_are_exact_but_for_the_wrong_photos(wrong: list[int]) -> None:
    """Any similarity between the two, and a few photos far off."""
    truth = arc(7)
    other = Similarity(3.7, so3_exp(np.array([0.4, -1.1, 2.0])), np.array([5.0, -2.0, 9.0]))
    model = other.cam_from_world(truth)
    for photo in wrong:
        model = turned(model, photo, 12.0)
        model[photo, :3, 3] += 9.0
    found = difference(model, truth)
    right = [i for i in range(7) if i not in wrong]
    assert found.rotation[right].max() < 1e-5
    assert found.position[right].max() < 1e-5
    np.testing.assert_allclose(found.rotation[wrong], 12.0, atol=1e-5)
    assert (found.position[wrong] > 20).all()
    assert not found.agrees[wrong].any()


def test_differences_where_a_photo_is_missing() -> None:
    truth = arc(5)
    partial = truth.copy()
    partial[1] = np.nan
    found = difference(partial, truth)
    np.testing.assert_array_equal(np.isnan(found.rotation), np.arange(5) == 1)
    alone = np.full((5, 4, 4), np.nan)
    alone[0] = truth[0]
    assert np.isnan(difference(alone, truth).rotation).all()


def test_two_photos_differ_by_the_direction_between_them() -> None:
    truth = arc(2, span_deg=20)
    assert difference(truth, truth).position.max() < 1e-6
    bent = truth.copy()
    bent[1, :3, 3] += (0.0, 0.4, 0.0)
    assert not difference(bent, truth).agrees.any()


def test_a_camera_at_infinity_does_not_make_the_others_small() -> None:
    centers = np.random.default_rng(0).normal(size=(20, 3))
    radius = camera_radius(centers)
    assert camera_radius(np.concatenate([centers, [[1e6, 0, 0]]])) == pytest.approx(radius, rel=0.2)
