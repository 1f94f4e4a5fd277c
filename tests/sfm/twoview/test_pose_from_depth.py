"""Relative poses from depths in one photo: right where matches leave them open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.poses import CAMERA, Scene, arc, cloud, look_at, make_scene

from splatpose.depth.keypoints import KeypointPriors
from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.projection import project
from splatpose.geometry.rotations import rotation_angle, so3_exp, so3_log
from splatpose.geometry.similarity import umeyama
from splatpose.sfm.correspondences import MatchTable, match_table
from splatpose.sfm.twoview.all_pairs import relative_poses
from splatpose.sfm.twoview.pair_geometry import PairKind
from splatpose.sfm.twoview.pose_from_depth import (
    RelativePosesFromDepth,
    relative_poses_from_depth,
    resection_covariance,
)
from splatpose.sfm.viewgraph.depth_edges import depth_edges
from splatpose.sfm.viewgraph.view_graph import solve_view_graph


def table_of(
    poses: np.ndarray, points: np.ndarray, noise: float, shuffled: bool = False
) -> MatchTable:
    """All points seen by two photos."""
    rng = np.random.default_rng(0)
    xy = np.stack([project(CAMERA, pose, points)[0] for pose in poses], axis=1)
    xy += noise * rng.standard_normal(xy.shape)
    if shuffled:
        xy[:, 1] = rng.permutation(xy[:, 1])
    count = len(points)
    return MatchTable(
        pairs=np.array([[0, 1]]),
        pair=np.zeros(count, np.int64),
        photos=np.tile([0, 1], (count, 1)),
        keypoints=np.tile(np.arange(count)[:, None], (1, 2)),
        xy=xy,
    )


def depths_of(poses: np.ndarray, points: np.ndarray, noise: float, scale: float) -> list:
    rng = np.random.default_rng(1)
    return [
        scale * project(CAMERA, pose, points)[1] * np.exp(noise * rng.standard_normal(len(points)))
        for pose in poses
    ]


def ask(table: MatchTable, depths: list) -> RelativePosesFromDepth:
    return relative_poses_from_depth(
        table, np.array([0]), (CAMERA,), np.zeros(2, np.int64), depths, seed=0
    )


def off(found: RelativePosesFromDepth, poses: np.ndarray) -> tuple[float, float]:
    """Errors of rotation and direction in degrees."""
    R, t = relative_pose(poses[0], poses[1])
    cosine = found.relative.direction[0] @ t / np.linalg.norm(t)
    turn = float(rotation_angle(found.relative.rotation[0] @ R.T))
    return turn, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


WIDE = np.stack([look_at((-1.5, 0.2, -4), (0, 0, 0)), look_at((1.5, -0.1, -3.5), (0.1, 0, 0))])
NARROW = np.stack([look_at((0, 0, -4), (0, 0, 0)), look_at((0.03, 0.01, -4), (0.4, 0, 0))])


@pytest.mark.parametrize("poses", [WIDE, NARROW])
@pytest.mark.parametrize("side", [0, 1])
def test_few_matches_with_depths_give_the_pose_and_the_length(poses: np.ndarray, side: int) -> None:
    points = cloud(40)
    depths = depths_of(poses, points, 0.003, 2.5)
    depths[1 - side][:] = np.nan
    found = ask(table_of(poses, points, 0.3), depths)
    assert found.relative.kind.tolist() == [PairKind.BY_DEPTH]
    assert found.side.tolist() == [side]
    turn, direction = off(found, poses)
    length = 2.5 * np.linalg.norm(relative_pose(poses[0], poses[1])[1])
    assert turn < 1.0
    if poses is WIDE:
        assert direction < 2.0
        assert found.length[0] == pytest.approx(length, rel=0.03)
    else:
        assert found.length[0] == pytest.approx(length, abs=0.01 * 2.5 * 4)


def test_the_unit_of_depths_changes_the_length_alone() -> None:
    points, table = cloud(60), table_of(WIDE, cloud(60), 0.3)
    depths = depths_of(WIDE, points, 0.003, 1.0)
    one, seven = ask(table, depths), ask(table, [7 * d for d in depths])
    assert seven.length[0] == pytest.approx(7 * one.length[0], rel=1e-3)
    np.testing.assert_allclose(seven.relative.rotation, one.relative.rotation, atol=1e-3)
    np.testing.assert_allclose(seven.relative.direction, one.relative.direction, atol=1e-3)
    np.testing.assert_allclose(
        seven.relative.covariance, one.relative.covariance, rtol=0.02, atol=1e-6
    )


@pytest.mark.parametrize("poses", [WIDE, NARROW])
def test_depths_of_both_photos_tell_the_ratio_of_their_units(poses: np.ndarray) -> None:
    points = cloud(60)
    first, second = depths_of(poses, points, 0.003, 2.0)
    found = ask(table_of(poses, points, 0.3), [first, second / 6])
    expected = np.log(6.0) * (1 if found.side[0] == 0 else -1)
    assert found.log_unit[0] == pytest.approx(expected, abs=0.02)
    alone = ask(table_of(poses, points, 0.3), [first, np.full(60, np.nan)])
    assert np.isnan(alone.log_unit[0])


def test_false_matches_and_flat_depths_settle_nothing() -> None:
    points = cloud(60)
    depths = depths_of(WIDE, points, 0.01, 1.0)
    assert len(ask(table_of(WIDE, points, 0.3, shuffled=True), depths).relative) == 0
    rng = np.random.default_rng(3)
    assert len(ask(table_of(WIDE, points, 0.3), [rng.permutation(d) for d in depths]).relative) == 0
    unknown = [np.full(60, np.nan)] * 2
    assert len(ask(table_of(WIDE, points, 0.3), unknown).relative) == 0


def test_covariance_is_what_noise_does() -> None:
    """Against the spread of least squares over many draws of the noise."""
    rng = np.random.default_rng(4)
    R, t = WIDE[0][:3, :3], WIDE[0][:3, 3]
    points, focal, sigma = cloud(80), 875.0, 2.0
    seen = points @ R.T + t
    exact = seen[:, :2] / seen[:, 2:]
    errors = []
    for _ in range(150):
        x = exact + sigma / focal * rng.standard_normal(exact.shape)
        turn, shift = np.eye(3), np.zeros(3)
        for _ in range(3):  # Gauss-Newton by differences
            step = np.linalg.lstsq(*_system(turn @ R, t + shift, points, x), rcond=None)[0]
            turn, shift = so3_exp(step[:3]) @ turn, shift + step[3:]
        errors.append(np.r_[so3_log(turn[None])[0], shift])
    expected = np.std(errors, axis=0)
    x = exact + sigma / focal * rng.standard_normal(exact.shape)
    covariance, noise = resection_covariance(R, t, points, x, focal)
    assert noise == pytest.approx(sigma, rel=0.25)
    found = np.sqrt(np.diag(covariance)) * sigma / noise
    np.testing.assert_allclose(found, expected, rtol=0.2)


def _system(R: np.ndarray, t: np.ndarray, points: np.ndarray, x: np.ndarray):
    def residual(step: np.ndarray) -> np.ndarray:
        seen = points @ (so3_exp(step[:3]) @ R).T + t + step[3:]
        return (seen[:, :2] / seen[:, 2:] - x).ravel()

    J = np.stack([(residual(h) - residual(-h)) / 2e-6 for h in 1e-6 * np.eye(6)], 1)
    return J, -residual(np.zeros(6))


@pytest.fixture
def thin(tmp_path: Path) -> Scene:
    """Photos on an arc of which neighbours share points, and few of those."""
    return make_scene(tmp_path, arc(5), cloud(70), noise=0.5)


def test_maps_settle_pairs_and_ratios_of_baselines(thin: Scene) -> None:
    table = match_table(thin.graph)
    index = np.zeros(5, np.int64)
    rng = np.random.default_rng(5)
    values = []
    for photo, pose in enumerate(thin.cam_from_world):
        xy, z = project(thin.camera, pose, thin.points)
        near = np.linalg.norm(xy[:, None] - thin.graph.keypoints[photo][None], axis=2).argmin(0)
        values.append(
            (1 / z[near] + 0.2) * (photo + 2) * np.exp(0.002 * rng.standard_normal(len(near)))
        )
    priors = KeypointPriors(tuple(values), "auto")
    own = relative_poses(table, (thin.camera,), index, min_matches=15, seed=0)
    found = depth_edges(own, table, (thin.camera,), index, priors, seed=0)
    assert found.relative.row.tolist() == own.row.tolist()
    R, t = relative_pose(thin.cam_from_world[own.pairs[:, 0]], thin.cam_from_world[own.pairs[:, 1]])
    assert rotation_angle(found.relative.rotation @ np.swapaxes(R, 1, 2)).max() < 4
    length = np.log(np.linalg.norm(t, axis=1))
    place = np.full(int(own.row.max()) + 1, -1)
    place[own.row] = np.arange(len(own))
    a, b = place[found.ratios.edges].T
    assert len(a) >= 4
    np.testing.assert_allclose(found.ratios.log_ratio, length[b] - length[a], atol=0.25)
    some = own.row[:5]
    part = found.ratios_of(some)
    inside = np.isin(found.ratios.edges, some).all(1)
    np.testing.assert_array_equal(some[part.edges], found.ratios.edges[inside])


def test_two_groups_that_one_turn_joins_get_one_scale(tmp_path: Path) -> None:
    """Photos 3 and 4 were taken from one spot: no parallax ties the sizes of the groups."""
    first = [look_at((x, 0.2 * x, -4), (-1.2, 0, 0)) for x in (-2.4, -1.6, -0.8, 0)]
    second = [look_at((x, 0.1 * x, -4), (1.2, 0, 0)) for x in (0.0, 0.9, 1.7, 2.6)]
    blocked = frozenset((i, j) for i in range(4) for j in range(4, 8) if (i, j) != (3, 4))
    rng = np.random.default_rng(6)
    points = rng.uniform((-3, -1.2, -1), (3, 1.2, 1.5), (900, 3))
    scene = make_scene(tmp_path, np.stack([*first, *second]), points, noise=0.3, blocked=blocked)
    table, index = match_table(scene.graph), np.zeros(8, np.int64)
    values = []
    for photo, pose in enumerate(scene.cam_from_world):
        xy, z = project(scene.camera, pose, scene.points)
        near = np.linalg.norm(xy[:, None] - scene.graph.keypoints[photo][None], axis=2).argmin(0)
        values.append((z[near] + 0.1) * (photo + 2))
    priors = KeypointPriors(tuple(values), "auto")
    own = relative_poses(table, (scene.camera,), index, min_matches=15, seed=0)
    by_depth = depth_edges(own, table, (scene.camera,), index, priors, seed=0)
    sizes = []
    for found in (None, by_depth):
        graph = solve_view_graph(
            table, (scene.camera,), index, min_matches=15, seed=0, relative=own, by_depth=found
        )
        assert graph is not None
        R, t = graph.cam_from_world[:, :3, :3], graph.cam_from_world[:, :3, 3]
        centers = -np.einsum("vji,vj->vi", R, t)
        fit = umeyama(centers, scene.centers)
        sizes.append(np.linalg.norm(fit.points(centers) - scene.centers, axis=1).max())
    assert sizes[1] < 0.25
    assert sizes[1] < 0.5 * sizes[0]
