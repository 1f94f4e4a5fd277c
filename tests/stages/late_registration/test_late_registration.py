"""Photos that meet no point of the model, on the depth of Gaussians."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.depth import CAMERA, ray_cast
from scenes.late_registration import (
    COUNT,
    LEFT_OUT,
    LEFT_OUT_REASON,
    ResectionScene,
    resection_scene,
)

from splatpose.events import Event
from splatpose.geometry.projection import normalized_from_pixels
from splatpose.geometry.rotations import rotation_angle
from splatpose.io.colmap import read_model
from splatpose.refinement.rendered_depth import keypoint_depths
from splatpose.render import choose_backend
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.splats import Splats
from splatpose.scene.views import Views
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.registration.candidates import left_out
from splatpose.sfm.registration.from_depth import Attempt, place
from splatpose.stages.late_registration.config import LateRegistrationConfig
from splatpose.stages.late_registration.stage import (
    load_late_registration,
    register_left_out,
)
from splatpose.stages.poses.stage import load_poses

CONFIG = LateRegistrationConfig(steps=100)


def placed(scene: ResectionScene) -> tuple[str, SparseModel | None, list[Event]]:
    events: list[Event] = []
    folder = scene.poses.parent / "late_registration"
    folder.mkdir()
    text = register_left_out(
        *(scene.capture, scene.graph, load_poses(scene.poses), CONFIG, folder, events.append),
        backend="cpu",
        max_error_px=1.0,
        min_matches=15,
        seed=0,
    )
    return text, load_late_registration(folder), events


def errors(scene: ResectionScene, poses: SparseModel) -> tuple[float, float]:
    """Degrees, and percent of the cameras' distance from the ball."""
    found, true = poses.cam_from_world[LEFT_OUT], scene.cam_from_world[LEFT_OUT]
    centers = [np.linalg.inv(pose)[:3, 3] for pose in (found, true)]
    return (
        float(rotation_angle(found[:3, :3] @ true[:3, :3].T)),
        100 * float(np.linalg.norm(centers[0] - centers[1])) / 4.5,
    )


def test_a_photo_whose_matches_meet_no_point_is_placed(tmp_path: Path) -> None:
    scene = resection_scene(tmp_path)
    before = load_poses(scene.poses)
    text, poses, _ = placed(scene)
    assert poses is not None
    assert text == "1 of 1 photos left out placed on the splat's depth"
    assert poses.registered.all()
    rotation, position = errors(scene, poses)
    assert rotation < 0.15
    assert position < 0.4
    photo = poses.evidence[LEFT_OUT]
    assert photo.registered
    assert photo.reason.startswith("placed on the splat's depth")
    assert photo.inlier_share > 0.8
    # What was there stays as it was; the photo's own points are new.
    others = np.arange(COUNT) != LEFT_OUT
    np.testing.assert_allclose(
        poses.cam_from_world[others], before.cam_from_world[others], atol=1e-9
    )
    kept = (poses.points[:, None] == before.points[None]).all(-1).any(0)
    assert kept.mean() > 0.99
    assert (poses.observations[:, 1] == LEFT_OUT).sum() > 40
    np.testing.assert_allclose(poses.snapshots[-1].cam_from_world, poses.cam_from_world, atol=1e-12)
    model = read_model(poses.model_dir, poses.names)
    assert model.registered.all()


def exact(scene: ResectionScene) -> Attempt:
    """The attempt with true depth of all keypoints."""
    depths = [
        ray_cast(pose, xy)[0]
        for pose, xy in zip(scene.cam_from_world, scene.graph.keypoints, strict=True)
    ]
    model, table = load_poses(scene.poses), match_table(scene.graph)
    return place(LEFT_OUT, model, table, depths, max_error_px=1.5, seed=0)


def test_matches_with_two_photos_are_enough(tmp_path: Path) -> None:
    scene = resection_scene(tmp_path, neighbours=(1, 3))
    attempt = exact(scene)
    assert attempt.reason == ""
    true = scene.cam_from_world[LEFT_OUT]
    assert rotation_angle(attempt.cam_from_world[:3, :3] @ true[:3, :3].T) < 0.4


@pytest.mark.parametrize(
    ("neighbours", "false", "reason"),
    [
        ((0, 1, 3, 4), {0, 1, 3, 4}, "its matches give no pose"),
        ((0, 1, 3, 4), {0, 1, 3}, "its matches give no pose"),
        ((1, 3), {1}, "each photo that it matches gives another pose"),
        ((3,), {}, "each photo that it matches gives another pose"),
    ],
)
def test_a_photo_that_matches_do_not_agree_on_is_refused(
    tmp_path: Path, neighbours: tuple[int, ...], false: set[int], reason: str
) -> None:
    """Even with true depth: where most matches are false, and where one photo alone is right."""
    scene = resection_scene(tmp_path, neighbours=neighbours, false=frozenset(false))
    assert exact(scene).reason == reason


def test_matches_of_another_pose_are_refused(tmp_path: Path) -> None:
    """All matches with one photo agree on one pose, all with the other on another."""
    scene = resection_scene(tmp_path, neighbours=(1, 3), turned=frozenset({3}))
    assert exact(scene).reason == "each photo that it matches gives another pose"


