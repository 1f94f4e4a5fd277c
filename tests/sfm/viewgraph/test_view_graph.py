"""From relative poses to cameras: cycles, averaging, positions, the whole hypothesis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.poses import CAMERA, Scene, arc, cloud, look_at, make_scene

from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.rotations import rotation_angle, so3_exp
from splatpose.geometry.similarity import umeyama
from splatpose.io.colmap import model_from_reconstruction
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.mapping.global_mapper import reconstructions
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.thresholds import VIEW_GRAPH
from splatpose.sfm.twoview.all_pairs import relative_poses
from splatpose.sfm.twoview.pair_geometry import PairKind
from splatpose.sfm.viewgraph.baseline_scales import PairDepths, baseline_ratios
from splatpose.sfm.viewgraph.cycle_consistency import cycle_errors, inlier_probability, triangles
from splatpose.sfm.viewgraph.rotation_averaging import average_rotations
from splatpose.sfm.viewgraph.translation_averaging import camera_centers, log_baselines
from splatpose.sfm.viewgraph.view_graph import consistent_pairs, solve_view_graph


def all_pairs(count: int) -> np.ndarray:
    return np.stack(np.triu_indices(count, 1), 1)


def turns(rng: np.random.Generator, count: int) -> np.ndarray:
    return so3_exp(rng.standard_normal((count, 3)))


def measured(R: np.ndarray, pairs: np.ndarray, noise_deg: float, rng) -> np.ndarray:
    noise = so3_exp(np.radians(noise_deg) * rng.standard_normal((len(pairs), 3)))
    return noise @ R[pairs[:, 1]] @ np.swapaxes(R[pairs[:, 0]], 1, 2)


def test_triangles_close_without_noise() -> None:
    rng = np.random.default_rng(0)
    R, pairs = turns(rng, 9), all_pairs(9)
    rows = triangles(pairs, 9)
    assert len(rows) == 9 * 8 * 7 // 6
    np.testing.assert_allclose(cycle_errors(measured(R, pairs, 0, rng), rows), 0, atol=1e-7)


@pytest.mark.parametrize("noise", [0.2, 1.0, 2.5])
def test_false_pairs_are_found(noise: float) -> None:
    """A third of the pairs are false, the noise is thrice what the covariances say."""
    rng = np.random.default_rng(1)
    R, pairs = turns(rng, 14), all_pairs(14)
    rotation = measured(R, pairs, noise, rng)
    false = rng.random(len(pairs)) < 0.3
    rotation[false] = turns(rng, int(false.sum()))
    sigma = np.full(len(pairs), np.radians(noise / 3))
    belief = inlier_probability(pairs, rotation, sigma, 14)
    assert (belief[~false] > 0.6).mean() > 0.97
    assert (belief[false] > 0.6).mean() < 0.03


def test_two_sides_that_look_alike() -> None:
    """A walk around a building whose front and back are equal: pairs across are false, and agree
    with each other perfectly, for the back seen as the front is a consistent world."""
    rng = np.random.default_rng(2)
    count = 24
    yaw = np.linspace(0, 2 * np.pi, count, endpoint=False)
    R = so3_exp(np.stack([0 * yaw, yaw, 0 * yaw], 1))
    i, j = all_pairs(count).T
    apart = np.minimum((j - i) % count, (i - j) % count)
    true = apart <= 5
    across = np.abs(apart - count // 2) <= 1
    pairs = np.stack([i, j], 1)[true | across]
    false = across[true | across]
    rotation = measured(R, pairs, 0.3, rng)
    # Seen as the same side: turned by half a circle from where it is.
    rotation[false] = rotation[false] @ so3_exp(np.array([0, np.pi, 0]))
    belief = inlier_probability(pairs, rotation, np.full(len(pairs), np.radians(0.3)), count)
    keep = belief > 0.6
    assert keep[~false].all()
    result = average_rotations(
        pairs[keep], rotation[keep], np.full(keep.sum(), 0.005), belief[keep], count
    )
    gauge = result[0].T @ R[0]
    assert rotation_angle(result @ gauge @ np.swapaxes(R, 1, 2)).max() < 1.0


def test_averaging_is_robust_and_has_no_gauge() -> None:
    rng = np.random.default_rng(3)
    R, pairs = turns(rng, 12), all_pairs(12)
    rotation = measured(R, pairs, 0.5, rng)
    false = rng.random(len(pairs)) < 0.15
    rotation[false] = turns(rng, int(false.sum()))
    sigma, trust = np.full(len(pairs), 0.01), rng.uniform(1, 2, len(pairs))
    result = average_rotations(pairs, rotation, sigma, trust, 12)
    error = rotation_angle(result @ result[3].T @ R[3] @ np.swapaxes(R, 1, 2))
    assert error.max() < 1.5
    # Other names for the photos turn the world and change nothing else.
    order = rng.permutation(12)
    renamed = np.argsort(order)[pairs]
    swap = renamed[:, 0] > renamed[:, 1]
    flipped = np.where(swap[:, None, None], np.swapaxes(rotation, 1, 2), rotation)
    again = average_rotations(np.sort(renamed, 1), flipped, sigma, trust, 12)
    ours, theirs = result[order], again
    np.testing.assert_allclose(
        ours @ np.swapaxes(ours[:1], 1, 2), theirs @ np.swapaxes(theirs[:1], 1, 2), atol=1e-3
    )


def test_averaging_leaves_other_components_open() -> None:
    rng = np.random.default_rng(4)
    R = turns(rng, 5)
    pairs = np.array([[0, 1], [1, 2], [0, 2]])
    result = average_rotations(pairs, measured(R, pairs, 0, rng), np.ones(3), np.ones(3), 5)
    assert np.isnan(result[3:]).all()
    np.testing.assert_allclose(result[:3], R[:3] @ R[0].T, atol=1e-9)


def test_ratios_are_medians_of_what_two_pairs_say_of_a_photo() -> None:
    rng = np.random.default_rng(6)
    rows = np.array([(e, p) for e in range(14) for p in range(40) if rng.random() < 0.7])
    photo = np.arange(14)[:, None] // 7
    # Seven pairs of each of two photos; the last of them shares next to nothing.
    rows = rows[(rows[:, 0] != 13) | (rows[:, 1] < 4)]
    e, log_depth, sigma = rows[:, 0], rng.normal(size=len(rows)), rng.uniform(0, 0.1, 14)
    point, own_photo = rows[:, 1] + 100 * photo[e, 0], photo[e, 0]
    depths = PairDepths(e, point, own_photo, np.zeros((len(e), 2)), log_depth)
    found = baseline_ratios(depths, sigma)
    expected = {}
    of = [dict(zip(point[e == k].tolist(), log_depth[e == k], strict=True)) for k in range(14)]
    for a in range(14):
        for b in range(14):
            common = of[a].keys() & of[b].keys()
            if a != b and len(common) >= VIEW_GRAPH.min_shared_depths:
                difference = np.array([of[a][p] - of[b][p] for p in common])
                median = np.median(difference)
                spread = 1.4826 * np.median(np.abs(difference - median)) / len(common) ** 0.5
                expected[a, b] = median, np.sqrt(spread**2 + sigma[a] ** 2 + sigma[b] ** 2)
    assert len(expected) > 60
    assert {tuple(edges) for edges in found.edges.tolist()} == set(expected)
    for edges, *values in zip(found.edges.tolist(), found.log_ratio, found.sigma, strict=True):
        np.testing.assert_allclose(values, expected[tuple(edges)], rtol=1e-12)


def test_baselines_and_centres() -> None:
    """Lengths from shared depths, and centres from lengths: exact up to one scale."""
    rng = np.random.default_rng(5)
    centers = rng.uniform(-1, 1, (7, 3))
    points = rng.uniform((-1, -1, 7), (1, 1, 9), (60, 3))
    pairs = all_pairs(7)
    offset = centers[pairs[:, 1]] - centers[pairs[:, 0]]
    length = np.linalg.norm(offset, axis=1)
    depth = np.linalg.norm(points[None] - centers[:, None], axis=2)
    rows = [(e, p * 100 + k, p, np.log(depth[p, k] / length[e]))
            for e, pair in enumerate(pairs) for p in pair for k in range(60)]  # fmt: skip
    e, point, photo, log_depth = (np.array(column) for column in zip(*rows, strict=True))
    # Some pairs are false: their depths lie.
    log_depth = np.where(np.isin(e, (3, 11)), log_depth + rng.uniform(0.5, 1, len(e)), log_depth)
    depths = PairDepths(e, point, photo, np.zeros((len(e), 2)), log_depth)
    ratios = baseline_ratios(depths, np.zeros(len(pairs)))
    found = np.exp(log_baselines(ratios, len(pairs)))
    good = ~np.isin(np.arange(len(pairs)), (3, 11))
    ratio = found[good] / length[good]
    np.testing.assert_allclose(ratio / ratio.mean(), 1, rtol=1e-3)
    offset = offset * (found / length)[:, None]
    offset[5] *= -1
    result, residual = camera_centers(pairs, offset, np.full(len(pairs), 0.01), 7)
    fit = umeyama(result, centers)
    np.testing.assert_allclose(fit.points(result), centers, atol=0.02)
    # One points the wrong way, two have the wrong length.
    assert set(np.flatnonzero(residual > 0.3)) == {3, 5, 11}


def centers_error(cam_from_world: np.ndarray, scene: Scene) -> float:
    """Largest distance of a centre over the radius of all, after a similarity."""
    R, t = cam_from_world[:, :3, :3], cam_from_world[:, :3, 3]
    centers = -np.einsum("vji,vj->vi", R, t)
    truth = scene.centers
    radius = np.sqrt(((truth - truth.mean(0)) ** 2).sum(1).mean())
    return float(np.linalg.norm(umeyama(centers, truth).points(centers) - truth, axis=1).max()) / (
        radius
    )


def test_view_graph_of_an_exact_scene(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(8), cloud(), noise=0.3, outliers=0.2)
    table = match_table(scene.graph)
    found = solve_view_graph(table, (CAMERA,), np.zeros(8, np.int64), min_matches=15, seed=0)
    assert found is not None
    assert len(found.dropped) == 0
    assert centers_error(found.cam_from_world, scene) < 0.04


def test_reconstruction_from_the_view_graph(tmp_path: Path) -> None:
    """Bundle adjustment frees the focal length, starting from a wrong one."""
    scene = make_scene(tmp_path, arc(8), cloud(), noise=0.3, outliers=0.2)
    table, names = match_table(scene.graph), [photo.name for photo in scene.capture.photos]
    start = replace(CAMERA, params=np.array([740.0, 400, 300, 0]))
    found = reconstructions(
        scene.graph, table, (start,), np.zeros(8, np.int64), names, tmp_path, min_matches=15, seed=0
    )
    assert found
    for reconstruction in found:
        model = model_from_reconstruction(reconstruction, names)
        assert model.registered.all()
        assert centers_error(model.cam_from_world, scene) < 0.006
        assert model.cameras[0].params[0] == pytest.approx(700, rel=0.01)
        assert explain(model, table).share > 0.95


def test_a_false_pair_is_dropped(tmp_path: Path) -> None:
    """Matches of one pair shifted along a repeated pattern: a perfect pair, and false."""
    scene = make_scene(tmp_path, arc(7, 50), cloud(300), noise=0.2)
    table = match_table(scene.graph)
    pair = int(np.flatnonzero((table.pairs == (1, 4)).all(1))[0])
    own = np.flatnonzero(table.pair == pair)
    xy = table.xy.copy()
    turned = scene.cam_from_world[4].copy()
    turned[:3, :3] = so3_exp(np.array([0.0, 0.35, 0.0])) @ turned[:3, :3]
    rays = np.c_[(xy[own, 1] - (400, 300)) / 700, np.ones(len(own))]
    rays = rays @ so3_exp(np.array([0.0, 0.2, 0.1])).T
    xy[own, 1] = 700 * rays[:, :2] / rays[:, 2:] + (400, 300)
    found = relative_poses(
        replace(table, xy=xy), (CAMERA,), np.zeros(7, np.int64), min_matches=15, seed=0
    )
    row = int(np.flatnonzero(found.row == pair)[0])
    assert found.kind[row] in (PairKind.GENERAL, PairKind.PLANAR), "it is a perfect pair"
    kept = consistent_pairs(found, 7)
    assert {tuple(p) for p in found.pairs.tolist()} - {tuple(p) for p in kept.pairs.tolist()} == {
        (1, 4)
    }


def test_turning_pairs_carry_rotations(tmp_path: Path) -> None:
    """A stretch of turning on the spot: labelled, rotated rightly, and no depth asked of it."""
    walk = [look_at((x, 0.1 * x * x, -4), (0, 0, 0)) for x in (-0.9, -0.3, 0.3, 0.9)]
    turn = [look_at((0.9, 0.081, -4), (0.25 * k, 0, 0)) for k in (1, 2)]
    scene = make_scene(tmp_path, np.stack(walk + turn), 1.6 * cloud(500), noise=0.2)
    table = match_table(scene.graph)
    relative = relative_poses(table, (CAMERA,), np.zeros(6, np.int64), min_matches=15, seed=0)
    spot = (relative.pairs >= 3).all(1)
    np.testing.assert_array_equal(relative.kind == PairKind.ROTATION_ONLY, spot)
    found = solve_view_graph(table, (CAMERA,), np.zeros(6, np.int64), min_matches=15, seed=0)
    assert found is not None
    R, _ = relative_pose(found.cam_from_world[:-1], found.cam_from_world[1:])
    truth, _ = relative_pose(scene.cam_from_world[:-1], scene.cam_from_world[1:])
    assert rotation_angle(R @ np.swapaxes(truth, 1, 2)).max() < 1.0
    assert centers_error(found.cam_from_world, scene) < 0.1
