"""What is drawn, and drawn again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from scenes.viewer_run import REGISTERED

from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.scene.sparse_model import PoseSnapshot
from splatpose.stages.outputs.crop import CropBox
from splatpose.viewer.web.access import Door
from splatpose.viewer.web.drawing import Drawer, Shown, placed_poses
from splatpose.viewer.web.follow import RunFollower
from splatpose.viewer.web.geometry import (
    changes,
)
from splatpose.viewer.web.server import open_server
from splatpose.viewer.web.texts import (
    snapshot_line,
)
from splatpose.viewer.web.world import World


def test_only_what_is_asked_for_is_drawn_again(finished: Path) -> None:
    """A viser scene on a real server, which nobody looks at."""
    follower = RunFollower(finished)
    follower.look()
    server = open_server("127.0.0.1", 0, Door("nobody"))
    try:
        drawer, shown = Drawer(server.scene), Shown()
        drawer.draw(follower.world, shown)
        assert drawer.cameras_shown == REGISTERED
        total = drawer.splats_shown
        assert total == len(follower.world.splats.browser)
        handles = dict(drawer._handles)
        drawer.draw(follower.world, shown)
        assert all(drawer._handles[part] is handles[part] for part in handles)
        shown.most_splats, shown.crop = 50, CropBox((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        drawer.draw(follower.world, shown)
        assert drawer.splats_shown == 50
        assert drawer._handles["cameras"] is handles["cameras"]
        assert len(drawer._handles["crop"]) == 1
        shown.cameras = False
        drawer.draw(follower.world, shown)
        assert drawer.cameras_shown == 0
        assert server.scene.get_handle_by_name("/points") is not None
    finally:
        server.stop()


def test_snapshots_of_the_poses_are_shown_where_there_are_some(finished: Path) -> None:
    follower = RunFollower(finished)
    follower.look()
    poses = follower.world.poses
    assert poses is not None
    assert placed_poses(follower.world, 0)[0] is poses.cam_from_world, "there is no past"
    moved = poses.cam_from_world.copy()
    moved[:, :3, 3] += 0.02
    early = PoseSnapshot("initial", moved, poses.points[:5])
    late = PoseSnapshot("global", poses.cam_from_world, poses.points)
    past = dataclasses.replace(poses, snapshots=(early, late))
    world = dataclasses.replace(follower.world, poses=past)
    assert "initial poses, 5 points" in snapshot_line(past, 0)
    percent, degrees = changes(moved, poses.cam_from_world)
    expected = 100 * 0.02 * 3**0.5 / rms_radius(centers_of(poses.cam_from_world[:REGISTERED]))
    assert percent == pytest.approx(expected)
    assert degrees == pytest.approx(0, abs=1e-5)
    assert "(final)" in snapshot_line(past, 1)
    assert placed_poses(world, 0)[0] is early.cam_from_world
    assert len(placed_poses(world, 0)[1]) == 5
    assert placed_poses(world, -1)[0] is poses.cam_from_world
    assert placed_poses(World(), 0)[0] is None
