"""Adjustment of poses to tracks, resection, and the error of tracks held out."""

from __future__ import annotations

import numpy as np
import pytest
from scenes.joint import JointScene, joint_scene

from splatpose.geometry.similarity import alignment
from splatpose.sfm.held_out import held_out_tracks
from splatpose.sfm.mapping.track_adjustment import held_out_error, resected, resolved
from splatpose.sfm.tracks import Tracks, tracks_of, triangulated


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> JointScene:
    return joint_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def tracks(scene: JointScene) -> Tracks:
    return tracks_of(scene.poses, scene.views)


def test_adjustment_recovers_perturbed_poses(scene: JointScene, tracks: Tracks):
    _, reference = resolved(tracks, scene.truth)
    far = scene.perturbed(2.0, 0.03).poses.cam_from_world
    start = triangulated(tracks, far)
    _, poses = resolved(start, far)
    assert scene.ate(far) > 0.02
    assert scene.ate(poses) < 1.5 * scene.ate(reference)
    # The answer is in the frame of the question.
    frame = alignment(poses, far)
    assert frame.scale == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(frame.rotation, np.eye(3), atol=1e-9)


def test_resection_moves_only_what_is_free(scene: JointScene, tracks: Tracks):
    fixed = np.ones(len(scene.truth), bool)
    fixed[[2, 6]] = False
    far = scene.perturbed(2.0, 0.03).poses.cam_from_world
    start = np.where(fixed[:, None, None], scene.truth, far)
    placed, poses = resected(tracks, start, fixed)
    np.testing.assert_array_equal(poses[fixed], scene.truth[fixed])
    assert np.abs(poses - scene.truth).max() < 0.1 * np.abs(start - scene.truth).max()
    assert np.median(placed.errors(poses)) < 1


def test_held_out_tracks_tell_better_poses(scene: JointScene, tracks: Tracks):
    judges = tracks.subset(held_out_tracks(tracks, 0.3, seed=1))
    _, good = held_out_error(judges, scene.truth)
    _, bad = held_out_error(judges, scene.perturbed(0.1, 0.0).poses.cam_from_world)
    assert bad > 1.2 * good
