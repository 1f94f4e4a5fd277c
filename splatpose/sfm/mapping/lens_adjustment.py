"""Bundle adjustment with what is known of lenses beforehand.

COLMAP's own frees whole kinds of parameters of all cameras alike and knows no priors. Here each
camera's parameters are free or held one by one, square pixels stay square, and each number of a
lens is drawn to what lenses are like as strongly as matches leave it open.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyceres
import pycolmap
from jaxtyping import Float

from ...geometry.robust import CAUCHY_BEND
from ...io.colmap import camera_from_colmap
from ...scene.camera import Camera
from ..lens_thresholds import LENS
from .bundle_adjustment import Freedom, bundle_options, set_model
from .lens_prior import FREE_CENTER_SIGMA, LensPrior, corner_radius

SAME_CERES = pyceres.__ceres_version__ == pycolmap.__ceres_version__
"""Costs of one package work in problems of the other as long as both are of one ceres."""
_OPEN = 1e6
"""Standard deviation, in units of the parameter, of what a prior says nothing of."""
_SQUARE = 1e-4
"""Standard deviation of the logarithm of both focal lengths' ratio where pixels are square."""


def adjust_with_lens(
    reconstruction: pycolmap.Reconstruction,
    freedom: Mapping[int, Freedom],
    loss_scale: float,
    priors: Mapping[int, LensPrior],
    *,
    iterations: int = 50,
) -> None:
    """Bundle adjustment in place; cameras that `freedom` lacks are held.

    Args:
        freedom: camera id to what may be estimated, in the model that the camera is given.
        loss_scale: where the Cauchy loss bends, in pixels.
        priors: camera id to what is known of its lens; others are free of priors.
    """
    assert SAME_CERES, "asked before"
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in sorted(reconstruction.reg_image_ids()):
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    for camera_id, camera in reconstruction.cameras.items():
        if camera_id in freedom:
            set_model(camera, freedom[camera_id].model)
        else:
            config.set_constant_cam_intrinsics(camera_id)
    options = bundle_options(loss_scale, principal_point=True, iterations=iterations)
    adjuster = pycolmap.create_default_ceres_bundle_adjuster(options, config, reconstruction)
    problem = adjuster.problem
    # Ceres keeps pointers to all of these until it is done.
    kept: list[object] = []
    for camera_id, free in freedom.items():
        camera = reconstruction.cameras[camera_id]
        if problem.has_parameter_block(camera.params):
            held = sorted(set(range(len(camera.params))) - set(free_parameters(camera, free)))
            manifold = pyceres.SubsetManifold(len(camera.params), held) if held else None
            if manifold is not None:
                problem.set_manifold(camera.params, manifold)
            kept += [manifold, *_add(camera, priors.get(camera_id), loss_scale, problem)]
    adjuster.solve()
    kept.clear()
    for camera_id in freedom:
        _square(reconstruction.cameras[camera_id])


def free_parameters(camera: pycolmap.Camera, freedom: Freedom) -> list[int]:
    """Places of the parameters that are free; of rational terms none is."""
    center = list(camera.principal_point_idxs()) if freedom.principal_point else []
    extra = list(camera.extra_params_idxs())
    if freedom.model == "FULL_OPENCV":
        radial, tangential = [extra[0], extra[1], extra[4]], [extra[2], extra[3]]
        extra = radial + (tangential if freedom.principal_point else [])
    return [*camera.focal_length_idxs(), *center, *extra]


def _add(
    camera: pycolmap.Camera,
    prior: LensPrior | None,
    loss_scale: float,
    problem: pyceres.Problem,
) -> list[object]:
    """Adds residuals of the prior in the unit of all others, pixels, and returns what they need."""
    if prior is None and camera.model_name != "FULL_OPENCV":
        return []
    believed = LENS.noise_factor * loss_scale / CAUCHY_BEND
    mean, covariance = _as_parameters(camera, prior or LensPrior(center_sigma=FREE_CENTER_SIGMA))
    cost = pyceres.factors.NormalPrior(mean, covariance / believed**2)
    loss = pyceres.TrivialLoss()
    problem.add_residual_block(cost, loss, [camera.params])
    return [cost, loss]


def _as_parameters(
    camera: pycolmap.Camera, prior: LensPrior
) -> tuple[Float[np.ndarray, " C"], Float[np.ndarray, "C C"]]:
    """Mean and covariance of a camera's parameters."""
    ours: Camera = camera_from_colmap(camera)
    size = len(ours.params)
    mean, sigma = ours.params.copy(), np.full(size, _OPEN)
    focals = list(camera.focal_length_idxs())
    focal = prior.focal or ours.K[0, 0]
    mean[focals] = focal
    sigma[focals] = prior.focal_sigma * focal
    center = list(camera.principal_point_idxs())
    mean[center] = ours.width / 2, ours.height / 2
    sigma[center] = prior.center_sigma * max(ours.width, ours.height)
    extra = list(camera.extra_params_idxs())
    order = [0, 1, 4] if ours.model == "FULL_OPENCV" else [0, 1][: len(extra)]
    corner = corner_radius(ours)
    for power, place in enumerate(order, start=1):
        mean[extra[place]] = 0.0
        sigma[extra[place]] = prior.radial_sigma / corner ** (2 * power)
    covariance = np.diag(sigma**2)
    if len(focals) == 2:
        both, apart = sigma[focals[0]] ** 2, (_SQUARE * focal) ** 2
        covariance[np.ix_(focals, focals)] = both + apart / 4 * np.array([[1, -1], [-1, 1]])
    return mean, covariance


def _square(camera: pycolmap.Camera) -> None:
    """Square pixels to the last digit, where two focal lengths were tied."""
    if camera.model_name == "FULL_OPENCV":
        focals = list(camera.focal_length_idxs())
        camera.params[focals] = camera.params[focals].mean()
