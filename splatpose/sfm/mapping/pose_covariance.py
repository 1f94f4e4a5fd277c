"""Covariances of bundle adjustment: how far cameras could move without the matches noticing.

Both are inverses of the normal matrix with the free gauge fixed (Triggs et al., Bundle Adjustment:
A Modern Synthesis, 2000, sections 6 and 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pycolmap
from jaxtyping import Float, Int

from ...geometry.centers import centers_of
from ...geometry.epipolar import relative_pose
from ...geometry.gauge import gauge_basis
from ...geometry.robust import CAUCHY_BEND, cauchy_divisor
from ...geometry.rotations import cross_matrix
from ...io.colmap import image_id_of, reconstruction_from_model
from ...scene.sparse_model import SparseModel
from ..correspondences import REFERENCE_SIDE
from ..model_comparison import camera_radius
from ..thresholds import INLIERS
from ..tracks import Tracks
from .bundle_adjustment import bundle_options, measure_scales

LENS_SIGMA = (0.02, 0.03)
"""How well the focal length (relative) and the first radial coefficient are known before any
reconstruction. Errors of the lens are common to all matches: without them, many matches would make
a pose look ten times as certain as it is."""
_MOST_PHOTOS = 400
"""Photos beyond which the covariance of all photos with each other takes too much memory and
time."""
_FEWEST_OBSERVATIONS = 4
"""Observations without which a pose has no covariance."""
_RIDGE = 1e-9


def noise_sigma(residual: float, numbers: int, unknowns: int, floor: float) -> float:
    """Standard deviation of one coordinate of a keypoint, in the unit of its residuals.

    The length of a residual in two dimensions has its median at 1.1774 of it (Rayleigh), and
    points and poses have taken up their share.

    Args:
        residual: median length of the residuals.
        numbers: coordinates that were measured.
        unknowns: numbers that were fitted to them.
        floor: the result is no less.
    """
    left = max(numbers - unknowns, 0.1 * numbers) / max(numbers, 1)
    return max(residual / 1.1774 / left**0.5, floor)


@dataclass(frozen=True)
class PoseUncertainty:
    """Standard deviations in the least certain direction; NaN where they could not be measured."""

    rotation: Float[np.ndarray, " V"]
    """Degrees."""
    position: Float[np.ndarray, " V"]
    """Percent of the radius of the centres."""


def pose_uncertainty(model: SparseModel) -> PoseUncertainty:
    """Covariance of each pose from the normal matrix of bundle adjustment, lenses free.

    The gauge is that of inner constraints: the seven directions in which all cameras move
    together are projected out (Triggs et al., Bundle Adjustment: A Modern Synthesis, 2000,
    section 9), so that no photo is certain because it was chosen to be fixed.
    """
    result = PoseUncertainty(np.full(len(model.names), np.nan), np.full(len(model.names), np.nan))
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
    """Covariance of rotation vectors (applied on the left) and translations of all cameras, in some
    gauge; None where the normal matrix is singular beyond the gauge."""
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
    return _model_noise(model) ** 2 * units[:, None] * covariance * units


def _model_noise(model: SparseModel) -> float:
    """Standard deviation of one coordinate of a keypoint in pixels, from the tracks' errors."""
    pixel = max(max(c.width, c.height) for c in model.cameras) / REFERENCE_SIDE
    unknowns = 3 * len(model.points) + 6 * int(model.registered.sum())
    median = float(np.median(model.point_errors)) if len(model.points) else 0.0
    return noise_sigma(
        median, 2 * len(model.observations), unknowns, INLIERS.noise_floor_px * pixel
    )


def _without_gauge(
    covariance: Float[np.ndarray, "S S"], poses: Float[np.ndarray, "N 4 4"], radius: float
) -> Float[np.ndarray, "S S"]:
    """Covariance of rotation vectors and centres (in radii), in the gauge of inner constraints."""
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


@dataclass(frozen=True)
class PairCovariance:
    """How certain the relative poses of E pairs of views are, that many tracks stand behind."""

    covariance: Float[np.ndarray, "E 6 6"]
    """Covariance of rotation and direction, as `RelativePoses.covariance`."""
    log_baseline_sigma: Float[np.ndarray, " E"]
    """Standard deviation of the logarithm of the translation's length, in the unit that all
    views of the cluster share."""


