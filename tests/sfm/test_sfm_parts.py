"""The parts of the poses stage: evidence, agreement, refinement, world frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.poses import CAMERA, Scene, arc, cloud, look_at, make_scene

from splatpose.errors import SplatposeError
from splatpose.geometry.centers import centers_of
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.io.colmap import model_from_reconstruction, reconstruction_from_model
from splatpose.io.colmap_database import read_cameras
from splatpose.scene.camera import Camera
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import MatchTable, match_table
from splatpose.sfm.mapping.bundle_adjustment import Freedom, _phases, set_model
from splatpose.sfm.mapping.world_frame import gravity, world_frame
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.model_comparison import compare
from splatpose.sfm.registration.final_refinement import Refined, refine
from splatpose.sfm.viewgraph.focal_priors import calibrate
from splatpose.stages.poses.refusal import check_support, describe, describe_groups, overlap_groups


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("parts"), arc(8), cloud(), noise=0.25, outliers=0.1)


@pytest.fixture(scope="module")
def table(scene: Scene) -> MatchTable:
    return match_table(scene.graph)


@pytest.fixture(scope="module")
def truth(scene: Scene, table: MatchTable) -> SparseModel:
    """The true model; its tracks are found by projecting the true points."""
    from splatpose.geometry.projection import project

    observations = []
    for photo, pose in enumerate(scene.cam_from_world):
        xy, _ = project(scene.camera, pose, scene.points)
        keypoints = scene.graph.keypoints[photo]
        distance = np.linalg.norm(xy[:, None] - keypoints[None], axis=2)
        nearest = distance.argmin(1)
        found = np.flatnonzero(distance[np.arange(len(xy)), nearest] < 1.5)
        observations += [(track, photo, nearest[track]) for track in found]
    rows = np.array(sorted(observations))
    return SparseModel(
        names=tuple(photo.name for photo in scene.capture.photos),
        registered=np.ones(8, bool),
        cam_from_world=scene.cam_from_world,
        camera_index=np.zeros(8, np.int64),
        cameras=(scene.camera,),
        points=scene.points,
        point_colors=np.zeros((len(scene.points), 3), np.uint8),
        point_errors=np.zeros(len(scene.points)),
        observations=rows,
        observation_xy=np.stack([scene.graph.keypoints[p][k] for _, p, k in rows]),
    )


def without_points(model: SparseModel) -> SparseModel:
    return replace(
        model,
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
        point_errors=np.zeros(0),
        observations=np.zeros((0, 3), np.int64),
        observation_xy=np.zeros((0, 2)),
    )


def test_truth_explains_nearly_everything(truth: SparseModel, table: MatchTable) -> None:
    evidence = explain(truth, table)
    assert evidence.share > 0.97
    assert evidence.balanced_share > 0.97
    assert evidence.focal_ratio == pytest.approx(700 / 800)
    assert 5 < evidence.median_angle < 60


def test_evidence_does_not_depend_on_the_gauge(truth: SparseModel, table: MatchTable) -> None:
    move = Similarity(0.02, so3_exp(np.array([1.0, -2, 0.5])), np.array([5.0, 1, -3]))
    moved = replace(
        truth,
        cam_from_world=move.cam_from_world(truth.cam_from_world),
        points=move.points(truth.points),
    )
    np.testing.assert_array_equal(explain(moved, table).explained, explain(truth, table).explained)


def folded(model: SparseModel) -> SparseModel:
    """Half of the cameras and points turned about an axis: what a duplicate structure does."""
    turn = Similarity(1.0, so3_exp(np.array([0, np.pi / 3, 0])), np.zeros(3))
    poses, points = model.cam_from_world.copy(), model.points.copy()
    poses[4:] = turn.cam_from_world(poses[4:])
    points[::2] = turn.points(points[::2])
    return replace(model, cam_from_world=poses, points=points)


def mirrored(model: SparseModel) -> SparseModel:
    """All cameras behind the scene, looking away from it: every essential matrix is the same."""
    poses = model.cam_from_world.copy()
    poses[:, :3, 3] *= -1
    return without_points(replace(model, cam_from_world=poses))


def perturbed(model: SparseModel) -> SparseModel:
    poses = model.cam_from_world.copy()
    poses[2, :3, :3] = so3_exp(np.array([0, np.radians(2), 0])) @ poses[2, :3, :3]
    return replace(model, cam_from_world=poses)


def partial(model: SparseModel) -> SparseModel:
    registered = model.registered.copy()
    registered[5:] = False
    poses = model.cam_from_world.copy()
    poses[5:] = np.nan
    kept = model.observations[:, 1] < 5
    return replace(
        model,
        registered=registered,
        cam_from_world=poses,
        observations=model.observations[kept],
        observation_xy=model.observation_xy[kept],
    )


@pytest.mark.parametrize("spoil", [folded, mirrored, perturbed, partial])
def test_evidence_prefers_the_truth(truth: SparseModel, table: MatchTable, spoil) -> None:
    assert explain(spoil(truth), table).score < explain(truth, table).score - 0.05


def loose(model: SparseModel) -> SparseModel:
    """Three photos and what only they see somewhere else: right among themselves."""
    turn = Similarity(1.0, so3_exp(np.array([0, np.pi / 2, 0.4])), np.array([1.0, 0, 0]))
    poses = model.cam_from_world.copy()
    poses[5:] = turn.cam_from_world(poses[5:])
    return without_points(replace(model, cam_from_world=poses))


def test_what_agrees_with_itself_alone_does_not_count(
    truth: SparseModel, table: MatchTable
) -> None:
    right, wrong = explain(without_points(truth), table), explain(loose(truth), table)
    assert right.connected.all()
    assert right.against < 0.02
    np.testing.assert_array_equal(wrong.connected, [True] * 5 + [False] * 3)
    outside = (table.photos >= 5).any(1)
    assert not wrong.explained[outside].any()
    assert not wrong.contradicted[outside].any()
    np.testing.assert_array_equal(wrong.explained[~outside], right.explained[~outside])


def test_a_wrong_pose_counts_against_a_model(truth: SparseModel, table: MatchTable) -> None:
    """Worse than leaving the photo out, as long as it stays with the others."""
    poses = truth.cam_from_world.copy()
    turned = so3_exp(np.radians([6.0, 0, 0])) @ poses[7, :3, :3]
    poses[7, :3, :3] = turned
    wrong = without_points(replace(truth, cam_from_world=poses))
    registered = np.arange(8) < 7
    without = replace(
        wrong,
        registered=registered,
        cam_from_world=np.where(registered[:, None, None], poses, np.nan),
    )
    asked = (table.photos == 7).any(1)
    assert not explain(wrong, table).explained[asked].all()
    assert explain(wrong, table).score <= explain(without, table).score + 1e-9


def test_false_matches_are_no_reason_to_leave_photos_out(
    truth: SparseModel, table: MatchTable
) -> None:
    """A place that repeats gives some photos more false matches than true ones."""
    rng = np.random.default_rng(0)
    xy = table.xy.copy()
    false = np.flatnonzero((table.photos >= 5).any(1) & (rng.random(len(table)) < 0.6))
    xy[false, 1] = rng.permuted(xy[false, 1], axis=0)
    muddled = replace(table, xy=xy)
    whole, part = (explain(without_points(m), muddled) for m in (truth, partial(truth)))
    assert whole.connected.all()
    assert whole.contradicted.sum() > 0.5 * len(false)
    assert whole.score > part.score


def test_a_model_that_its_matches_deny_is_refused(truth: SparseModel, table: MatchTable) -> None:
    """As false matches between different places leave it: a chance agreement here and there."""
    rng = np.random.default_rng(0)
    right = explain(truth, table)
    check_support(8, 8, right, confirmed=False)
    swapped = replace(right, explained=right.contradicted, contradicted=right.explained)
    with pytest.raises(SplatposeError, match="no other way of mapping confirms it") as refused:
        check_support(8, 8, swapped, confirmed=False)
    assert refused.value.hint
    check_support(8, 8, swapped, confirmed=True)
    false = rng.permuted(table.xy, axis=0)
    denied = explain(without_points(truth), replace(table, xy=false))
    with pytest.raises(SplatposeError):
        check_support(8, 8, denied, confirmed=False)


def test_mirrored_model_explains_nothing(truth: SparseModel, table: MatchTable) -> None:
    """Only cheirality tells: the epipolar distances are those of the truth."""
    assert explain(mirrored(truth), table).share < 0.02


def test_two_scales_are_seen_through_points_only(tmp_path: Path) -> None:
    """Two halves of a straight walk, one of them scaled: every pair's epipolar geometry fits,
    but the points of one half do not project where the other half sees them."""
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, 0, 3] = -np.linspace(0, 2, 6)
    points = cloud(300) * (2, 1, 1) + (1, 0, 6)
    scene = make_scene(tmp_path, poses, points, noise=0.05)
    start = make_model(scene)
    stretched = replace(start, cam_from_world=poses.copy())
    stretched.cam_from_world[3:, 0, 3] -= 1.0
    table = match_table(scene.graph)
    assert explain(without_points(stretched), table).share > 0.95
    assert explain(start, table).share > 0.95
    assert explain(stretched, table).share < 0.7


def make_model(scene: Scene) -> SparseModel:
    """True cameras with the points triangulated from the scene's matches."""
    count = len(scene.cam_from_world)
    bare = SparseModel(
        names=tuple(photo.name for photo in scene.capture.photos),
        registered=np.ones(count, bool),
        cam_from_world=scene.cam_from_world,
        camera_index=np.zeros(count, np.int64),
        cameras=(scene.camera,),
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
        point_errors=np.zeros(0),
        observations=np.zeros((0, 3), np.int64),
        observation_xy=np.zeros((0, 2)),
    )
    keypoints = [k.astype(np.float64) for k in scene.graph.keypoints]
    reconstruction = reconstruction_from_model(bare, keypoints)
    folder = scene.graph.database.parent / "triangulated"
    folder.mkdir()
    done = pycolmap.triangulate_points(reconstruction, scene.graph.database, ".", folder)
    return model_from_reconstruction(done, bare.names)


