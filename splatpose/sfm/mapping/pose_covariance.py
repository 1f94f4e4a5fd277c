"""How far each camera could move without the matches noticing: covariances of bundle adjustment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pycolmap
from jaxtyping import Float, Int

from ...geometry.centers import centers_of
from ...geometry.rotations import cross_matrix
from ...io.colmap import image_id_of, reconstruction_from_model
from ...scene.sparse_model import SparseModel
from ..correspondences import REFERENCE_SIDE
from ..model_comparison import camera_radius
from .bundle_adjustment import bundle_options, measure_scales

_MOST_PHOTOS = 400
"""Beyond, the covariance of all photos with each other takes too much memory and time."""
_FEWEST_OBSERVATIONS = 4
"""With fewer a pose has no covariance."""
_NOISE_FLOOR = 0.35
"""In pixels at `REFERENCE_SIDE`: what lens and calibration leave in the best of matches."""


@dataclass(frozen=True)
class Certainty:
    """Standard deviations in the least certain direction; NaN where they could not be measured."""

    rotation: Float[np.ndarray, " V"]
    """Degrees."""
    position: Float[np.ndarray, " V"]
    """Percent of the radius of the centres."""


def pose_certainty(model: SparseModel) -> Certainty:
    """Covariance of each pose from the normal matrix of bundle adjustment, lenses free.

    The gauge is that of inner constraints: the seven directions in which all cameras move
    together are projected out (Triggs et al., Bundle Adjustment: A Modern Synthesis, 2000,
    section 9), so that no photo is certain because it was chosen to be fixed.
    """
    result = Certainty(np.full(len(model.names), np.nan), np.full(len(model.names), np.nan))
    seen = np.bincount(model.observations[:, 1], minlength=len(model.names))
    placed = np.flatnonzero(model.registered & (seen >= _FEWEST_OBSERVATIONS))
    radius = (
        camera_radius(centers_of(model.cam_from_world)[model.registered])
        if model.registered.any()
        else 0.0
    )
    if not 2 <= len(placed) <= _MOST_PHOTOS or radius == 0:
        return result
    covariance = _covariance(model, placed)
    if covariance is None or not np.isfinite(covariance).all():
        return result
    covariance = _without_gauge(covariance, model.cam_from_world[placed], radius)
    for place, photo in enumerate(placed.tolist()):
        own = covariance[6 * place : 6 * place + 6, 6 * place : 6 * place + 6]
        result.rotation[photo] = np.degrees(_largest_sigma(own[:3, :3]))
        result.position[photo] = 100 * _largest_sigma(own[3:, 3:])
    return result


def _covariance(
    model: SparseModel, placed: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "S S"] | None:
    """Of rotation vectors (applied on the left) and translations of all cameras, in some gauge;
    None where the normal matrix is singular beyond the gauge."""
    reconstruction = reconstruction_from_model(model)
    config = pycolmap.BundleAdjustmentConfig()
    for photo in placed.tolist():
        config.add_image(image_id_of(photo))
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.THREE_POINTS)
    scales = measure_scales(reconstruction)
    adjuster = pycolmap.create_default_ceres_bundle_adjuster(
        bundle_options(scales.loss, principal_point=False), config, reconstruction
    )
    options = pycolmap.BACovarianceOptions()
    options.params = pycolmap.BACovarianceOptionsParams.POSES
    found = pycolmap.estimate_ba_covariance(options, reconstruction, adjuster)
    if found is None:
        return None
    covariance = np.zeros((6 * len(placed), 6 * len(placed)))
    for a, first in enumerate(placed.tolist()):
        for b, second in enumerate(placed.tolist()[: a + 1]):
            block = found.get_cam_cross_cov_from_world(image_id_of(first), image_id_of(second))
            if block is None or block.shape != (6, 6):
                return None
            rows, columns = slice(6 * a, 6 * a + 6), slice(6 * b, 6 * b + 6)
            covariance[rows, columns], covariance[columns, rows] = block, block.T
    # ceres' tangent of a quaternion is half the rotation vector.
    units = np.tile([2.0, 2.0, 2.0, 1, 1, 1], len(placed))
    return _noise(model) ** 2 * units[:, None] * covariance * units


def _noise(model: SparseModel) -> float:
    """Standard deviation of one coordinate of a keypoint in pixels, from the tracks' errors.

    The length of a residual in two dimensions has its median at 1.1774 of it (Rayleigh), and
    points and poses have taken up their share.
    """
    pixel = max(max(c.width, c.height) for c in model.cameras) / REFERENCE_SIDE
    numbers = 2 * len(model.observations)
    unknowns = 3 * len(model.points) + 6 * int(model.registered.sum())
    left = max(numbers - unknowns, 0.1 * numbers) / max(numbers, 1)
    median = float(np.median(model.point_errors)) if len(model.points) else 0.0
    return max(median / 1.1774 / left**0.5, _NOISE_FLOOR * pixel)


def _without_gauge(
    covariance: Float[np.ndarray, "S S"], poses: Float[np.ndarray, "N 4 4"], radius: float
) -> Float[np.ndarray, "S S"]:
    """Of rotation vectors and centres, these in radii, in the gauge of inner constraints."""
    R, t = poses[:, :3, :3], poses[:, :3, 3]
    centers = centers_of(poses)
    size = 6 * len(poses)
    J = np.zeros((size, size))
    basis = np.zeros((len(poses), 6, 7))
    for n in range(len(poses)):
        rows = slice(6 * n, 6 * n + 6)
        # The centre is -R^T t.
        center = R[n].T @ np.concatenate([-cross_matrix(t[n]), -np.eye(3)], axis=1) / radius
        J[rows, rows] = np.concatenate([np.eye(3, 6), center])
    offset = (centers - centers.mean(0)) / radius
    basis[:, :3, :3] = -R
    basis[:, 3:, :3] = -cross_matrix(offset)
    basis[:, 3:, 3:6] = np.eye(3)
    basis[:, 3:, 6] = offset
    directions = np.linalg.qr(basis.reshape(-1, 7))[0]
    inner = np.eye(size) - directions @ directions.T
    return inner @ J @ covariance @ J.T @ inner


def _largest_sigma(covariance: Float[np.ndarray, "3 3"]) -> float:
    return float(np.sqrt(max(np.linalg.eigvalsh(covariance)[-1], 0.0)))
