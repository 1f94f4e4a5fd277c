"""Gravity, and the frame of the finished model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes.poses import arc, look_at

from splatpose.geometry.centers import centers_of
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.world_frame import gravity, world_frame


def test_gravity_of_hand_held_cameras() -> None:
    down = np.array([0, 1.0, 0])
    poses = arc(12, 200)
    rng = np.random.default_rng(0)
    tilted = poses.copy()
    tilted[:, :3, :3] = so3_exp(rng.normal(0, 0.05, (12, 3))) @ poses[:, :3, :3]
    # Two photos in the other format.
    tilted[3:5, :3, :3] = so3_exp(np.array([0, 0, np.pi / 2])) @ tilted[3:5, :3, :3]
    for move in (np.eye(3), so3_exp(np.array([1.0, 2.0, -0.5]))):
        moved = tilted.copy()
        moved[:, :3, :3] = tilted[:, :3, :3] @ move.T
        assert gravity(moved) @ (move @ down) > np.cos(np.radians(4))


def test_gravity_of_a_forward_facing_capture() -> None:
    """All x axes are parallel and say nothing; the y axes decide."""
    poses = np.stack([look_at((x, 0.2 * y, 0), (x, 0.2 * y, 5)) for x in range(3) for y in (0, 1)])
    np.testing.assert_allclose(gravity(poses), (0, 1, 0), atol=1e-6)


def test_world_frame_of_a_moved_model(truth: SparseModel) -> None:
    move = Similarity(3.0, so3_exp(np.array([0.5, -1.0, 2.0])), np.array([4.0, 5, 6]))
    moved = replace(truth, cam_from_world=move.cam_from_world(truth.cam_from_world))
    frame = world_frame(moved)
    result = replace(truth, cam_from_world=frame.cam_from_world(moved.cam_from_world))
    np.testing.assert_allclose(centers_of(result.cam_from_world).mean(0), 0, atol=1e-9)
    assert (centers_of(result.cam_from_world) ** 2).sum(1).mean() == pytest.approx(1)
    assert gravity(result.cam_from_world)[1] == pytest.approx(1)
