"""How certain relative poses are that many tracks and several views stand behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ..geometry.epipolar import relative_pose
from ..geometry.gauge import gauge_basis
from ..geometry.robust import CAUCHY_BEND, cauchy_divisor
from ..geometry.rotations import cross_matrix
from ..sfm.thresholds import INLIERS
from ..sfm.tracks import Tracks

_RIDGE = 1e-9
LENS_SIGMA = (0.02, 0.03)
"""How well the focal length (relative) and the first radial coefficient are known before any
reconstruction. Errors of the lens are common to all matches: without them, many matches would make
a pose look ten times as certain as it is."""


@dataclass(frozen=True)
class Certainty:
    """Of the relative poses of E pairs of views."""

    covariance: Float[np.ndarray, "E 6 6"]
    """As `RelativePoses.covariance`."""
    log_baseline_sigma: Float[np.ndarray, " E"]
    """Standard deviation of the logarithm of the translation's length, in the unit that all
    views of the cluster share."""


def pair_certainty(
    tracks: Tracks,
    cam_from_world: Float[np.ndarray, "V 4 4"],
    pairs: Int[np.ndarray, "E 2"],
    lens_sigma: tuple[float, float] = LENS_SIGMA,
) -> Certainty:
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
    sigma = _camera_covariance(tracks, cam_from_world, lens_sigma)
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
    return Certainty(covariance, np.sqrt(np.maximum(along, 0)))


def _camera_covariance(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"], lens_sigma: tuple[float, float]
) -> Float[np.ndarray, "6*V 6*V"]:
    """Of the twists of all cameras (see `motion.gauge`)."""
    size = 6 * len(cam_from_world)
    depth, residual, Jc, Jp = _linearised(tracks, cam_from_world)
    distance = np.linalg.norm(residual, axis=1)
    # The length of a residual in two dimensions has its median at 1.1774 sigma (Rayleigh), and
    # points and poses have taken up their share of the noise.
    numbers = residual.size
    left = max(numbers - 3 * len(tracks) - size + 7, 0.1 * numbers) / numbers
    noise = max(float(np.median(distance)) / 1.1774 / left**0.5, INLIERS.noise_floor_px)
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
