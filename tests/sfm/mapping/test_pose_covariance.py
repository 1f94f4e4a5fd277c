"""Covariances of poses against what noise really does to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pycolmap
from scenes.clusters import local_scene
from scenes.poses import CAMERA, arc, cloud

from splatpose.geometry.camera_alignment import camera_errors
from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp, so3_log
from splatpose.geometry.similarity import Similarity, alignment
from splatpose.io.colmap import model_from_reconstruction, quiet_colmap, reconstruction_from_model
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.bundle_adjustment import bundle_options
from splatpose.sfm.mapping.pose_covariance import pair_covariance, pose_uncertainty
from splatpose.sfm.mapping.track_adjustment import resolved

NOISE = 0.8


def exact(count: int = 6) -> SparseModel:
    """Cameras on an arc, and all of their points."""
    poses, points = arc(count), cloud(80)
    pixels = np.stack([project(CAMERA, pose, points)[0] for pose in poses], 1)
    track, photo = np.divmod(np.arange(80 * count), count)
    return SparseModel(
        names=tuple(f"{i}.jpg" for i in range(count)),
        registered=np.ones(count, bool),
        cam_from_world=poses,
        camera_index=np.zeros(count, np.int64),
        cameras=(CAMERA,),
        points=points,
        point_colors=np.zeros((80, 3), np.uint8),
        point_errors=np.full(80, NOISE * np.sqrt(np.pi / 2)),
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
