"""Laws of the geometry package, and pycolmap as an oracle."""

from __future__ import annotations

import numpy as np
import pycolmap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from splatpose.geometry.epipolar import (
    essential_matrix,
    relative_pose,
    sampson_distance,
    two_view_depths,
)
from splatpose.geometry.projection import normalized_from_pixels, pixels_from_normalized, project
from splatpose.geometry.rotations import (
    matrix_from_quat,
    quat_from_matrix,
    rotation_angle,
    so3_exp,
    so3_log,
)
from splatpose.geometry.similarity import Similarity, umeyama
from splatpose.io.colmap import camera_to_colmap
from splatpose.scene.camera import Camera

CAMERAS = (
    Camera("SIMPLE_PINHOLE", 640, 480, np.array([500.0, 320, 240])),
    Camera("PINHOLE", 640, 480, np.array([500.0, 510, 322, 236])),
    Camera("SIMPLE_RADIAL", 640, 480, np.array([500.0, 320, 240, -0.12])),
    Camera("RADIAL", 640, 480, np.array([500.0, 318, 244, 0.08, -0.05])),
    Camera("OPENCV", 640, 480, np.array([500.0, 503, 318, 244, 0.06, -0.04, 0.002, -0.003])),
    Camera(
        "FULL_OPENCV",
        640,
        480,
        np.array([521.0, 521, 325, 250, 0.23, -0.78, -0.003, 0.0, 0.92, 0.05, 0.02, -0.01]),
    ),
)
vectors = st.lists(st.floats(-1.8, 1.8), min_size=3, max_size=3).map(np.array)


@given(vectors)
@settings(deadline=None)
def test_so3_log_inverts_exp(vector: np.ndarray) -> None:
    assert np.linalg.norm(vector) < np.pi
    R = so3_exp(vector)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) > 0
    np.testing.assert_allclose(so3_log(R), vector, atol=1e-7)


def test_rotations_agree_with_scipy() -> None:
    rotations = Rotation.random(200, rng=np.random.default_rng(0))
    # Half turns and the identity are where formulas break.
    special = Rotation.from_rotvec(np.pi * np.eye(3)) * Rotation.identity(3)
    both = Rotation.concatenate([rotations, special, Rotation.identity(1)])
    R = both.as_matrix()
    xyzw = both.as_quat(canonical=True)
    quat = quat_from_matrix(R)
    np.testing.assert_allclose(np.abs((quat[:, [1, 2, 3, 0]] * xyzw).sum(1)), 1, atol=1e-12)
    np.testing.assert_allclose(matrix_from_quat(3.7 * quat), R, atol=1e-12)
    np.testing.assert_allclose(rotation_angle(R), np.degrees(both.magnitude()), atol=1e-5)
    np.testing.assert_allclose(so3_exp(both.as_rotvec()), R, atol=1e-12)


@given(st.integers(0, 1000), st.floats(0.01, 100), st.integers(3, 12))
@settings(max_examples=30, deadline=None)
def test_umeyama_recovers_a_similarity(seed: int, scale: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    truth = Similarity(scale, so3_exp(rng.standard_normal(3)), rng.standard_normal(3))
    source = rng.standard_normal((count, 3))
    fit = umeyama(source, truth.points(source))
    assert fit.scale == pytest.approx(scale, rel=1e-9)
    np.testing.assert_allclose(fit.rotation, truth.rotation, atol=1e-7)
    np.testing.assert_allclose(fit.points(source), truth.points(source), atol=1e-7 * scale)


def test_umeyama_never_reflects_and_needs_two_points() -> None:
    source = np.random.default_rng(0).standard_normal((6, 3))
    assert np.linalg.det(umeyama(source, source * (1, 1, -1)).rotation) == pytest.approx(1)
    with pytest.raises(ValueError, match="two distinct"):
        umeyama(np.ones((4, 3)), source[:4])


def test_similarity_moves_cameras_with_points() -> None:
    """Projections do not change when world and cameras move together."""
    rng = np.random.default_rng(1)
    move = Similarity(2.5, so3_exp(rng.standard_normal(3)), rng.standard_normal(3))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = so3_exp(np.array([0.1, -0.2, 0.3])), (0.1, 0.2, 6)
    points = rng.uniform(-1, 1, (20, 3))
    moved = move.cam_from_world(pose[None])[0]
    np.testing.assert_allclose(moved[:3, :3] @ moved[:3, :3].T, np.eye(3), atol=1e-12)
    before, depth = project(CAMERAS[4], pose, points)
    after, moved_depth = project(CAMERAS[4], moved, move.points(points))
    np.testing.assert_allclose(after, before, atol=1e-9)
    np.testing.assert_allclose(moved_depth, 2.5 * depth, atol=1e-9)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda c: c.model)
