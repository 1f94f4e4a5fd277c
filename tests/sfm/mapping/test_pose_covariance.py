"""Covariances of poses against what noise really does to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pycolmap
from scenes.poses import CAMERA, arc, cloud

from splatpose.geometry.camera_alignment import camera_errors
from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.projection import project
from splatpose.geometry.similarity import alignment
from splatpose.io.colmap import model_from_reconstruction, quiet_colmap, reconstruction_from_model
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.bundle_adjustment import bundle_options
from splatpose.sfm.mapping.pose_covariance import pose_uncertainty

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
