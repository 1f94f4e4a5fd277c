"""The joint optimisation as a whole: it recovers, it is judged, it resumes, it can be off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.joint import JointScene, joint_scene

from splatpose.events import Event, Message, Progress, ignore_events
from splatpose.io.colmap import read_model
from splatpose.refinement.camera_optimizer import CameraOptimizer, PoseSchedule
from splatpose.scene.views import Joint
from splatpose.sfm.tracks import tracks_of
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.train import train
from splatpose.stages.joint.config import JointConfig
from splatpose.stages.joint.stage import load_joint, refine_jointly
from splatpose.stages.splats.stage import load_splats

CONFIG = JointConfig(steps=120, gaussians=400)


def _refine(folder: Path, scene: JointScene, config: JointConfig = CONFIG, emit=ignore_events):
    folder.mkdir(exist_ok=True)
    refine_jointly(
        *(scene.graph, scene.poses, scene.views, config, folder, emit),
        backend="cpu",
        max_error_px=1.0,
        seed=1,
    )
    return load_joint(folder, scene.poses, scene.views)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> JointScene:
    return joint_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def perturbed(scene: JointScene) -> JointScene:
    return scene.perturbed(2.0, 0.03)


@pytest.fixture(scope="module")
def recovered(perturbed: JointScene, tmp_path_factory: pytest.TempPathFactory) -> Joint:
    return _refine(tmp_path_factory.mktemp("recovered"), perturbed)


def test_perturbed_poses_are_recovered_and_kept(perturbed: JointScene, recovered: Joint):
    evidence = recovered.evidence
    assert evidence.decision == "kept"
    assert evidence.psnr_after > evidence.psnr_before + 1
    assert evidence.match_error_after < 0.2 * evidence.match_error_before
    assert perturbed.ate(perturbed.poses.cam_from_world) > 0.02
    assert perturbed.ate(recovered.poses.cam_from_world) < 0.002
    assert evidence.rotation_change == pytest.approx(2, abs=1)


def test_all_that_is_kept_is_in_one_frame(perturbed: JointScene, recovered: Joint):
    poses, views = recovered.poses, recovered.views
    model = read_model(poses.model_dir, poses.names)
    np.testing.assert_allclose(model.cam_from_world, poses.cam_from_world, atol=1e-9)
    np.testing.assert_allclose(model.points, poses.points, atol=1e-9)
    np.testing.assert_array_equal(views.cam_from_world, poses.cam_from_world)
    np.testing.assert_array_equal(views.points, poses.points)
    assert poses.snapshots[-1].stage == "joint"
    np.testing.assert_array_equal(poses.snapshots[-1].cam_from_world, poses.cam_from_world)
    # Held-out tracks and held-out photos came along: every observation fits.
    errors = tracks_of(poses, views).errors(views.cam_from_world)
    assert np.quantile(errors, 0.99) < 3
    assert all(photo.reprojection_error < 1 for photo in poses.evidence)


def test_held_out_photos_are_never_looked_at(
    perturbed: JointScene, recovered: Joint, tmp_path: Path
):
    images = list(perturbed.views.images)
    for index in np.flatnonzero(perturbed.views.held_out):
        images[index] = 255 - images[index]
    views = replace(perturbed.views, images=tuple(images))
    poisoned = _refine(tmp_path, replace(perturbed, views=views))
    assert poisoned.evidence == recovered.evidence
    held_out = {views.names[i] for i in np.flatnonzero(views.held_out)}
    assert not held_out & set(recovered.evidence.validation)
    np.testing.assert_array_equal(poisoned.poses.cam_from_world, recovered.poses.cam_from_world)


def test_harmful_motion_is_rolled_back(scene: JointScene, tmp_path: Path):
    events: list[Event] = []
    harmful = replace(CONFIG, lr_poses=3.0, track_weight=0.0, match_tolerance=1e9)
    result = _refine(tmp_path, scene, harmful, events.append)
    assert result.evidence.candidate == "joint"
    assert result.evidence.decision == "rolled back"
    assert result.evidence.psnr_after < result.evidence.psnr_before
    assert result.poses is scene.poses
    assert result.views is scene.views
    assert any(isinstance(e, Message) and "rolled back" in e.text for e in events)


def test_motion_that_the_tracks_contradict_is_solved_again(scene: JointScene, tmp_path: Path):
    contradicted = replace(CONFIG, lr_poses=3.0, track_weight=0.0)
    result = _refine(tmp_path, scene, contradicted)
    assert result.evidence.candidate == "re-solved"
    assert result.evidence.match_error_after < 1.02 * result.evidence.match_error_before


def test_resumed_is_uninterrupted(
    perturbed: JointScene, recovered: Joint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Every step reports, so that the interruption falls on the step that the test names.
    monkeypatch.setattr("splatpose.splatting.train._EVENT_SECONDS", 0.0)

    def stop_at(step: int):
        def emit(event: Event) -> None:
            if isinstance(event, Progress) and event.done >= step:
                raise KeyboardInterrupt

        return emit

    for step in (CONFIG.steps // 2, 2 * CONFIG.steps):
        with pytest.raises(KeyboardInterrupt):
            _refine(tmp_path, perturbed, emit=stop_at(step))
    resumed = _refine(tmp_path, perturbed)
    assert resumed.evidence == recovered.evidence
    np.testing.assert_array_equal(resumed.poses.cam_from_world, recovered.poses.cam_from_world)
    assert not list(tmp_path.glob("*/checkpoint.pt"))


def test_too_few_photos_are_left_alone(tmp_path: Path):
    few = joint_scene(tmp_path, count=5, held_out_every=0)
    result = _refine(tmp_path, few)
    assert result.evidence.decision == "not tried"
    assert result.poses is few.poses


def test_cameras_that_stay_train_the_same_splat(scene: JointScene, tmp_path: Path):
    config = TrainingConfig(backend="cpu", steps=40, final_steps=0, fill_below=0, max_gaussians=300)
    results = []
    for name, moving in (("fixed", False), ("still", True)):
        (tmp_path / name).mkdir()
        cameras = None
        if moving:
            tracks = tracks_of(scene.poses, scene.views)
            still = PoseSchedule(steps=40, start=0.0, rate=0.0, track_weight=1.0)
            cameras = CameraOptimizer(scene.truth, tracks, 80.0, still, torch.device("cpu"))
        train(scene.views, config, tmp_path / name, ignore_events, 0, cameras)
        results.append(load_splats(tmp_path / name))
    assert torch.equal(results[0].splats.means, results[1].splats.means)
    assert results[0].held_out == results[1].held_out
