"""Covariances of poses against what noise really does to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pycolmap
import pytest
from scenes.clusters import local_scene
from scenes.poses import CAMERA, arc, cloud

from splatpose.geometry.camera_alignment import camera_errors
from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.projection import pixels_from_normalized, project
from splatpose.geometry.rotations import cross_matrix, so3_exp, so3_log
from splatpose.geometry.similarity import Similarity, alignment
from splatpose.io.colmap import (
    image_id_of,
    model_from_reconstruction,
    quiet_colmap,
    reconstruction_from_model,
)
from splatpose.scene.camera import Camera
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.bundle_adjustment import bundle_options, measure_scales
from splatpose.sfm.mapping.camera_system import Linearised, normal_equations, normal_matrix
from splatpose.sfm.mapping.pair_covariance import pair_covariance
from splatpose.sfm.mapping.pose_covariance import pose_uncertainty
from splatpose.sfm.mapping.track_adjustment import resolved

NOISE = 0.8


def exact(count: int = 6, points: int = 80) -> SparseModel:
    """Cameras on an arc, and all of their points."""
    poses, cloud_of = arc(count), cloud(points)
    pixels = np.stack([project(CAMERA, pose, cloud_of)[0] for pose in poses], 1)
    track, photo = np.divmod(np.arange(points * count), count)
    return SparseModel(
        names=tuple(f"{i}.jpg" for i in range(count)),
        registered=np.ones(count, bool),
        cam_from_world=poses,
        camera_index=np.zeros(count, np.int64),
        cameras=(CAMERA,),
        points=cloud_of,
        point_colors=np.zeros((points, 3), np.uint8),
        point_errors=np.full(points, NOISE * np.sqrt(np.pi / 2)),
        observations=np.stack([track, photo, track], 1),
        observation_xy=pixels.reshape(-1, 2),
    )


def adjusted(model: SparseModel) -> SparseModel:
    """The same after bundle adjustment."""
    reconstruction = reconstruction_from_model(model)
    config = pycolmap.BundleAdjustmentConfig()
    for image in reconstruction.reg_image_ids():
        config.add_image(image)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.THREE_POINTS)
    options = bundle_options(4.0, principal_point=False)
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()
    return model_from_reconstruction(reconstruction)


def by_ceres(model: SparseModel) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations by ceres' covariance of all cameras, without the noise's size; three of
    the points are held there, which matters where there are few."""
    reconstruction = reconstruction_from_model(model)
    count = len(model.names)
    config = pycolmap.BundleAdjustmentConfig()
    for photo in range(count):
        config.add_image(image_id_of(photo))
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.THREE_POINTS)
    adjuster = pycolmap.create_default_ceres_bundle_adjuster(
        bundle_options(measure_scales(reconstruction).loss, principal_point=False),
        config,
        reconstruction,
    )
    options = pycolmap.BACovarianceOptions()
    options.params = pycolmap.BACovarianceOptionsParams.POSES
    found = pycolmap.estimate_ba_covariance(options, reconstruction, adjuster)
    ids = [image_id_of(photo) for photo in range(count)]
    blocks = [[found.get_cam_cross_cov_from_world(i, j) for j in ids] for i in ids]
    # ceres' tangent of a quaternion is half the rotation vector.
    units = np.tile([2.0, 2.0, 2.0, 1, 1, 1], count)
    R, t = model.cam_from_world[:, :3, :3], model.cam_from_world[:, :3, 3]
    centers = centers_of(model.cam_from_world)
    offset = (centers - centers.mean(0)) / rms_radius(centers)
    J, basis = np.zeros((count, 6, count, 6)), np.zeros((count, 6, 7))
    for n in range(count):
        # The centre is -R^T t.
        center = R[n].T @ np.concatenate([-cross_matrix(t[n]), -np.eye(3)], axis=1)
        J[n, :, n] = np.concatenate([np.eye(3, 6), center / rms_radius(centers)])
        basis[n, :3, :3], basis[n, 3:, :3] = -R[n], -cross_matrix(offset[n])
        basis[n, 3:, 3:6], basis[n, 3:, 6] = np.eye(3), offset[n]
    common = np.linalg.qr(basis.reshape(-1, 7))[0]
    A = (np.eye(6 * count) - common @ common.T) @ J.reshape(6 * count, -1) * units
    all_cameras = (A @ np.block(blocks) @ A.T).reshape(count, 6, count, 6)
    own = np.stack([all_cameras[n, :, n] for n in range(count)])
    largest = [np.linalg.eigvalsh(own[:, part, part])[:, -1] for part in (slice(3), slice(3, 6))]
    return np.degrees(largest[0] ** 0.5), 100 * largest[1] ** 0.5


