"""Cameras that move while Gaussians train: the tracks' loss, the gauge, the schedule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes.joint import JointScene, joint_scene
from scenes.poses import random_similarity

from splatpose.geometry.similarity import alignment
from splatpose.refinement.camera_optimizer import CameraOptimizer, PoseSchedule
from splatpose.sfm.tracks import Tracks, tracks_of

SCHEDULE = PoseSchedule(steps=100, start=0.2, rate=0.5, track_weight=1.0)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> JointScene:
    return joint_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def tracks(scene: JointScene) -> Tracks:
    return tracks_of(scene.poses, scene.views)


def _cameras(scene: JointScene, tracks: Tracks, huber: float = 1.0) -> CameraOptimizer:
    schedule = replace(SCHEDULE, huber=huber)
    return CameraOptimizer(scene.truth, tracks, 80.0, schedule, torch.device("cpu"))


def test_track_loss_does_not_depend_on_the_gauge(scene: JointScene, tracks: Tracks):
    frame = random_similarity(0.3)
    rng = np.random.default_rng(1)
    offset = rng.normal(0, 0.02, tracks.points.shape)
    here = _cameras(scene, tracks.moved(tracks.points + offset))
    moved = tracks.moved(frame.points(tracks.points + offset))
    there = CameraOptimizer(
        frame.cam_from_world(scene.truth), moved, 80.0, SCHEDULE, torch.device("cpu")
    )
    for view in (0, 5):
        loss = float(here.track_loss(view).detach())
        assert loss > 0.1
        assert float(there.track_loss(view).detach()) == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("huber", [0.3, 1e3])
def test_track_loss_has_the_gradient_of_finite_differences(
    scene: JointScene, tracks: Tracks, huber: float
):
    cameras = _cameras(scene, tracks, huber)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in (*cameras.twists, cameras.offsets):
            value.copy_(torch.randn(value.shape, generator=generator, dtype=torch.float64) * 0.1)
    cameras.track_loss(3).backward()
    seen = np.unique(tracks.track[tracks.view == 3])
    entries = [(cameras.twists[3], (k,)) for k in range(6)]
    entries += [(cameras.offsets, (int(seen[7]), k)) for k in range(3)]
    for value, place in entries:
        assert value.grad is not None
        losses = []
        for change in (1e-5, -1e-5):
            with torch.no_grad():
                value[place] += change
                losses.append(float(cameras.track_loss(3)))
                value[place] -= change
        numeric = (losses[0] - losses[1]) / 2e-5
        assert float(value.grad[place]) == pytest.approx(numeric, rel=1e-4, abs=1e-7)
    assert all(cameras.twists[view].grad is None for view in (0, 4))


def test_tracks_alone_bring_cameras_back(scene: JointScene, tracks: Tracks):
    far = scene.perturbed(0.3, 0.004).poses.cam_from_world
    schedule = PoseSchedule(steps=800, start=0.0, rate=0.2, track_weight=1.0)
    cameras = CameraOptimizer(far, tracks, 80.0, schedule, torch.device("cpu"))
    for step in range(1, schedule.steps):
        view = step % len(far)
        loss = cameras.term(view, step)
        if loss.requires_grad:
            loss.backward()
        cameras.step(view, step)
    assert scene.ate(cameras.poses()) < 0.7 * scene.ate(far)
    moved = tracks.moved(cameras.points())
    assert np.median(moved.errors(cameras.poses())) < 1.2 * np.median(tracks.errors(scene.truth))
    # The world did not drift.
    frame = alignment(cameras.poses(), far)
    assert frame.scale == pytest.approx(1, abs=2e-3)
    at_rest = cameras.poses()
    cameras.step(4, schedule.steps - 1)
    np.testing.assert_array_equal(cameras.poses(), at_rest)


def test_motion_starts_late_rises_and_ends_at_rest():
    rates = np.array([SCHEDULE.at(step) for step in range(SCHEDULE.steps)])
    assert not rates[:21].any()
    assert rates[-5:].max() == 0
    assert rates.max() == pytest.approx(SCHEDULE.rate)
    assert np.argmax(rates) == 30
    assert (np.diff(rates[30:]) <= 0).all()
