"""The viewer shows the poses that the run went on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.splats import synthetic_views
from scenes.two_rounds import MOVED, write_rounds
from scenes.viewer_run import REGISTERED, SIZE

from splatpose.viewer.web.follow import RunFollower


@pytest.mark.parametrize("decision", ["kept", "rolled back", "not tried"])
def test_poses_and_links_of_the_round_that_counts_are_shown(decision: str, tmp_path: Path) -> None:
    write_rounds(tmp_path / "run", decision)
    follower = RunFollower(tmp_path / "run")
    assert follower.look()
    world = follower.world
    assert world.problems == ()
    assert world.poses is not None
    assert world.links is not None
    true = synthetic_views(REGISTERED, *SIZE).cam_from_world
    kept = decision == "kept"
    shift = world.poses.cam_from_world[:REGISTERED, 0, 3] - true[:, 0, 3]
    np.testing.assert_allclose(shift, MOVED if kept else 0, atol=1e-9)
    assert ([0, REGISTERED - 1] in world.links.pairs.tolist()) == kept
    assert [verdict.level for verdict in world.verdicts].count("registered") == REGISTERED
