"""Laws of the local stage's parts: clusters, held-out matches, certainty, one scale, the choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes.clusters import local_scene
from scenes.depth import make_depth_scene, priors_of, ray_cast
from scenes.poses import CAMERA, Scene, arc, cloud, make_scene

from splatpose.errors import SplatposeError
from splatpose.events import ignore_events
from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.projection import pixels_from_normalized
from splatpose.geometry.rotations import rotation_angle, so3_exp, so3_log
from splatpose.geometry.similarity import Similarity
from splatpose.refinement.cluster_merging import merged
from splatpose.refinement.cluster_optimization import Solved, choose, optimise
from splatpose.refinement.cluster_photos import Pictures
from splatpose.refinement.cluster_problem import judged, place
from splatpose.refinement.cluster_selection import clusters, strengths, strong_edges
from splatpose.scene.evidence import ClusterEvidence
from splatpose.sfm.correspondences import keypoint_ids, match_table, with_matches
from splatpose.sfm.held_out import held_out_matches
from splatpose.sfm.mapping.pose_covariance import pair_covariance
from splatpose.sfm.mapping.track_adjustment import resolved
from splatpose.sfm.tracks import component_labels
from splatpose.sfm.twoview.all_pairs import relative_poses
from splatpose.sfm.twoview.match_errors import fitting_matches
from splatpose.sfm.twoview.pair_geometry import PairKind
from splatpose.sfm.viewgraph.view_graph import consistent_pairs
from splatpose.stages.local.config import LocalConfig
from splatpose.stages.local.stage import cluster_settings, problems_of, refine_pairs

COUNT = 10
INDEX = np.zeros(COUNT, np.int64)
CONFIG = LocalConfig(steps=30, cluster_size=5, max_size=64, gaussians=200)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    return make_scene(folder, arc(COUNT, span_deg=110), cloud(400), noise=0.4, outliers=0.15)


@pytest.fixture(scope="module")
def table(scene: Scene):
    return match_table(scene.graph)


@pytest.fixture(scope="module")
def relative(table):
    return relative_poses(table, (CAMERA,), INDEX, min_matches=15, seed=0)


@pytest.fixture(scope="module")
def problems(scene: Scene, table, relative):
    return problems_of(
        scene.capture, table, relative, (CAMERA,), INDEX, None, CONFIG, min_matches=15, seed=0
    )


def random_graph(seed: int, count: int = 18) -> tuple[np.ndarray, np.ndarray]:
    """Photos in a plane, each joined with those near it; the nearer the stronger."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(0, 4, (count, 2))
    pairs = np.stack(np.triu_indices(count, 1), 1)
    distance = np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1)
    near = distance < 1.8
    return pairs[near], 100 * np.exp(-distance[near])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [3, 5, 8])
def test_every_strong_edge_is_inside_a_cluster(seed: int, size: int) -> None:
    pairs, strength = random_graph(seed)
    strong = strong_edges(pairs, strength, 4, 18)
    groups = clusters(pairs, strength, strong, np.arange(18), size)
    joined = {frozenset(pair) for pair in pairs.tolist()}
    for pair in pairs[strong].tolist():
        assert any(set(pair) <= set(group) for group in groups)
    for group in groups:
        assert 2 <= len(group) <= size
        assert len(set(group)) == len(group)
        # Grown along edges: nobody is in a group without an edge to it.
        assert all(any(frozenset((a, b)) in joined for b in group) for a in group)
    assert len(set(groups)) == len(groups)


def test_each_photo_keeps_its_strongest_edges_and_none_is_cut_off() -> None:
    pairs, strength = random_graph(1)
    strong = strong_edges(pairs, strength, 2, 18)
    for photo in range(18):
        own = np.flatnonzero((pairs == photo).any(1))
        best = own[np.argsort(-strength[own])][:2]
        assert strong[best].all()
    # Two far groups that one weak edge joins: the tree keeps it.
    pairs = np.array([(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5)])
    strength = np.array([9.0, 8, 7, 0.1, 9, 8, 7])
    assert strong_edges(pairs, strength, 1, 6)[3]


