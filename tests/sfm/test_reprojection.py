"""Reprojection errors are those of the projection written out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.outputs import make_scene

from splatpose.sfm.reprojection import projection_errors, reprojection_errors


def test_errors_are_those_of_a_projection_by_hand(tmp_path: Path) -> None:
    poses = make_scene(tmp_path).poses
    errors = reprojection_errors(poses)
    for (track, photo, _), xy, error in zip(
        poses.observations, poses.observation_xy, errors, strict=True
    ):
        x, y, z = (poses.cam_from_world[photo] @ [*poses.points[track], 1])[:3]
        if z <= 0:
            assert error == np.inf
            continue
        u, v = x / z, y / z
        bent = 1 + 0.05 * (u * u + v * v)  # SIMPLE_RADIAL of the scene's first camera
        expected = math.hypot(60 * u * bent + 32 - xy[0], 60 * v * bent + 24 - xy[1])
        assert error == pytest.approx(expected)


def test_each_pixel_has_an_error_of_its_own_whatever_the_order(tmp_path: Path) -> None:
    poses = make_scene(tmp_path).poses
    track, photo, _ = poses.observations.T
    order = np.random.default_rng(0).permutation(len(track))
    found = projection_errors(poses, track[order], photo[order], poses.observation_xy[order])
    np.testing.assert_allclose(found, reprojection_errors(poses)[order], rtol=1e-12)
    without = replace(poses, registered=np.zeros_like(poses.registered))
    assert np.isinf(reprojection_errors(without)).all()