def test_implausible_focal_loses_to_anything(truth: SparseModel, table: MatchTable) -> None:
    wide = replace(truth, cameras=(replace(CAMERA, params=np.array([90.0, 400, 300, 0])),))
    evidence = explain(wide, table)
    assert not evidence.plausible
    assert evidence.score < 0


def test_models_agree_up_to_a_similarity(truth: SparseModel) -> None:
    move = Similarity(7.0, so3_exp(np.array([0.3, 2, 0.5])), np.array([1.0, 2, 3]))
    moved = replace(
        truth,
        cam_from_world=move.cam_from_world(truth.cam_from_world),
        points=move.points(truth.points),
    )
    same = compare(truth, moved)
    assert same.holds()
    assert same.center_error < 1e-9
    assert same.rotation_error < 1e-5
    assert not compare(truth, folded(truth)).holds()
    assert not compare(truth, partial(truth)).holds()
    assert not compare(partial(truth), truth).holds()


def test_agreement_of_two_photos(truth: SparseModel) -> None:
    def first_two(model: SparseModel) -> SparseModel:
        return replace(model, registered=np.arange(8) < 2)

    assert compare(first_two(truth), first_two(truth)).holds()
    other = replace(truth, cam_from_world=truth.cam_from_world.copy())
    other.cam_from_world[1, :3, 3] *= -1
    assert not compare(first_two(truth), first_two(other)).holds()


