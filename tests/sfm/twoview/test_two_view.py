"""Relative poses of single pairs: model selection, accuracy, covariance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.poses import CAMERA, arc, cloud, make_scene

from splatpose.geometry.epipolar import essential_matrix, homogeneous, sampson_distance
from splatpose.geometry.rotations import rotation_angle, so3_exp, so3_log
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.twoview.all_pairs import refined_relative_poses, relative_poses
from splatpose.sfm.twoview.pair_geometry import PairFit, PairKind, fit_pair, refine_pair, torr_gric
from splatpose.sfm.twoview.relative_pose import (
    fit_rotations,
    homography_distance,
    loops,
    refine_relative_pose,
    retract,
    sampson_derivatives,
    signed_sampson,
)
from splatpose.sfm.viewgraph.focal_calibration import calibrate_focal_lengths

FOCAL = 875.0
"""Pixels at a longer side of 1000 of one unit of normalised coordinates."""
R = so3_exp(np.array([0.03, -0.22, 0.05]))
T = np.array([1.0, 0.1, -0.2])


def matches(
    rng: np.random.Generator,
    *,
    count: int = 300,
    translation: np.ndarray = T,
    plane: bool = False,
    noise: float = 0.5,
    outliers: float = 0.0,
) -> np.ndarray:
    """Normalised coordinates of matches seen at depths of about 4, with noise in pixels."""
    x1 = rng.uniform(-0.45, 0.45, (count, 2))
    # A plane that is not seen head-on, or a volume.
    depth = 4 / (1 + 0.5 * x1[:, 0] - 0.3 * x1[:, 1]) if plane else rng.uniform(2.5, 6, count)
    points = homogeneous(x1) * depth[:, None] @ R.T + translation
    x2 = points[:, :2] / points[:, 2:]
    x = np.stack([x1, x2], 1) + noise / FOCAL * rng.standard_normal((count, 2, 2))
    wrong = rng.random(count) < outliers
    x[wrong, 1] = rng.permutation(x[wrong, 1])
    return x


def fitted(seed: int = 0, **scene) -> PairFit:
    return fit_pair(matches(np.random.default_rng(seed), **scene), FOCAL, seed=0)


@pytest.mark.parametrize("noise", [0.2, 0.8])
@pytest.mark.parametrize("outliers", [0.0, 0.15])
@pytest.mark.parametrize("seed", range(3))
def test_model_selection(noise: float, outliers: float, seed: int) -> None:
    """General, planar and turning pairs are told apart, whatever the noise."""
    common = {"noise": noise, "outliers": outliers}
    assert fitted(seed, **common).kind == PairKind.GENERAL
    assert fitted(seed, plane=True, **common).kind == PairKind.PLANAR
    turning = fitted(seed, translation=np.zeros(3), **common)
    assert turning.kind == PairKind.ROTATION_ONLY
    assert rotation_angle(turning.rotation @ R.T) < 0.2
    assert turning.parallax == 0


@pytest.mark.parametrize("seed", range(3))
def test_matches_without_geometry_are_weak(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert fit_pair(rng.uniform(-0.4, 0.4, (80, 2, 2)), FOCAL, seed=0).kind == PairKind.WEAK
    # A narrow bundle of rays far off leaves the rotation about them open.
    x = matches(rng, count=20, noise=1.0)
    x = x.mean(0) + 0.005 * (x - x.mean(0)) + rng.standard_normal(x.shape) / FOCAL
    assert fit_pair(x, FOCAL, seed=0).kind == PairKind.WEAK


@pytest.mark.parametrize("plane", [False, True])
def test_pose_is_right(plane: bool) -> None:
    """For planes too, where five matches have two solutions."""
    for seed in range(5):
        pair = fitted(seed, plane=plane, noise=0.4, outliers=0.1)
        assert rotation_angle(pair.rotation @ R.T) < 1.0
        assert pair.direction @ T / np.linalg.norm(T) > np.cos(np.radians(4))
        assert pair.noise == pytest.approx(0.4, rel=0.35)


def test_small_parallax_is_not_taken_for_turning_when_it_is_seen() -> None:
    assert fitted(translation=0.04 * T, noise=0.3).kind == PairKind.GENERAL
    assert fitted(translation=0.001 * T, noise=0.3).kind == PairKind.ROTATION_ONLY


def test_gric_prefers_the_simple_model_of_equal_fit() -> None:
    residual = np.random.default_rng(0).standard_normal(200)
    assert torr_gric(residual, 2, 3) < torr_gric(residual, 2, 8) < torr_gric(residual, 3, 5)
    assert torr_gric(10 * residual, 2, 3) > torr_gric(residual, 3, 5)


def test_sampson_derivatives() -> None:
    rng = np.random.default_rng(1)
    x = matches(rng, count=20, noise=5.0)
    h1, h2 = homogeneous(x[:, 0]), homogeneous(x[:, 1])
    t = T / np.linalg.norm(T)
    distance, J = sampson_derivatives(R, t, h1, h2)
    expected = sampson_distance(essential_matrix(R, t), x[:, 0], x[:, 1])
    np.testing.assert_allclose(np.abs(distance), expected, atol=1e-12)
    np.testing.assert_allclose(signed_sampson(R, t, h1, h2), distance, atol=1e-12)
    for k in range(5):
        step = 1e-6 * np.eye(5)[k]
        ahead, behind = (
            signed_sampson(*retract(R, t, sign * step), h1, h2) for sign in (1.0, -1.0)
        )
        np.testing.assert_allclose(J[:, k], (ahead - behind) / 2e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_nearest_rotation_is_that_of_singular_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((3, 3)) + (0.0, 2.0)[seed % 2] * np.eye(3)
    U, _, Vt = np.linalg.svd(H)
    U[:, 2] *= np.sign(np.linalg.det(U @ Vt))
    found = loops().nearest_rotation(H)
    np.testing.assert_allclose(found, U @ Vt, atol=1e-9)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)


def test_medians_and_equations_are_those_of_numpy() -> None:
    rng = np.random.default_rng(6)
    for count in (1, 2, 3, 10, 101):
        values = rng.standard_normal(count).round(1)
        assert loops().median(values.copy()) == np.sort(values)[count // 2]
    J = rng.standard_normal((9, 5))
    A, b = J.T @ J, rng.standard_normal(5)
    np.testing.assert_allclose(loops().solve(A, b), np.linalg.solve(A, b), rtol=1e-9)


def test_rays_of_any_layout_are_turned_by_one_machine_code() -> None:
    """Compiling the loop takes a second, for each layout."""
    rng = np.random.default_rng(8)
    rays = rng.standard_normal((60, 3)) + np.array([0, 0, 4])
    pair = np.repeat([0, 1, 2], 20)
    one = fit_rotations(rays, rays @ R.T, pair)
    columns = np.asfortranarray(rays), np.repeat(rays @ R.T, 2, axis=0)[::2]
    other = fit_rotations(*columns, pair)
    np.testing.assert_array_equal(other.rotation, one.rotation)
    assert len(loops().rotations.signatures) == 1


def test_homography_distance_is_the_geometric_one() -> None:
    """To first order: the nearest exact match in four dimensions, found by brute force."""
    from scipy.optimize import minimize

    H = np.eye(3) + 0.1 * np.random.default_rng(2).standard_normal((3, 3))
    x1, x2 = np.array([[0.2, -0.1]]), np.array([[0.3, 0.05]])

    def mapped(x: np.ndarray) -> np.ndarray:
        h = H @ np.append(x, 1)
        return h[:2] / h[2]

    x2 = mapped(x1[0])[None] + [[2e-3, -1e-3]]
    best = minimize(
        lambda x: 1e6 * (((x - x1[0]) ** 2).sum() + ((mapped(x) - x2[0]) ** 2).sum()), x1[0]
    )
    np.testing.assert_allclose(homography_distance(H, x1, x2), np.sqrt(best.fun / 1e6), rtol=1e-2)


def test_covariance_is_that_of_repeated_measurements() -> None:
    """Monte Carlo: errors over many noisy copies of one pair have the predicted covariance."""
    truth = matches(np.random.default_rng(3), noise=0.0, count=120)
    rng = np.random.default_rng(4)
    t = T / np.linalg.norm(T)
    errors, predicted = [], []
    for _ in range(250):
        x = truth + 0.5 / FOCAL * rng.standard_normal(truth.shape)
        fit = refine_relative_pose(R, T, x[:, 0], x[:, 1])
        errors.append(np.r_[so3_log(fit.rotation @ R.T), fit.direction - t])
        predicted.append(fit.covariance)
    covariance = np.cov(np.array(errors).T)
    mean = np.mean(predicted, axis=0)
    # Compared along the principal axes of the prediction, the vanishing one left out.
    values, axes = np.linalg.eigh(mean)
    measured = np.einsum("ik,ij,jk->k", axes, covariance, axes)
    assert values[0] < 0.01 * values[1]
    np.testing.assert_allclose(np.sqrt(measured[1:] / values[1:]), 1, atol=0.3)


def test_rotation_covariance_is_that_of_repeated_measurements() -> None:
    rng = np.random.default_rng(5)
    truth = matches(rng, translation=np.zeros(3), noise=0.0, count=100)
    errors, predicted = [], []
    for _ in range(250):
        x = truth + 0.5 / FOCAL * rng.standard_normal(truth.shape)
        rays = [homogeneous(x[:, side]) for side in (0, 1)]
        rays = [r / np.linalg.norm(r, axis=1, keepdims=True) for r in rays]
        fit = fit_rotations(*rays, np.zeros(100, np.int64))
        errors.append(so3_log(fit.rotation[0] @ R.T))
        predicted.append(fit.covariance[0])
    # Both ends of a match are noisy, and the residual's own size is what sigma is taken from.
    ratio = np.sqrt(np.diag(np.cov(np.array(errors).T)) / np.diag(np.mean(predicted, axis=0)))
    np.testing.assert_allclose(ratio, 1, atol=0.3)


def test_same_result_with_any_number_of_threads(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(6), cloud(), outliers=0.1)
    table, index = match_table(scene.graph), np.zeros(6, np.int64)
    one, three = (
        relative_poses(table, (CAMERA,), index, min_matches=15, seed=0, workers=n) for n in (1, 3)
    )
    np.testing.assert_array_equal(one.rotation, three.rotation)
    np.testing.assert_array_equal(one.covariance, three.covariance)
    assert len(one.subset(one.pairs[:, 0] == 0)) == 5


@pytest.mark.parametrize("guess", [500.0, 1500.0])
def test_focal_length_from_all_pairs(tmp_path: Path, guess: float) -> None:
    scene = make_scene(tmp_path, arc(5), cloud(150), noise=0.3, outliers=0.1)
    start = replace(CAMERA, params=np.array([guess, 400, 300, 0.0]))
    found = calibrate_focal_lengths(
        match_table(scene.graph), (start,), np.zeros(5, np.int64), [False], min_matches=15, seed=0
    )
    assert found[0].params[0] == pytest.approx(700, rel=0.03)


def test_a_pair_finds_its_pose_from_nearby() -> None:
    x = matches(np.random.default_rng(0), plane=True, noise=0.4)
    direction = T / np.linalg.norm(T)
    start = so3_exp(np.radians([2.0, -3.0, 1.0])) @ R
    found = refine_pair(x, FOCAL, start, direction)
    assert found.kind == PairKind.GENERAL
    assert rotation_angle(found.rotation @ R.T) < 0.5
    assert found.direction @ direction > np.cos(np.radians(2))


def test_a_pair_does_not_follow_where_its_matches_do_not_lead() -> None:
    rng = np.random.default_rng(1)
    x = matches(rng, noise=0.4)
    direction = T / np.linalg.norm(T)
    far = so3_exp(np.radians([0.0, 25.0, 0.0])) @ R
    assert refine_pair(x, FOCAL, far, direction).kind == PairKind.WEAK
    assert refine_pair(x, FOCAL, R, -direction).kind == PairKind.WEAK
    false = np.stack([x[:, 0], rng.permutation(x[:, 1])], 1)
    assert refine_pair(false, FOCAL, R, direction).kind == PairKind.WEAK


def test_rows_are_replaced_pair_by_pair(tmp_path: Path) -> None:
    """Relative poses from elsewhere take the place of the measured ones."""
    scene = make_scene(tmp_path, arc(4), cloud(), noise=0.2)
    table, index = match_table(scene.graph), np.zeros(4, np.int64)
    measured = relative_poses(table, (CAMERA,), index, min_matches=15, seed=0)
    some = np.isin(np.arange(len(measured)), (1, 4))
    other = replace(measured.subset(some), rotation=np.stack([R, R.T]))
    for whole in (measured, measured.subset(~some)):
        merged = whole.replaced(other)
        np.testing.assert_array_equal(merged.row, measured.row)
        np.testing.assert_array_equal(merged.rotation[some], other.rotation)
        np.testing.assert_array_equal(merged.rotation[~some], measured.rotation[~some])
    truth = scene.cam_from_world[measured.pairs]
    rotation = truth[:, 1, :3, :3] @ np.swapaxes(truth[:, 0, :3, :3], 1, 2)
    start = so3_exp(np.radians(2 * np.ones(3))) @ rotation
    again = refined_relative_poses(table, measured.row, (CAMERA,), index, start, measured.direction)
    assert (again.kind == PairKind.GENERAL).all()
    assert rotation_angle(again.rotation @ np.swapaxes(rotation, 1, 2)).max() < 1.0
