"""Covariance of relative poses, and of the lengths of baselines, from many tracks together.

Inverse of the normal matrix of bundle adjustment with the free gauge fixed (Triggs et al., Bundle
Adjustment: A Modern Synthesis, 2000, sections 6 and 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import relative_pose
from ...geometry.robust import CAUCHY_BEND, cauchy_divisor
from ...geometry.rotations import cross_matrix
from ..thresholds import INLIERS
from ..tracks import Tracks
from .camera_system import Linearised, camera_covariance, normal_matrix
from .pose_covariance import by_camera_coordinates, noise_sigma

LENS_SIGMA = (0.02, 0.03)
"""How well the focal length (relative) and the first radial coefficient are known before any
reconstruction. Errors of the lens are common to all matches: without them, many matches would make
a pose look ten times as certain as it is."""


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
    count = len(cam_from_world)
    depth, residual, system = _linearised(tracks, cam_from_world)
    distance = np.linalg.norm(residual, axis=1)
    unknowns = 3 * len(tracks) + 6 * count - 7
    noise = noise_sigma(float(np.median(distance)), residual.size, unknowns, INLIERS.noise_floor_px)
    weight = 1 / cauchy_divisor(distance, CAUCHY_BEND * noise) / noise**2
    # One radian, or one depth, is known of everything without a match.
    normal = normal_matrix(system, weight, count, 1)
    found = camera_covariance(normal, cam_from_world, depth, np.ones(6 * count))
    assert found is not None, "a positive prior"
    lens = found.free(np.arange(2), 1 / np.square(lens_sigma))
    assert lens is not None, "a positive prior"
    whole = np.tril(found.held) + np.tril(found.held, -1).T + lens.moves @ lens.moves.T
    units = np.tile([1, 1, 1, depth, depth, depth], count)
    return units[:, None] * whole * units


def _linearised(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"]
) -> tuple[float, Float[np.ndarray, "O 2"], Linearised]:
    """Median depth; residuals in pixels, and their derivatives. One lens is all views': logarithm
    of the focal length, and radial coefficient."""
    pose = cam_from_world[tracks.view]
    x = np.einsum("oij,oj->oi", pose[:, :3, :3], tracks.points[tracks.track]) + pose[:, :3, 3]
    focal = tracks.focal[tracks.view][:, None]
    seen = x[:, :2] / x[:, 2:]
    of_x = focal[:, :, None] * by_camera_coordinates(x)
    by_lens = np.zeros((len(x), 2, 6))
    by_lens[:, :, 0] = focal * seen
    by_lens[:, :, 1] = focal * seen * (seen**2).sum(1, keepdims=True)
    return (
        float(np.median(x[:, 2])),
        (seen - tracks.rays) * focal,
        Linearised(
            track=tracks.track,
            view=tracks.view,
            lens=np.zeros(len(x), np.int64),
            by_view=np.concatenate([-of_x @ cross_matrix(x), of_x], axis=2),
            by_lens=by_lens,
            by_point=of_x @ pose[:, :3, :3],
        ),
    )