@pytest.mark.parametrize("seed", range(4))
def test_clusters_do_not_depend_on_the_order_of_photos(seed: int) -> None:
    pairs, strength = random_graph(seed)
    if seed == 3:  # equals, which only the rank tells apart
        strength = np.round(strength / 30)
    rank = np.random.default_rng(100).permutation(18)
    strong = strong_edges(pairs, strength, 18, 18)
    groups = clusters(pairs, strength, strong, rank, 6)
    name = np.random.default_rng(seed).permutation(18)
    renamed = np.sort(name[pairs], axis=1)
    order = np.lexsort((renamed[:, 1], renamed[:, 0]))
    again = clusters(renamed[order], strength[order], strong[order], rank[np.argsort(name)], 6)
    assert {frozenset(name[list(group)].tolist()) for group in groups} == set(map(frozenset, again))


def test_pairs_without_parallax_count_less(relative) -> None:
    strength = strengths(relative)
    blind = replace(relative, covariance=np.tile(np.eye(6), (len(relative), 1, 1)))
    assert (strengths(blind) < 0.1 * strength).all()


@pytest.mark.parametrize("share", [0.1, 0.15, 0.2])
def test_held_out_matches_are_a_share_of_every_pair(table, relative, share: float) -> None:
    fits = fitting_matches(table, relative, (CAMERA,), INDEX)
    judging, learning = held_out_matches(table, fits, share, seed=1)
    count = np.bincount(table.pair[fits], minlength=len(table.pairs))
    out = np.bincount(table.pair[judging], minlength=len(table.pairs))
    large = count >= 30
    assert large.sum() > 20
    assert (out[large] >= 0.6 * share * count[large]).all()
    assert (out[large] <= 1.4 * share * count[large] + 1).all()
    ids = keypoint_ids(table)
    assert not np.isin(ids[learning], ids[judging]).any()
    assert learning.mean() > 0.6
    # Whole tracks with one keypoint a photo.
    label, proper = component_labels(table, fits)
    assert proper[label[judging]].all()
    assert not np.isin(label[learning & fits], label[judging]).any()


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


def test_the_choice_needs_a_gain_larger_than_its_error() -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(0.5, 1.5, 100)
    better, worse = before - 0.2 + 0.1 * rng.standard_normal(100), before + 0.1
    noise = before - 0.05 + np.resize([1.0, -1.0], 100)
    assert choose({"two views": before, "tracks": better, "joint": worse}, 1.0)[0] == "tracks"
    assert choose({"two views": before, "tracks": worse, "joint": better}, 1.0)[0] == "joint"
    both = {"two views": before, "tracks": better, "joint": better - 0.1}
    assert choose(both, 1.0)[0] == "joint"
    unclear = {"two views": before, "tracks": noise, "joint": worse}
    assert choose(unclear, 1.0)[0] == "two views"
    broken = {"two views": before, "tracks": worse, "joint": np.full(100, np.nan)}
    assert choose(broken, 1.0)[0] == "two views"


def test_certainty_is_the_spread_over_repetitions() -> None:
    """Against Monte Carlo, the lens known and the lens off as much as it is taken to be."""
    pairs = np.array([(0, 1), (0, 3), (2, 3)])
    rng = np.random.default_rng(0)
    for lens in ((1e-6, 1e-6), (0.02, 1e-6)):
        turns, directions, lengths, stated = [], [], [], []
        for seed in range(24):
            scene = local_scene(points=150, noise=0.5, seed=seed)
            true = scene.views.cam_from_world
            factor = np.exp(lens[0] * rng.standard_normal())
            tracks = replace(scene.tracks, rays=scene.tracks.rays * factor)
            tracks, poses = resolved(tracks, true)
            R0, t0 = relative_pose(true[pairs[:, 0]], true[pairs[:, 1]])
            R, t = relative_pose(poses[pairs[:, 0]], poses[pairs[:, 1]])
            turns.append(so3_log(R @ np.swapaxes(R0, 1, 2)))
            length, length0 = (np.linalg.norm(x, axis=1, keepdims=True) for x in (t, t0))
            directions.append(t / length - t0 / length0)
            lengths.append(np.log(length / length.prod() ** (1 / 3) / length0)[:, 0])
            stated.append(pair_covariance(tracks, poses, pairs, lens))
        covariance = np.mean([one.covariance for one in stated], axis=0)
        along = np.mean([one.log_baseline_sigma for one in stated])
        for e in range(3):
            for samples, block in ((turns, slice(0, 3)), (directions, slice(3, 6))):
                found = np.sqrt((np.array(samples)[:, e] ** 2).sum(1).mean())
                expected = np.sqrt(np.trace(covariance[e, block, block]))
                assert 0.7 < found / expected < 1.5
        assert 0.5 < np.std(np.array(lengths), axis=0).mean() / along < 2
        np.testing.assert_allclose(covariance, np.swapaxes(covariance, 1, 2), atol=1e-12)


