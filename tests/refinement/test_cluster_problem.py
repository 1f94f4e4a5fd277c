"""What a cluster learns from and what judges it."""

from __future__ import annotations

import numpy as np
from scenes.clusters import CONFIG, INDEX
from scenes.poses import CAMERA, Scene

from splatpose.geometry.rotations import so3_exp
from splatpose.refinement.cluster_problem import judged, place
from splatpose.sfm.correspondences import with_matches
from splatpose.sfm.held_out import held_out_matches
from splatpose.sfm.mapping.track_adjustment import resolved
from splatpose.sfm.twoview.match_errors import fitting_matches


def test_held_out_matches_reach_no_optimisation(scene: Scene, table, relative, problems) -> None:
    """What a process is given to learn from has no keypoint of what judges it."""
    assert len(problems) >= 3
    fits = fitting_matches(table, relative, (CAMERA,), INDEX)
    judging, _ = held_out_matches(table, fits, CONFIG.held_out_share, 0)
    held = with_matches(table, judging)
    secret = set(zip(held.photos.ravel().tolist(), held.keypoints.ravel().tolist(), strict=True))
    inside = 0
    for problem in problems:
        learned = problem.table
        photos = problem.photos[learned.photos].ravel().tolist()
        assert not secret & set(zip(photos, learned.keypoints.ravel().tolist(), strict=True))
        judges = problem.judging
        photos = problem.photos[judges.photos].ravel().tolist()
        assert secret >= set(zip(photos, judges.keypoints.ravel().tolist(), strict=True))
        inside += len(judges)
        np.testing.assert_array_equal(learned.pairs, problem.relative.pairs)
        assert problem.views.names == tuple(f"IMG_{i + 1}.png" for i in problem.photos)
        placed = place(problem, min_matches=15, seed=0)
        assert placed is not None
        photos = problem.photos[placed.members][placed.tracks.view].tolist()
        assert not secret & set(zip(photos, placed.keypoint.tolist(), strict=True))
    assert inside > 100


def test_adjusting_a_cluster_agrees_better_with_held_out_tracks(scene: Scene, problems) -> None:
    for problem in problems[:2]:
        placed = place(problem, min_matches=15, seed=0)
        assert placed is not None
        _, poses = resolved(placed.tracks, placed.cam_from_world)
        before, after = judged(placed.judges, placed.cam_from_world), judged(placed.judges, poses)
        assert after.mean() < before.mean()
        true = scene.cam_from_world[problem.photos[placed.members]]
        assert after.mean() < 1.05 * judged(placed.judges, true).mean()


def test_a_pose_that_is_wrong_is_judged_worse(problems, scene: Scene) -> None:
    placed = place(problems[0], min_matches=15, seed=0)
    assert placed is not None
    true = scene.cam_from_world[problems[0].photos[placed.members]]
    wrong = true.copy()
    wrong[1, :3, :3] = so3_exp(np.radians([0.3, 0.0, 0.3])) @ wrong[1, :3, :3]
    assert judged(placed.judges, wrong).mean() > 1.2 * judged(placed.judges, true).mean()
