"""A camera that moves while it reads its rows is told from one whose keypoints are noisy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes.poses import CAMERA
from scenes.zooms import facade, front, seen_by

from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.validation.reading_motion import reading_motion

COUNT = 6


def model(noise: float, turn: float, along: int = 1, points: int = 300) -> SparseModel:
    """Photos of a front, with keypoint noise in pixels and a turn in radians while read.

    Args:
        noise: standard deviation of the keypoints in pixels.
        turn: of the camera between its first and last row (column), in radians.
        along: 1: rows are read; 0: columns, as of a photo that was turned upright.
        points: of the front.
    """
    found = seen_by([CAMERA] * COUNT, facade(COUNT), front(points))
    rng = np.random.default_rng(0)
    side = (CAMERA.width, CAMERA.height)[along]
    xy = found.observation_xy.copy()
    for photo in range(COUNT):
        axis = rng.standard_normal(3)
        axis *= turn / np.linalg.norm(axis)
        for row in np.flatnonzero(found.observations[:, 1] == photo):
            pose = found.cam_from_world[photo].copy()
            pose[:3] = so3_exp(axis * (xy[row, along] / side - 0.5)) @ pose[:3]
            point = found.points[found.observations[row, :1]]
            xy[row] = project(found.cameras[0], pose, point)[0][0]
    return replace(found, observation_xy=xy + rng.normal(0, noise, xy.shape))


@pytest.mark.parametrize("along", [0, 1])
def test_a_turn_while_rows_are_read_explains_the_errors(along: int) -> None:
    still, fast = (reading_motion(model(0.5, turn, along)) for turn in (0.0, 0.02))
    assert still < 0.02
    assert fast > 0.5
    assert still < reading_motion(model(2.0, 0.02, along)) < fast


def test_noise_alone_explains_nothing_however_much() -> None:
    shares = [reading_motion(model(noise, 0.0)) for noise in (0.1, 1.0, 5.0)]
    assert max(shares) < 0.03


def test_few_points_are_not_asked() -> None:
    assert np.isnan(reading_motion(model(0.5, 0.02, points=40)))
    empty = replace(model(0.5, 0.02), registered=np.zeros(COUNT, bool))
    assert np.isnan(reading_motion(empty))