def test_a_refused_photo_keeps_its_refusal_with_the_reason(tmp_path: Path) -> None:
    scene = resection_scene(tmp_path, false=frozenset({0, 1, 3, 4}))
    before = load_poses(scene.poses)
    text, poses, _ = placed(scene)
    assert poses is not None
    assert text == "0 of 1 photos left out placed on the splat's depth"
    np.testing.assert_array_equal(poses.registered, before.registered)
    np.testing.assert_allclose(poses.cam_from_world, before.cam_from_world, atol=1e-9)
    np.testing.assert_array_equal(poses.points, before.points)
    said = f"{LEFT_OUT_REASON}; on the splat's depth, its matches give no pose"
    assert poses.evidence[LEFT_OUT].reason == said


def test_nothing_is_done_without_a_photo_that_depth_could_place(tmp_path: Path) -> None:
    """Neither where all have poses, nor where one matches a single photo of the model."""
    everything = resection_scene(tmp_path, registered=tuple(range(COUNT)))
    alone = tmp_path / "alone"
    alone.mkdir()
    one = resection_scene(alone, neighbours=(3,))
    for scene in (everything, one):
        _, poses, events = placed(scene)
        assert poses is None
        assert events == []


def test_photos_that_points_could_have_placed_are_no_candidates(tmp_path: Path) -> None:
    scene = resection_scene(tmp_path)
    poses, table = load_poses(scene.poses), match_table(scene.graph)
    model = poses
    assert left_out(model, table, 15) == [LEFT_OUT]
    # As many matches again, now with keypoints of points.
    more = np.flatnonzero(poses.observations[:, 1] == 3)[:60]
    rows = np.arange(60)
    pair = np.flatnonzero((table.pairs == (LEFT_OUT, 3)).all(1))[0]
    joint = replace(
        table,
        pair=np.r_[table.pair, np.full(60, pair)],
        photos=np.r_[table.photos, np.tile([[LEFT_OUT, 3]], (60, 1))],
        keypoints=np.r_[table.keypoints, np.stack([rows, poses.observations[more, 2]], 1)],
        xy=np.r_[table.xy, np.zeros((60, 2, 2))],
    )
    assert left_out(model, joint, 15) == [LEFT_OUT]  # 60 of 155
    twice = replace(
        joint,
        pair=np.r_[joint.pair, joint.pair[-60:]],
        photos=np.r_[joint.photos, joint.photos[-60:]],
        keypoints=np.r_[joint.keypoints, joint.keypoints[-60:]],
        xy=np.r_[joint.xy, joint.xy[-60:]],
    )
    assert left_out(model, twice, 15) == []
    # Nor are photos whose camera nobody else has.
    other = replace(
        model,
        cameras=(CAMERA, CAMERA),
        camera_index=(np.arange(COUNT) == LEFT_OUT).astype(np.int64),
    )
    assert left_out(other, table, 15) == []


def test_depth_of_keypoints_is_that_of_the_surface(tmp_path: Path) -> None:
    """Opaque Gaussians on a wall before the first photo; the others do not see them."""
    scene = resection_scene(tmp_path)
    model = load_poses(scene.poses)
    pose, K = scene.cam_from_world[0], np.array([[210.0, 0, 120], [0, 210, 90], [0, 0, 1]])
    x, y = np.meshgrid(np.linspace(-2, 2, 60), np.linspace(-1.5, 1.5, 60))
    wall = np.stack([x, y, 3 + 0.4 * x], -1).reshape(-1, 3)
    count = len(wall)
    splats = Splats(
        means=torch.from_numpy((wall - pose[:3, 3]) @ pose[:3, :3]).float(),
        quats=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        log_scales=torch.full((count, 3), -3.0),
        logit_opacities=torch.full((count,), 4.0),
        sh=torch.zeros(count, 1, 3),
    )
    first = replace(model, registered=np.arange(COUNT) == 0)
    views = Views(
        names=("0.png",),
        images=(np.zeros((180, 240, 3), np.uint8),),
        masks=(None,),
        Ks=K[None],
        cam_from_world=pose[None],
        held_out=np.zeros(1, bool),
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
    )
    depths = keypoint_depths(splats, views, first, scene.graph.keypoints, choose_backend("cpu"))
    assert not any(np.isfinite(depth).any() for depth in depths[1:])
    ray = normalized_from_pixels(CAMERA, scene.graph.keypoints[0])
    true = 3 / (1 - 0.4 * ray[:, 0])
    inside = (np.abs(ray * true[:, None]) < (1.7, 1.2)).all(1)
    assert inside.sum() > 50
    np.testing.assert_allclose(depths[0][inside], true[inside], rtol=0.02)


def test_every_photo_keeps_its_camera(tmp_path: Path) -> None:
    """Also one that stays out: a model that grew knows the cameras of its own photos alone."""
    groups = (0, 0, 0, 0, 0, 1, 1)
    scene = resection_scene(tmp_path, registered=(0, 1, 3, 4, 5), groups=groups)
    _, poses, _ = placed(scene)
    assert poses is not None
    assert poses.registered[LEFT_OUT]
    assert not poses.registered[6]
    assert tuple(poses.camera_index) == groups
