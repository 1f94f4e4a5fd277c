"""Gravity, and the frame of the finished model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes.poses import arc, look_at

from splatpose.geometry.centers import centers_of
from splatpose.geometry.rotations import rotation_angle, so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.world_frame import _gravity, gravity, uprightness, world_frame


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


def turned(poses: np.ndarray, quarter_turns: np.ndarray) -> np.ndarray:
    """The same photos with their pixels turned: about the optical axis, by quarters."""
    result = poses.copy()
    turns = np.stack([np.zeros(len(poses)), np.zeros(len(poses)), quarter_turns * np.pi / 2], 1)
    result[:, :3] = so3_exp(turns) @ poses[:, :3]
    return result


def hand_held(name: str) -> np.ndarray:
    """Cameras of a kind of capture, each a few degrees off level."""
    rows = [look_at((x, 0.2 * y, 0), (1.1 * x, 0.2 * y, 5)) for x in range(4) for y in (0, 1, 2)]
    poses = {
        "orbit": arc(16, 330),
        "quarter of an orbit": arc(11, 70),
        "from above": arc(16, 330, height=0.0),
        "forward-facing": np.stack(rows),
    }[name]
    if name == "from above":
        down = so3_exp(np.array([[-0.9, 0, 0]]))[0]
        poses[:, :3, :3] = down @ poses[:, :3, :3]
    tilt = np.random.default_rng(3).normal(0, 0.03, (len(poses), 3))
    poses[:, :3, :3] = so3_exp(tilt) @ poses[:, :3, :3]
    return poses


KINDS = ["orbit", "quarter of an orbit", "from above", "forward-facing"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["every second", "first half", "to both sides", "one of four"])
def test_photos_turned_by_90_degrees_do_not_tilt_the_world(kind: str, order: str) -> None:
    poses = hand_held(kind)
    number = np.arange(len(poses))
    turns = {
        "every second": number % 2,
        "first half": (number < len(poses) // 2).astype(int),
        "to both sides": np.array([0, 1, 0, -1])[number % 4],
        "one of four": (number % 4 == 2).astype(int),
    }[order]
    rolled = turned(poses, turns)
    assert gravity(rolled) @ _gravity(poses) > np.cos(np.radians(4))
    assert (uprightness(rolled).quarter_turns != 0).tolist() == (turns != 0).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_where_no_photo_is_turned_nothing_changes(kind: str) -> None:
    poses = hand_held(kind)
    held = uprightness(poses)
    assert not held.quarter_turns.any()
    assert held.certain
    np.testing.assert_array_equal(gravity(poses), _gravity(poses))


def test_a_drone_that_looks_straight_down_flies_above_the_ground() -> None:
    """Its photos are turned about the vertical at will: none lies on its side."""
    rng = np.random.default_rng(0)
    down = so3_exp(np.array([np.pi / 2, 0, 0]))  # forward is +y
    poses = np.tile(np.eye(4), (30, 1, 1))
    for photo, yaw in enumerate(rng.uniform(0, 2 * np.pi, 30)):
        tilt = so3_exp(rng.normal(0, 0.05, 3))
        poses[photo, :3, :3] = tilt @ so3_exp(np.array([0, 0, yaw])) @ down
        center = (rng.uniform(-5, 5), 0, rng.uniform(-5, 5))
        poses[photo, :3, 3] = -poses[photo, :3, :3] @ center
    held = uprightness(poses)
    assert not held.quarter_turns.any()
    assert gravity(poses)[1] > np.cos(np.radians(4))


def test_a_walk_around_with_all_photos_turned_stands_upright() -> None:
    poses = hand_held("orbit")
    rolled = turned(poses, np.ones(len(poses), int))
    assert abs(gravity(rolled) @ _gravity(poses)) > np.cos(np.radians(4))
    assert not uprightness(rolled).certain, "head and feet are told apart by nothing"


def test_halves_of_a_forward_facing_capture_leave_down_open() -> None:
    poses = np.stack([look_at((x, 0.2 * y, 0), (x, 0.2 * y, 5)) for x in range(3) for y in (0, 1)])
    rolled = turned(poses, np.arange(len(poses)) % 2)
    assert abs(gravity(rolled)[1]) > 0.99, "people step to the side more than up"
    assert not uprightness(rolled).certain


def test_the_world_of_turned_photos_stands_upright(truth: SparseModel) -> None:
    turns = np.arange(len(truth.names)) % 2
    model = replace(truth, cam_from_world=turned(truth.cam_from_world, turns))
    moved = world_frame(model).cam_from_world(model.cam_from_world)
    usual = world_frame(truth).cam_from_world(truth.cam_from_world)
    for photo in np.flatnonzero(turns == 0):
        angle = rotation_angle(moved[photo, :3, :3] @ usual[photo, :3, :3].T)
        assert angle < np.radians(2), "x too is the cameras' right as they were held"


def test_world_frame_of_a_moved_model(truth: SparseModel) -> None:
    move = Similarity(3.0, so3_exp(np.array([0.5, -1.0, 2.0])), np.array([4.0, 5, 6]))
    moved = replace(truth, cam_from_world=move.cam_from_world(truth.cam_from_world))
    frame = world_frame(moved)
    result = replace(truth, cam_from_world=frame.cam_from_world(moved.cam_from_world))
    np.testing.assert_allclose(centers_of(result.cam_from_world).mean(0), 0, atol=1e-9)
    assert (centers_of(result.cam_from_world) ** 2).sum(1).mean() == pytest.approx(1)
    assert gravity(result.cam_from_world)[1] == pytest.approx(1)