def of_scene(model: SparseModel, scene: Scene) -> pycolmap.Reconstruction:
    return reconstruction_from_model(model, [k.astype(np.float64) for k in scene.graph.keypoints])


def refined_from(start: pycolmap.Reconstruction, scene: Scene, table: MatchTable) -> Refined:
    names = [photo.name for photo in scene.capture.photos]
    return refine(
        start,
        scene.graph.database,
        names,
        table,
        free_intrinsics=False,
        max_error_px=1.0,
        min_matches=15,
        seed=0,
    )


def test_left_out_photo_gets_a_second_chance(
    truth: SparseModel, scene: Scene, table: MatchTable
) -> None:
    start = of_scene(partial(truth), scene)
    refined = refined_from(start, scene, table)
    assert refined.late == {5, 6, 7}
    model = model_from_reconstruction(refined.reconstruction, truth.names)
    assert compare(model, truth).holds(center=0.01, rotation=0.3)
    assert start.num_reg_images() == 5, "the hypothesis itself is left as it is"


def test_photos_that_the_rest_contradicts_are_taken_out(
    truth: SparseModel, scene: Scene, table: MatchTable
) -> None:
    start = of_scene(loose(truth), scene)
    refined = refined_from(start, scene, table)
    model = model_from_reconstruction(refined.reconstruction, truth.names)
    assert explain(model, table).connected[model.registered].all()
    assert set(np.flatnonzero(~model.registered)) == refined.contradicted
    assert compare(model, partial(truth)).holds(overlap=0.6, center=0.02, rotation=0.5)


