"""The pose of one pair, the kind of its geometry, and a covariance.

An essential matrix fits every pair, also one whose camera only turned (then its translation is
noise) and one that shows a single plane (then it has two solutions). So three models are fitted to
the verified matches of each pair, and Torr's GRIC says which of them the matches call for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import cv2
import numpy as np
import pycolmap
from jaxtyping import Bool, Float

from ...geometry.epipolar import homogeneous, two_view_depths
from ...geometry.rotations import rotation_angle
from ..thresholds import INLIERS, TWO_VIEW
from .relative_pose import (
    RelativeFit,
    RotationFit,
    fit_rotations,
    homography_distance,
    refine_relative_pose,
)

_RANSAC_MATCHES = 200
_MIN_TRIALS, _MAX_TRIALS = 30, 500


class PairKind(IntEnum):
    """What the matches of a pair tell about its geometry."""

    GENERAL = 0
    """Rotation and direction of translation."""
    PLANAR = 1
    """A relative pose from the homography of a plane."""
    ROTATION_ONLY = 2
    """The rotation; without parallax nothing can be triangulated."""
    WEAK = 3
    """Nothing to build on."""
    BY_DEPTH = 4
    """Rotation and direction of translation from depths in one of the photos."""


@dataclass(frozen=True)
class PairFit:
    """One pair's row of `RelativePoses`."""

    kind: PairKind
    rotation: Float[np.ndarray, "3 3"]
    direction: Float[np.ndarray, " 3"]
    covariance: Float[np.ndarray, "6 6"]
    parallax: float
    noise: float
    inliers: int
    inlier_share: float
    gric: Float[np.ndarray, " 3"]


def fit_pair(x: Float[np.ndarray, "M 2 2"], focal: float, *, seed: int) -> PairFit:
    """Fits all three models to one pair and decides between them.

    Args:
        x: normalised coordinates of matches in the first and second photo.
        focal: pixels at `REFERENCE_SIDE` of one unit of them.
    """
    x1, x2 = x[:, 0], x[:, 1]
    rays1, rays2 = _unit(homogeneous(x1)), _unit(homogeneous(x2))
    turned = fit_rotations(rays1, rays2, np.zeros(len(x), np.int64))
    fit = fit_essential(x1, x2, turned.rotation[0], focal, seed)
    H = _homography(x1, x2, focal)
    noise = max(fit.sigma * focal, INLIERS.noise_floor_px)
    on_plane = homography_distance(H, x1, x2)
    turning = homography_distance(turned.rotation[0], x1, x2)
    scale = focal / noise
    gric = np.array(
        [
            torr_gric(scale * fit.distance, 3, 5),
            torr_gric(scale * on_plane, 2, 8),
            torr_gric(scale * turning, 2, 3),
        ]
    )
    kind = (PairKind.GENERAL, PairKind.PLANAR, PairKind.ROTATION_ONLY)[int(gric.argmin())]
    limit = INLIERS.sigmas / scale
    if kind == PairKind.ROTATION_ONLY:
        return _rotation_only(turned, turning <= limit, noise, gric)
    if kind == PairKind.PLANAR:
        fit = _best_planar_fit(fit, H, x1, x2)
    return _moving(fit, kind, x1, x2, limit, noise, focal, gric)


def refine_pair(
    x: Float[np.ndarray, "M 2 2"],
    focal: float,
    rotation: Float[np.ndarray, "3 3"],
    direction: Float[np.ndarray, " 3"],
) -> PairFit:
    """The best pose of a moving pair close to a given one, weak where its matches deny that.

    A pair with few matches, or with those of one plane, often fits another pose a little better
    than the true one. From where other pairs say it is, it finds the true one.

    Args:
        x: as in `fit_pair`.
        focal: as in `fit_pair`.
        rotation, direction: of cam2_from_cam1, as other pairs have it.
    """
    x1, x2 = x[:, 0], x[:, 1]
    fit = refine_relative_pose(rotation, direction, x1, x2)
    noise = max(fit.sigma * focal, INLIERS.noise_floor_px)
    limit = INLIERS.sigmas * noise / focal
    found = _moving(fit, PairKind.GENERAL, x1, x2, limit, noise, focal, np.full(3, np.nan))
    turned = rotation_angle(fit.rotation @ rotation.T)
    back = float(found.direction @ direction) < 0
    if (
        noise > TWO_VIEW.near_max_noise_px
        or np.radians(turned) > np.radians(TWO_VIEW.near_max_rotation)
        or back
    ):
        return replace(found, kind=PairKind.WEAK)
    return found


def torr_gric(residual: Float[np.ndarray, " M"], dimension: int, parameters: int) -> float:
    """Geometric robust information criterion of a model, the smaller the better.

    Torr, Geometric motion segmentation and model selection (1998): the sum of
    min(e^2, 2 (r - d)), plus d n log r, plus k log(r n), for data of r = 4 dimensions.

    Args:
        residual: distances from the model in standard deviations of the noise.
        dimension: d of the manifold that matches lie on, 3 for epipolar geometry, 2 for maps.
        parameters: k of the model.
    """
    n = len(residual)
    fit = np.minimum(residual**2, 2.0 * (4 - dimension)).sum()
    return float(fit + dimension * n * np.log(4.0) + parameters * np.log(4.0 * n))


