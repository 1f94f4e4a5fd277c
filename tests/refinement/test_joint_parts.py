"""Laws of the joint optimisation's parts: motions, gauge, track loss, split, decision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.joint import JointScene, joint_scene

from splatpose.geometry.gauge import gauge_basis
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity, alignment
from splatpose.geometry.twists import Gauge, se3_exp
from splatpose.refinement.camera_optimizer import CameraOptimizer, PoseSchedule
from splatpose.refinement.gate import Figures, GateThresholds, decide, split_views
from splatpose.sfm.held_out import held_out_tracks
from splatpose.sfm.mapping.track_adjustment import held_out_error, resected, resolved
from splatpose.sfm.tracks import Tracks, tracks_of, triangulated

SCHEDULE = PoseSchedule(steps=100, start=0.2, rate=0.5, track_weight=1.0)
THRESHOLDS = GateThresholds(min_gain=0.1, min_standard_errors=1.0, match_tolerance=0.05)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> JointScene:
    return joint_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def tracks(scene: JointScene) -> Tracks:
    return tracks_of(scene.poses, scene.views)


def _similarity(size: float, seed: int = 0) -> Similarity:
    rng = np.random.default_rng(seed)
    return Similarity(
        1 + size * rng.standard_normal(),
        so3_exp(size * rng.standard_normal(3)),
        size * rng.standard_normal(3),
    )


def _cameras(scene: JointScene, tracks: Tracks, huber: float = 1.0) -> CameraOptimizer:
    schedule = replace(SCHEDULE, huber=huber)
    return CameraOptimizer(scene.truth, tracks, 80.0, schedule, torch.device("cpu"))


def test_twists_turn_about_the_camera_and_shift_in_its_axes():
    angle = torch.tensor([0.0, 0.0, 0.3, 1.0, 2.0, 3.0], dtype=torch.float64)
    motion = se3_exp(angle)
    np.testing.assert_allclose(motion[:3, :3], so3_exp(np.array([0, 0, 0.3])), atol=1e-12)
    assert float(motion[2, 3]) == pytest.approx(3.0)
    product = motion @ se3_exp(-angle)
    np.testing.assert_allclose(product, np.eye(4), atol=1e-12)
    zero = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(se3_exp, zero)


def test_gauge_basis_is_what_a_similarity_does(scene: JointScene):
    size = 1e-5
    small = _similarity(size)
    moved = small.cam_from_world(scene.truth)
    # Rotation and translation of the basis are those of the world: about its origin.
    turn = small.rotation - small.rotation.T
    w = 0.5 * np.array([turn[2, 1], turn[0, 2], turn[1, 0]])
    twists = gauge_basis(scene.truth) @ np.concatenate([w, small.translation, [small.scale - 1]])
    expected = se3_exp(torch.from_numpy(twists)).numpy() @ scene.truth
    np.testing.assert_allclose(moved, expected, atol=50 * size**2)


def test_gauge_removes_world_motions_and_nothing_else(scene: JointScene):
    units = np.array([1, 1, 1, 3, 3, 3]) / 80.0
    gauge = Gauge(scene.truth, units)
    rng = np.random.default_rng(0)
    twists = torch.from_numpy(rng.standard_normal((len(scene.truth), 6)))
    world = torch.from_numpy(gauge_basis(scene.truth) @ rng.standard_normal(7) / units)
    clean = gauge.removed(twists)
    np.testing.assert_allclose(gauge.removed(twists + world), clean, atol=1e-9)
    np.testing.assert_allclose(gauge.removed(clean), clean, atol=1e-12)
    np.testing.assert_allclose(gauge.removed(world), torch.zeros_like(world), atol=1e-9)
    assert float(clean.norm()) > 0.9 * float(twists.norm())


def test_track_loss_does_not_depend_on_the_gauge(scene: JointScene, tracks: Tracks):
    frame = _similarity(0.3)
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


def test_triangulation_meets_exact_rays(scene: JointScene, tmp_path: Path):
    clean = joint_scene(tmp_path, noise=0.0)
    exact = tracks_of(clean.poses, clean.views)
    found = triangulated(exact.moved(exact.points + 0.3), clean.truth)
    count = np.bincount(exact.track, minlength=len(exact))
    np.testing.assert_allclose(found.points[count > 1], exact.points[count > 1], atol=1e-6)


def test_subsets_of_tracks_keep_their_observations(scene: JointScene, tracks: Tracks):
    chosen = held_out_tracks(tracks, 0.2, seed=0)
    assert chosen.sum() == pytest.approx(0.2 * len(tracks), abs=2)
    part = tracks.subset(chosen)
    rows = chosen[tracks.track]
    np.testing.assert_array_equal(part.points[part.track], tracks.points[tracks.track[rows]])
    np.testing.assert_array_equal(part.rays, tracks.rays[rows])
    views = np.array([1, 4, 5])
    seen = tracks.of(views).shared()
    assert set(np.unique(seen.view)) == {0, 1, 2}
    assert np.bincount(seen.track).min() >= 2
    errors = seen.errors(scene.truth[views])
    np.testing.assert_allclose(np.median(errors), np.median(tracks.errors(scene.truth)), rtol=0.2)


def test_validation_photos_are_training_photos_with_neighbours():
    held_out = np.zeros(20, bool)
    held_out[4::8] = True
    split = split_views(held_out, 8)
    assert split is not None
    assert split.validation.sum() == 2
    assert not (split.validation & held_out).any()
    assert not (split.learning & (held_out | split.validation)).any()
    assert (split.learning | split.validation | held_out).all()
    assert split.learning[[0, -1]].all()
    assert split_views(np.zeros(5, bool), 8) is None


def test_near_copies_of_a_photo_that_judges_are_not_learned_from() -> None:
    exposures = np.repeat(np.arange(12), 2)
    split = split_views(np.zeros(24, bool), 8, exposures)
    assert split is not None
    judging = set(exposures[split.validation].tolist())
    assert len(judging) == 3
    assert not judging & set(exposures[split.learning].tolist())
    assert split.learning.sum() == 24 - 6
    assert split_views(np.zeros(12, bool), 8, np.zeros(12, np.int64)) is None


@pytest.mark.parametrize(
    ("psnr", "error", "kept"),
    [
        (26.0, 0.50, True),
        (26.0, 0.505, True),
        (26.0, 0.60, False),
        (25.0, 0.40, False),
        (25.01, 0.40, False),
        (float("nan"), 0.40, False),
        (26.0, float("nan"), False),
    ],
)
def test_gate(psnr: float, error: float, kept: bool):
    decision, reason = decide(
        Figures((24.0, 26.0), 0.5), Figures((psnr - 1, psnr + 1), error), THRESHOLDS
    )
    assert (decision == "kept") == kept
    assert "25.00" in reason
    assert "0.500" in reason


def test_one_photo_does_not_decide_against_the_others():
    before = Figures((25.0, 25.0, 25.0, 25.0), 0.5)
    outlier = Figures((24.9, 24.9, 24.9, 27.0), 0.5)
    assert decide(before, outlier, THRESHOLDS)[0] == "rolled back"
    alike = Figures((25.4, 25.4, 25.4, 25.5), 0.5)
    assert decide(before, alike, THRESHOLDS)[0] == "kept"


def test_held_out_tracks_tell_better_poses(scene: JointScene, tracks: Tracks):
    judges = tracks.subset(held_out_tracks(tracks, 0.3, seed=1))
    _, good = held_out_error(judges, scene.truth)
    _, bad = held_out_error(judges, scene.perturbed(0.1, 0.0).poses.cam_from_world)
    assert bad > 1.2 * good