def test_projection_is_colmaps_and_invertible(camera: Camera) -> None:
    rng = np.random.default_rng(2)
    normalized = rng.uniform(-0.6, 0.6, (100, 2)) * (1, 0.75)
    pixels = pixels_from_normalized(camera, normalized)
    oracle = camera_to_colmap(camera, 1)
    np.testing.assert_allclose(
        pixels, oracle.img_from_cam(np.c_[normalized, np.ones(100)]), atol=1e-9
    )
    np.testing.assert_allclose(normalized_from_pixels(camera, pixels), normalized, atol=1e-9)


def test_undistortion_never_gives_nan() -> None:
    """Pixels that no ray reaches under a strong barrel distortion still give finite values."""
    camera = Camera("SIMPLE_RADIAL", 640, 480, np.array([300.0, 320, 240, -0.4]))
    assert np.isfinite(normalized_from_pixels(camera, np.array([[0.0, 0.0], [640, 480]]))).all()


def test_points_behind_the_camera_do_not_project() -> None:
    xy, depth = project(CAMERAS[0], np.eye(4), np.array([[0.0, 0, -1], [0, 0, 1]]))
    assert np.isnan(xy[0]).all()
    np.testing.assert_allclose(xy[1], (320, 240))
    np.testing.assert_allclose(depth, (-1, 1))


def two_views() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    R, t = so3_exp(np.array([0.05, 0.3, -0.1])), np.array([-1.0, 0.1, 0.2])
    X = rng.uniform((-1, -1, 4), (1, 1, 6), (50, 3))
    Y = X @ R.T + t
    return R, t, X, X[:, :2] / X[:, 2:], Y[:, :2] / Y[:, 2:]


def test_essential_matrix_and_sampson_distance() -> None:
    R, t, _, x1, x2 = two_views()
    E = essential_matrix(R, t)
    assert sampson_distance(E, x1, x2).max() < 1e-14
    noisy = x2 + 1e-3 * np.random.default_rng(4).standard_normal(x2.shape)
    squared = pycolmap.compute_squared_sampson_error(x1, noisy, E)
    np.testing.assert_allclose(sampson_distance(E, x1, noisy) ** 2, squared, rtol=1e-6)
    many = np.broadcast_to(E, (50, 3, 3))
    np.testing.assert_allclose(
        sampson_distance(many, x1, noisy), sampson_distance(E, x1, noisy), rtol=1e-12
    )


def test_two_view_depths() -> None:
    R, t, X, x1, x2 = two_views()
    z1, z2, sine = two_view_depths(R, t, x1, x2)
    np.testing.assert_allclose(z1, X[:, 2], rtol=1e-9)
    np.testing.assert_allclose(z2, (X @ R.T + t)[:, 2], rtol=1e-9)
    center2 = -R.T @ t
    a, b = X, X - center2
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(sine, np.sqrt(1 - cosine**2), rtol=1e-6)
    backwards, _, _ = two_view_depths(R, -t, x1, x2)
    assert (backwards < 0).all()
    parallel, _, none = two_view_depths(np.eye(3), np.array([1.0, 0, 0]), x1, x1)
    assert np.isinf(parallel).all()
    assert (none == 0).all()


def test_relative_pose_composes() -> None:
    poses = np.stack([np.eye(4)] * 2)
    poses[0, :3, :3], poses[0, :3, 3] = so3_exp(np.array([0.1, 0.2, 0.3])), (1, 2, 3)
    poses[1, :3, :3], poses[1, :3, 3] = so3_exp(np.array([-0.2, 0.1, 0.4])), (-1, 0, 2)
    R, t = relative_pose(poses[0], poses[1])
    expected = poses[1] @ np.linalg.inv(poses[0])
    np.testing.assert_allclose(R, expected[:3, :3], atol=1e-12)
    np.testing.assert_allclose(t, expected[:3, 3], atol=1e-12)
