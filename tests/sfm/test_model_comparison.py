"""Changes of poses in one frame."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scenes.spoiled import folded, partial

from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.model_comparison import change, compare


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