def test_certainty_does_not_depend_on_the_gauge() -> None:
    scene = local_scene(points=60, noise=0.5)
    tracks, poses = resolved(scene.tracks, scene.views.cam_from_world)
    pairs = np.array([(0, 1), (1, 3)])
    frame = Similarity(0.4, so3_exp(np.array([0.5, 0.2, -0.9])), np.array([1.0, 2.0, -3.0]))
    here = pair_covariance(tracks, poses, pairs)
    there = pair_covariance(
        tracks.moved(frame.points(tracks.points)), frame.cam_from_world(poses), pairs
    )
    np.testing.assert_allclose(there.covariance, here.covariance, rtol=1e-3, atol=1e-12)


def solved_of(scene: Scene, photos: list[int], scale: float, noise: float, seed: int) -> Solved:
    """A cluster with true poses in a frame and unit of its own."""
    rng = np.random.default_rng(seed)
    frame = Similarity(scale, so3_exp(rng.standard_normal(3)), rng.standard_normal(3))
    true = frame.cam_from_world(scene.cam_from_world[photos])
    points = frame.points(scene.points)
    depth = np.einsum("vj,pj->vp", true[:, 2, :3], points) + true[:, 2, 3:]
    certainty = pair_covariance(local_scene().tracks, local_scene().views.cam_from_world,
                               np.array([(0, 1)]))  # fmt: skip
    pairs = np.stack(np.triu_indices(len(photos), 1), 1)
    evidence = ClusterEvidence((), "tracks", "", 9, 1.0, 0.5, 0.5, 0, 1, 0.0)
    number = np.broadcast_to(np.arange(len(points)), depth.shape)
    return Solved(
        photos=np.array(photos),
        cam_from_world=true,
        pairs=pairs,
        certainty=replace(
            certainty,
            covariance=np.repeat(certainty.covariance, len(pairs), axis=0),
            log_baseline_sigma=np.full(len(pairs), 0.01),
        ),
        observed=np.stack([np.repeat(photos, len(points)), number.ravel()], 1),
        log_depth=np.log(depth.ravel()) + noise * rng.standard_normal(depth.size),
        evidence=evidence,
    )


def test_merging_replaces_pairs_and_brings_baselines_to_one_unit(
    scene: Scene, table, relative
) -> None:
    solved = [
        solved_of(scene, [0, 1, 2, 3], 1.0, 0.05, 0),
        solved_of(scene, [3, 4, 5, 6], 7.0, 0.05, 1),
        solved_of(scene, [5, 6, 7, 8], 0.2, 0.05, 2),
    ]
    pairs = merged(solved, relative, table, (CAMERA,), INDEX)
    done = pairs.relative.subset(pairs.refined)
    assert len(done) == 6 + 6 + 5
    R, t = relative_pose(
        scene.cam_from_world[done.pairs[:, 0]], scene.cam_from_world[done.pairs[:, 1]]
    )
    assert rotation_angle(done.rotation @ np.swapaxes(R, 1, 2)).max() < 1e-5
    length = np.linalg.norm(t, axis=1)
    np.testing.assert_allclose(done.direction, t / length[:, None], atol=1e-6)
    ratio = pairs.baselines[done.row] / length
    np.testing.assert_allclose(ratio / np.median(ratio), 1, rtol=0.03)
    assert np.isnan(pairs.baselines).sum() == len(table.pairs) - len(done)
    # All others are as two views have them.
    rest = pairs.relative.subset(~pairs.refined)
    same = relative.subset(np.isin(relative.row, rest.row))
    np.testing.assert_array_equal(rest.rotation, same.rotation)
    none = merged([], relative, table, (CAMERA,), INDEX)
    assert not none.refined.any()
    np.testing.assert_array_equal(none.relative.row, consistent_pairs(relative, COUNT).row)