def pair_covariance(
    tracks: Tracks,
    cam_from_world: Float[np.ndarray, "V 4 4"],
    pairs: Int[np.ndarray, "E 2"],
    lens_sigma: tuple[float, float] = LENS_SIGMA,
) -> PairCovariance:
    """Covariances from the normal matrix of bundle adjustment, points eliminated.

    Inverse of the normal matrix with the free gauge fixed (Triggs et al., Bundle Adjustment: A
    Modern Synthesis, 2000, sections 6 and 9); relative quantities do not depend on how it is
    fixed. Observations weigh as Cauchy's loss has them. Focal length and radial distortion, which
    all views are taken to share, are unknowns with a prior.

    Args:
        tracks: points in front of all cameras that see them.
        pairs: of views.
        lens_sigma: standard deviations of the lens.
    """
    sigma = _twist_covariance(tracks, cam_from_world, lens_sigma)
    R, t = relative_pose(cam_from_world[pairs[:, 0]], cam_from_world[pairs[:, 1]])
    length = np.linalg.norm(t, axis=1)
    direction = t / length[:, None]
    count = len(pairs)
    covariance, along = np.zeros((count, 6, 6)), np.zeros(count)
    for e, (i, j) in enumerate(pairs.tolist()):
        # A change of the relative pose from the left: xi_j - Ad(cam_j_from_cam_i) xi_i.
        adjoint = np.zeros((6, 6))
        adjoint[:3, :3] = adjoint[3:, 3:] = R[e]
        adjoint[3:, :3] = cross_matrix(t[e]) @ R[e]
        d = direction[e]
        shift = np.zeros((4, 6))
        # t changes by w x t + v; the part along t is that of the baseline's length.
        change = np.concatenate([-cross_matrix(t[e]), np.eye(3)], axis=1) / length[e]
        shift[:3] = (np.eye(3) - np.outer(d, d)) @ change
        shift[3] = d @ change
        J = np.concatenate([np.eye(3, 6), shift]) @ np.concatenate([-adjoint, np.eye(6)], axis=1)
        rows = np.r_[6 * i : 6 * i + 6, 6 * j : 6 * j + 6]
        both = J @ sigma[np.ix_(rows, rows)] @ J.T
        covariance[e], along[e] = both[:6, :6], both[6, 6]
    return PairCovariance(covariance, np.sqrt(np.maximum(along, 0)))


def _twist_covariance(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"], lens_sigma: tuple[float, float]
) -> Float[np.ndarray, "6*V 6*V"]:
    """Covariance of the twists of all cameras (see `geometry.twists`)."""
    size = 6 * len(cam_from_world)
    depth, residual, Jc, Jp = _linearised(tracks, cam_from_world)
    distance = np.linalg.norm(residual, axis=1)
    unknowns = 3 * len(tracks) + size - 7
    noise = noise_sigma(float(np.median(distance)), residual.size, unknowns, INLIERS.noise_floor_px)
    weight = 1 / cauchy_divisor(distance, CAUCHY_BEND * noise) / noise**2
    weighted = weight[:, None, None] * Jc
    P, G = np.zeros((len(tracks), 3, 3)), np.zeros((len(tracks), size + 2, 3))
    np.add.at(P, tracks.track, np.einsum("o,oki,okj->oij", weight, Jp, Jp))
    np.add.at(G, tracks.track, np.einsum("oki,okj->oij", weighted, Jp))
    P += _RIDGE * np.trace(P, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    S = np.tensordot(weighted, Jc, ((0, 1), (0, 1)))
    S -= np.tensordot(G @ np.linalg.inv(P), G, ((0, 2), (0, 2)))
    # One radian, or one depth, is known of everything without a match; the gauge exactly.
    units = np.r_[np.tile([1, 1, 1, depth, depth, depth], len(cam_from_world)), 1, 1]
    S = units[:, None] * S * units + np.diag(np.r_[np.ones(size), 1 / np.square(lens_sigma)])
    gauge = gauge_basis(cam_from_world).reshape(-1, 7) / units[:size, None]
    gauge = np.concatenate([np.linalg.qr(gauge)[0], np.zeros((2, 7))])
    S += float(np.trace(S)) * gauge @ gauge.T
    return (units[:, None] * np.linalg.inv(S) * units)[:size, :size]


def _linearised(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"]
) -> tuple[
    float,
    Float[np.ndarray, "O 2"],
    Float[np.ndarray, "O 2 L"],
    Float[np.ndarray, "O 2 3"],
]:
    """Median depth, residuals in pixels, and their derivatives by all cameras' twists with the
    lens (logarithm of the focal length, radial coefficient) at the end, and by the points."""
    count = len(tracks.view)
    pose = cam_from_world[tracks.view]
    x = np.einsum("oij,oj->oi", pose[:, :3, :3], tracks.points[tracks.track]) + pose[:, :3, 3]
    z, focal = x[:, 2], tracks.focal[tracks.view]
    seen = x[:, :2] / z[:, None]
    of_x = np.zeros((count, 2, 3))
    of_x[:, 0, 0] = of_x[:, 1, 1] = focal / z
    of_x[:, :, 2] = -seen * (focal / z)[:, None]
    J = np.zeros((count, 2, 6 * len(cam_from_world) + 2))
    columns = 6 * tracks.view[:, None] + np.arange(6)
    by_twist = np.concatenate([-of_x @ cross_matrix(x), of_x], axis=2)
    np.put_along_axis(J, np.repeat(columns[:, None], 2, axis=1), by_twist, axis=2)
    J[:, :, -2] = focal[:, None] * seen
    J[:, :, -1] = J[:, :, -2] * (seen**2).sum(1, keepdims=True)
    residual = (seen - tracks.rays) * focal[:, None]
    return float(np.median(z)), residual, J, of_x @ pose[:, :3, :3]