OPENCV = Camera("OPENCV", 800, 600, np.array([690.0, 710, 400, 300, -0.1, 0.02, 0.001, -0.002]))
PINHOLE = Camera("SIMPLE_PINHOLE", 800, 600, np.array([700.0, 400, 300]))


@pytest.mark.parametrize("cameras", [(CAMERA,), (OPENCV,), (PINHOLE, CAMERA)])
def test_sigmas_are_those_of_ceres(cameras: tuple[Camera, ...]) -> None:
    model = exact(8, points=400)
    index = np.arange(8) % len(cameras)
    rng = np.random.default_rng(1)
    xy = np.zeros_like(model.observation_xy)
    for photo, pose in enumerate(model.cam_from_world):
        own = model.observations[:, 1] == photo
        xy[own] = project(cameras[index[photo]], pose, model.points)[0]
    xy += NOISE * rng.standard_t(2, xy.shape)
    few = (model.observations[:, 1] != 3) | (model.observations[:, 0] < 40)
    noisy = replace(
        model,
        cameras=cameras,
        camera_index=index,
        observations=model.observations[few],
        observation_xy=xy[few],
    )
    found = pose_uncertainty(noisy)
    with quiet_colmap():
        expected = by_ceres(noisy)
    # The one factor between them is the noise's size.
    noise = found.rotation[0] / expected[0][0]
    assert 0.5 * NOISE < noise < 2 * NOISE
    np.testing.assert_allclose(found.rotation / noise, expected[0], rtol=0.01)
    np.testing.assert_allclose(found.position / noise, expected[1], rtol=0.01)


@pytest.mark.parametrize("scale", [0.4, 1e-4, 1e4])
def test_sigmas_do_not_depend_on_the_world(scale: float) -> None:
    model = exact()
    frame = Similarity(scale, so3_exp(np.array([0.5, 0.2, -0.9])), np.array([1.0, 2.0, -3.0]))
    elsewhere = replace(
        model,
        cam_from_world=frame.cam_from_world(model.cam_from_world),
        points=frame.points(model.points),
    )
    here, there = pose_uncertainty(model), pose_uncertainty(elsewhere)
    np.testing.assert_allclose(there.rotation, here.rotation, rtol=1e-5)
    np.testing.assert_allclose(there.position, here.position, rtol=1e-5)


def some(model: SparseModel, rows: np.ndarray) -> SparseModel:
    """With only some of the observations."""
    return replace(
        model, observations=model.observations[rows], observation_xy=model.observation_xy[rows]
    )


def test_what_shares_no_points_with_the_largest_part_is_not_measured() -> None:
    model = exact(8)
    track, photo = model.observations[:, 0], model.observations[:, 1]
    parts = pose_uncertainty(some(model, (track < 40) == (photo < 5)))
    alone = pose_uncertainty(some(model, (track < 40) & (photo < 5)))
    assert np.isnan(parts.rotation[5:]).all()
    np.testing.assert_allclose(parts.rotation[:5], alone.rotation[:5], rtol=0.3)
    assert (parts.rotation[:5] < 1).all()


def test_a_part_that_one_photo_joins_is_as_good_as_free() -> None:
    """However many points it has: its size about that photo is any."""
    model = exact(8, points=600)
    track, photo = model.observations[:, 0], model.observations[:, 1]
    joined = pose_uncertainty(some(model, np.where(track < 300, photo <= 4, photo >= 4)))
    assert (joined.position > 100).all()


def test_photos_are_as_certain_as_without_a_free_part_that_is_not_asked() -> None:
    model = exact(8, points=600)
    track, photo = model.observations[:, 0], model.observations[:, 1]
    joined = some(model, np.where(track < 300, photo <= 4, photo >= 4))
    found = pose_uncertainty(joined, np.arange(8) <= 4)
    assert np.isnan(found.position[5:]).all()
    assert (found.position[:5] < 1).all()