def test_a_pair_that_contradicts_its_cluster_is_not_replaced(scene: Scene, table, relative) -> None:
    cluster = solved_of(scene, [0, 1, 2, 3], 1.0, 0.0, 0)
    poses = cluster.cam_from_world.copy()
    poses[3, :3, :3] = so3_exp(np.radians([0, 4.0, 0])) @ poses[3, :3, :3]
    pairs = merged([replace(cluster, cam_from_world=poses)], relative, table, (CAMERA,), INDEX)
    done = pairs.relative.pairs[pairs.refined]
    assert sorted(map(tuple, done.tolist())) == [(0, 1), (0, 2), (1, 2)]


def test_a_weak_pair_is_made_good_by_its_cluster(scene: Scene, table, relative) -> None:
    kind = relative.kind.copy()
    weak = (relative.pairs == (0, 2)).all(1)
    kind[weak] = PairKind.WEAK
    pairs = merged(
        [solved_of(scene, [0, 1, 2], 1.0, 0.0, 0)],
        replace(relative, kind=kind), table, (CAMERA,), INDEX,
    )  # fmt: skip
    row = (pairs.relative.pairs == (0, 2)).all(1)
    assert pairs.relative.kind[row] == PairKind.GENERAL
    assert pairs.refined[row].all()


def test_a_cluster_that_does_not_move_stops_early(problems) -> None:
    placed = place(problems[0], min_matches=15, seed=0)
    assert placed is not None
    given = (problems[0], placed.members, placed.tracks, placed.cam_from_world)
    settings = cluster_settings(replace(CONFIG, steps=200, settled=1e6))
    # Half of the steps are for coarse photos.
    assert optimise(*given, settings, "cpu", 0).steps == 100
    settings = cluster_settings(replace(CONFIG, steps=60, settled=0.0))
    assert optimise(*given, settings, "cpu", 0).steps == 60


def test_prior_depth_is_seen_at_the_pixels_of_a_view(tmp_path: Path) -> None:
    """The photo's lens distorts, the view's does not."""
    scene = make_depth_scene(count=2)
    for i, photo in enumerate(scene.capture.photos):
        Image.new("RGB", (photo.width, photo.height)).save(tmp_path / f"{i}.png")
    capture = replace(
        scene.capture,
        photos=tuple(replace(p, path=tmp_path / p.name) for p in scene.capture.photos),
    )
    priors = priors_of(tmp_path, [scene.depth[0], None])
    pictures = Pictures(capture, scene.poses.cameras, priors, 120)
    assert pictures.map(1) is None
    views, found = pictures.views(np.array([0, 1])), pictures.map(0)
    assert found is not None
    assert found.shape == views.images[0].shape[:2]
    y, x = np.mgrid[: found.shape[0], : found.shape[1]] + 0.5
    rays = (np.stack([x.ravel(), y.ravel()], 1) - views.Ks[0, :2, 2]) / views.Ks[0, 0, 0]
    camera = scene.poses.cameras[0]
    depth, _ = ray_cast(scene.poses.cam_from_world[0], pixels_from_normalized(camera, rays))
    off = np.abs(found.ravel() / depth - 1)
    assert np.nanmedian(off) < 2e-3
    assert np.nanquantile(off, 0.9) < 0.02


@pytest.mark.parametrize(
    "wrong", [{"cluster_size": 2}, {"cluster_size": 9}, {"held_out_share": 0.9}, {"workers": 0}]
)
def test_settings_out_of_bounds_are_refused(scene: Scene, tmp_path: Path, wrong: dict) -> None:
    config = replace(CONFIG, **wrong)
    with pytest.raises(SplatposeError, match=f"local: {next(iter(wrong))}"):
        refine_pairs(
            *(scene.capture, scene.graph, config, tmp_path, ignore_events),
            depth=None,
            backend="cpu",
            min_matches=15,
            seed=0,
        )