def fit_essential(
    x1: Float[np.ndarray, "M 2"],
    x2: Float[np.ndarray, "M 2"],
    otherwise: Float[np.ndarray, "3 3"],
    focal: float,
    seed: int,
) -> RelativeFit:
    """Relative pose by RANSAC, refined; from another rotation where RANSAC finds none."""
    most = np.unique(np.linspace(0, len(x1) - 1, min(len(x1), _RANSAC_MATCHES)).astype(int))
    options = pycolmap.RANSACOptions(
        max_error=TWO_VIEW.ransac_max_error_px / focal,
        min_num_trials=_MIN_TRIALS,
        max_num_trials=_MAX_TRIALS,
        random_seed=seed,
        num_threads=1,
    )
    rays1, rays2 = (_unit(homogeneous(x[most])) for x in (x1, x2))
    found = pycolmap.estimate_relative_pose(rays1, rays2, options)
    R, t = otherwise, np.array([1.0, 0, 0])
    if found and np.linalg.norm(found["cam2_from_cam1"].translation) > 0:
        R = found["cam2_from_cam1"].rotation.matrix()
        t = np.asarray(found["cam2_from_cam1"].translation)
    return refine_relative_pose(R, t, x1, x2)


def _homography(
    x1: Float[np.ndarray, "M 2"], x2: Float[np.ndarray, "M 2"], focal: float
) -> Float[np.ndarray, "3 3"]:
    """In normalised coordinates; the identity where there is none."""
    # OpenCV's thresholds expect numbers of the size of pixels.
    H, _ = cv2.findHomography(
        focal * x1, focal * x2, cv2.USAC_DEFAULT, TWO_VIEW.ransac_max_error_px, maxIters=_MAX_TRIALS
    )
    if H is None:
        return np.eye(3)
    scale = np.diag([focal, focal, 1.0])
    return np.linalg.inv(scale) @ H @ scale


def _best_planar_fit(
    fit: RelativeFit,
    H: Float[np.ndarray, "3 3"],
    x1: Float[np.ndarray, "M 2"],
    x2: Float[np.ndarray, "M 2"],
) -> RelativeFit:
    """The best of a pose and those that the plane allows.

    RANSAC on five matches of a plane often ends in the wrong one of the two solutions.
    """
    starts = _decompositions(H)
    fits = [fit, *(refine_relative_pose(R, t, x1, x2) for R, t in starts)]

    def cost(candidate: RelativeFit) -> float:
        z1, z2, _ = two_view_depths(candidate.rotation, candidate.direction, x1, x2)
        ahead = float(np.mean((z1 > 0) & (z2 > 0)))
        behind = float(np.mean((z1 < 0) & (z2 < 0)))
        return candidate.sigma * (1 + 10 * (1 - max(ahead, behind)))

    return min(fits, key=cost)


def _decompositions(H: Float[np.ndarray, "3 3"]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rotations and directions that a plane's homography allows, one of each sign."""
    _, rotations, translations, _ = cv2.decomposeHomographyMat(H, np.eye(3))
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for R, t in zip(rotations, translations, strict=True):
        known = any(np.abs(R - other).max() < 1e-6 for other, _ in found)
        if np.linalg.norm(t) > 1e-9 and np.isfinite(R).all() and not known:
            found.append((R, t.ravel()))
    return found


def _rotation_only(
    turned: RotationFit, good: Bool[np.ndarray, " M"], noise: float, gric: Float[np.ndarray, " 3"]
) -> PairFit:
    covariance = np.eye(6)
    covariance[:3, :3] = turned.covariance[0]
    return PairFit(
        kind=_unless_weak(PairKind.ROTATION_ONLY, good, covariance),
        rotation=turned.rotation[0],
        direction=np.array([1.0, 0, 0]),
        covariance=covariance,
        parallax=0.0,
        noise=noise,
        inliers=int(good.sum()),
        inlier_share=float(good.mean()),
        gric=gric,
    )


def _moving(
    fit: RelativeFit,
    kind: PairKind,
    x1: Float[np.ndarray, "M 2"],
    x2: Float[np.ndarray, "M 2"],
    limit: float,
    noise: float,
    focal: float,
    gric: Float[np.ndarray, " 3"],
) -> PairFit:
    z1, z2, sine = two_view_depths(fit.rotation, fit.direction, x1, x2)
    side = -1.0 if np.sign(z1).sum() + np.sign(z2).sum() < 0 else 1.0
    # Noise can put a very distant point behind the cameras.
    ahead = (sine < limit) | ((side * z1 > 0) & (side * z2 > 0))
    good = (np.abs(fit.distance) <= limit) & ahead
    # The floor of the noise holds for what is concluded from the matches as well.
    covariance = fit.covariance * (noise / max(fit.sigma * focal, 1e-9)) ** 2
    return PairFit(
        kind=_unless_weak(kind, good, covariance),
        rotation=fit.rotation,
        direction=side * fit.direction,
        covariance=covariance,
        parallax=float(np.degrees(np.arcsin(np.clip(np.median(sine), 0, 1)))),
        noise=noise,
        inliers=int(good.sum()),
        inlier_share=float(good.mean()),
        gric=gric,
    )


def _unless_weak(
    kind: PairKind, good: Bool[np.ndarray, " M"], covariance: Float[np.ndarray, "6 6"]
) -> PairKind:
    sigma = np.sqrt(np.linalg.eigvalsh(covariance[:3, :3])[-1])
    few = good.sum() < INLIERS.enough_matches or good.mean() < INLIERS.min_share
    return PairKind.WEAK if few or sigma > np.radians(TWO_VIEW.max_rotation_sigma) else kind


def _unit(vectors: Float[np.ndarray, "M 3"]) -> Float[np.ndarray, "M 3"]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
