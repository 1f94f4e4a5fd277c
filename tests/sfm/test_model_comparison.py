"""Changes of poses in one frame."""

from __future__ import annotations

import math

import numpy as np
import pytest

from splatpose.sfm.model_comparison import change


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
