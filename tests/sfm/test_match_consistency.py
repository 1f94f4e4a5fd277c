"""How well matches agree with a model, whether they were used for it or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.poses import CAMERA, Scene, arc, cloud, make_scene
from scenes.spoiled import folded, loose, mirrored, partial, perturbed, without_points

from splatpose.errors import SplatposeError
from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.io.colmap import model_from_reconstruction, reconstruction_from_model
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm import match_consistency
from splatpose.sfm.correspondences import MatchTable, match_table
from splatpose.sfm.match_consistency import explain
from splatpose.stages.poses.refusal import check_support


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


def test_parts_of_the_matches_say_what_all_say(
    truth: SparseModel, table: MatchTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = perturbed(truth)
    whole = explain(spoilt, table)
    monkeypatch.setattr(match_consistency, "_AT_ONCE", 100)
    parts = explain(spoilt, table)
    assert 0 < whole.share < 1
    np.testing.assert_array_equal(parts.explained, whole.explained)
    np.testing.assert_array_equal(parts.contradicted, whole.contradicted)
    assert parts.median_angle == whole.median_angle


@pytest.mark.parametrize("spoil", [folded, mirrored, perturbed, partial])
def test_evidence_prefers_the_truth(truth: SparseModel, table: MatchTable, spoil) -> None:
    assert explain(spoil(truth), table).score < explain(truth, table).score - 0.05


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


@pytest.mark.parametrize(
    ("ratio", "plausible"), [(0.4, True), (5.3, True), (7.0, True), (11, False)]
)
def test_long_lenses_are_plausible(
    ratio: float, plausible: bool, truth: SparseModel, table: MatchTable
) -> None:
    """A phone's tenfold zoom has 6.5 times the longer side, a gantry's camera had 5.2."""
    camera = replace(CAMERA, params=np.array([800.0 * ratio, 400, 300, 0]))
    assert explain(replace(truth, cameras=(camera,)), table).plausible == plausible


def bursts(places: int, copies: int = 5) -> tuple[SparseModel, MatchTable]:
    """Cameras 15 degrees apart, each of which took several photos at once; copies share most."""
    poses = np.repeat(arc(places, 15.0 * (places - 1)), copies, axis=0)
    poses[:, :3, 3] += 0.002 * np.random.default_rng(0).standard_normal((len(poses), 3))
    points = cloud(300)
    seen = np.stack([project(CAMERA, pose, points)[0] for pose in poses])
    pairs, rows = np.stack(np.triu_indices(len(poses), 1), 1), []
    for number, (i, j) in enumerate(pairs):
        few = i // copies != j // copies
        rows += [(number, i, j, k) for k in range(30 if few else 300)]
    pair, i, j, k = np.array(rows).T
    photos = np.stack([i, j], 1)
    xy = np.stack([seen[i, k], seen[j, k]], 1)
    table = MatchTable(pairs, pair, photos, np.stack([k, k], 1), xy)
    model = SparseModel(
        names=tuple(map(str, range(len(poses)))),
        registered=np.ones(len(poses), bool),
        cam_from_world=poses,
        camera_index=np.zeros(len(poses), np.int64),
        cameras=(CAMERA,),
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
        point_errors=np.zeros(0),
        observations=np.zeros((0, 3), np.int64),
        observation_xy=np.zeros((0, 2)),
    )
    return model, table


def test_near_copies_have_no_vote_on_whether_the_camera_moved() -> None:
    model, table = bursts(3)
    burst_pairs = np.bincount(table.pair) == 300
    assert burst_pairs[table.pair].mean() > 0.7  # most matches, and a median would be theirs
    assert 10 < explain(model, table).median_angle < 35
    model, table = bursts(1)
    assert explain(model, table).median_angle < 0.3  # there is nothing else