def test_cameras_with_different_freedom_take_turns() -> None:
    simple, free = Freedom("SIMPLE_RADIAL"), Freedom("RADIAL", principal_point=True)
    assert _phases({1: simple, 2: simple}) == [(False, set())]
    assert _phases({1: free}) == [(True, set())]
    assert _phases({1: simple, 2: free}) == [(False, set()), (True, {1})]


def test_changing_the_camera_model_keeps_what_both_have() -> None:
    camera = pycolmap.Camera.create_from_model_name(1, "SIMPLE_RADIAL", 500, 640, 480)
    camera.params = [500, 320, 240, -0.1]
    set_model(camera, "OPENCV")
    np.testing.assert_array_equal(camera.params, [500, 500, 320, 240, -0.1, 0, 0, 0])
    set_model(camera, "RADIAL")
    np.testing.assert_array_equal(camera.params, [500, 320, 240, -0.1, 0])
    set_model(camera, "SIMPLE_PINHOLE")
    np.testing.assert_array_equal(camera.params, [500, 320, 240])


def test_view_graph_calibration_works_on_a_copy(scene: Scene, tmp_path: Path) -> None:
    before, known = read_cameras(scene.graph.database)
    assert known == (False,)
    assert before[0].params[0] == pytest.approx(1.2 * 800)
    result = calibrate(scene.graph.database, tmp_path / "calibrated.db", seed=0)
    assert result.num_calibrated == 1
    assert result.cameras[0].params[0] == pytest.approx(700, rel=0.1)
    after, _ = read_cameras(scene.graph.database)
    np.testing.assert_array_equal(after[0].params, before[0].params)


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


def test_groups_and_their_description(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(6), cloud(600), groups=[0, 0, 1, 1, 1, 2])
    groups = overlap_groups(scene.graph, 6, 15)
    assert groups == [[2, 3, 4], [0, 1], [5]]
    names = [photo.name for photo in scene.capture.photos]
    text = describe_groups(names, groups)
    assert "2 groups" in text
    assert "IMG_3.png..IMG_5.png and IMG_1.png..IMG_2.png" in text
    assert "No match with any other photo: IMG_6.png." in text
    assert describe_groups(names, [[0, 1, 2, 3, 4, 5]]) == ""
    assert describe([str(i) for i in range(20)], range(0, 20, 2)) == "0, 2, 4 and 7 more"


def test_camera_models_we_estimate_are_ours() -> None:
    for model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV"):
        camera = pycolmap.Camera.create_from_model_name(1, "SIMPLE_PINHOLE", 500, 640, 480)
        set_model(camera, model)
        assert camera.verify_params()
        Camera(model, 640, 480, np.array(camera.params))