def chain(count: int) -> SparseModel:
    """A walk past points each of which five photos in a row see."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, 0, 3] = -np.arange(count)
    rng = np.random.default_rng(0)
    near = np.arange(count - 4)[:, None] + [0, 1, 2, 3, 4]
    points = np.stack([near.mean(1), *rng.uniform(-1, 1, (1, count - 4)), near[:, 0] * 0], 1)
    points = np.repeat(points, 4, axis=0) + rng.uniform(-1, 1, (4 * (count - 4), 3)) + (0, 0, 5.0)
    track = np.repeat(np.arange(len(points)), 5)
    photo = np.repeat(near, 4, axis=0).ravel()
    seen = points[track] + poses[photo, :3, 3]
    pixels = pixels_from_normalized(PINHOLE, seen[:, :2] / seen[:, 2:])
    return SparseModel(
        names=tuple(f"{i}.jpg" for i in range(count)),
        registered=np.ones(count, bool),
        cam_from_world=poses,
        camera_index=np.zeros(count, np.int64),
        cameras=(PINHOLE,),
        points=points,
        point_colors=np.zeros((len(points), 3), np.uint8),
        point_errors=np.full(len(points), NOISE),
        observations=np.stack([track, photo, track], 1),
        observation_xy=pixels,
    )


def test_more_photos_than_four_hundred_have_sigmas() -> None:
    found = pose_uncertainty(chain(430))
    assert np.isfinite(found.position).all()
    # The ends of a chain are less certain than its middle is.
    assert found.position[[0, -1]].min() > found.position[215]


def test_the_normal_matrix_has_what_shares_points_and_no_more() -> None:
    rng = np.random.default_rng(0)
    for count in (50, 100):
        track = np.repeat(np.arange(count - 2), 3)
        view = track + np.tile([0, 1, 2], count - 2)
        size = len(track)
        system = Linearised(
            track=track,
            view=view,
            lens=np.zeros(size, np.int64),
            by_view=rng.normal(size=(size, 2, 6)),
            by_lens=np.zeros((size, 2, 6)),
            by_point=rng.normal(size=(size, 2, 3)),
        )
        normal = normal_matrix(system, np.ones(size), count, 1)
        blocks = normal.nnz // 36
        assert blocks <= 5 * count + 2 * count + 1
        # Against the definition.
        J, Q = np.zeros((2 * size, 6 * count)), np.zeros((2 * size, 3 * (count - 2)))
        for o in range(size):
            J[2 * o : 2 * o + 2, 6 * view[o] : 6 * view[o] + 6] = system.by_view[o]
            Q[2 * o : 2 * o + 2, 3 * track[o] : 3 * track[o] + 3] = system.by_point[o]
        expected = J.T @ J - J.T @ Q @ np.linalg.solve(Q.T @ Q, Q.T @ J)
        np.testing.assert_allclose(normal.toarray()[:-6, :-6], expected, atol=1e-8)


def test_the_gradient_is_that_of_the_cost_with_points_at_their_best() -> None:
    rng = np.random.default_rng(0)
    track, view = np.repeat(np.arange(4), 3), np.tile([0, 1, 2], 4)
    system = Linearised(
        track=track,
        view=view,
        lens=view % 2,
        by_view=rng.normal(size=(12, 2, 6)),
        by_lens=rng.normal(size=(12, 2, 12)),
        by_point=rng.normal(size=(12, 2, 3)),
    )
    residual, weight = rng.normal(size=(12, 2)), rng.uniform(0.5, 2, 12)
    normal, gradient = normal_equations(system, residual, weight, 3, 2)
    J, Q = np.zeros((24, 18 + 24)), np.zeros((24, 12))
    for o in range(12):
        rows = slice(2 * o, 2 * o + 2)
        J[rows, 6 * view[o] : 6 * view[o] + 6] = system.by_view[o]
        first = 18 + 12 * system.lens[o]
        J[rows, first : first + 12] = system.by_lens[o]
        Q[rows, 3 * track[o] : 3 * track[o] + 3] = system.by_point[o]
    W = np.diag(np.repeat(weight, 2))
    without = W - W @ Q @ np.linalg.solve(Q.T @ W @ Q, Q.T @ W)
    np.testing.assert_allclose(normal.toarray(), J.T @ without @ J, atol=1e-9)
    np.testing.assert_allclose(gradient, J.T @ without @ residual.ravel(), atol=1e-9)


def test_sigmas_are_what_noise_does() -> None:
    """Monte Carlo: RMS over many adjustments of noisy pixels lies at the predicted size."""
    model = exact()
    rng = np.random.default_rng(0)
    rotation, position = [], []
    with quiet_colmap():
        predicted = pose_uncertainty(model)
        for _ in range(40):
            noisy = model.observation_xy + NOISE * rng.standard_normal(model.observation_xy.shape)
            found = adjusted(replace(model, observation_xy=noisy))
            fit = alignment(found.cam_from_world, model.cam_from_world)
            off = camera_errors(model.cam_from_world, found.cam_from_world, fit)
            rotation.append(off[0])
            position.append(100 * off[1] / rms_radius(centers_of(model.cam_from_world)))
    for errors, sigma in ((rotation, predicted.rotation), (position, predicted.position)):
        rms = np.sqrt((np.array(errors) ** 2).mean(0))
        # The least certain direction has one third to all of the variance.
        assert np.all(rms < 2.0 * sigma)
        assert np.all(rms > 0.6 * sigma)


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
