"""Relative poses from depths in one of the two photos, where matches alone leave them open.

Without parallax no pair tells its translation, and few matches, or those of one plane, often fit a
wrong pose as well as the true one. With depths in one photo its matches become points in space,
and the other camera's pose follows from them, its baseline in the unit of the depths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import homogeneous, two_view_depths
from ...geometry.robust import sigma_by_median
from ...geometry.rotations import cross_matrix, rotation_angle
from ...scene.camera import Camera
from ..correspondences import REFERENCE_SIDE, MatchTable, calibrated_matches, focal_ratios
from ..thresholds import DEPTH
from .absolute_pose import absolute_pose
from .all_pairs import RelativePoses, stacked
from .pair_geometry import PairFit, PairKind

_NOISE_FLOOR = 1.0
_TURN_SIGMA, _DIRECTION_SIGMA = np.radians(1.0), np.radians(5.0)
"""What errors that all depths of a map have in common add."""


@dataclass(frozen=True)
class RelativePosesFromDepth:
    """Relative poses of pairs, and the lengths of their baselines."""

    relative: RelativePoses
    side: Int[np.ndarray, " E"]
    """Whether the depths are those of the first or of the second photo, 0 or 1."""
    length: Float[np.ndarray, " E"]
    """Length of the baseline, in the unit of those depths."""
    log_unit: Float[np.ndarray, " E"]
    """Logarithm of the unit of the other photo's depths over that of those; NaN where the other
    photo has too few."""


@dataclass(frozen=True)
class _Resection:
    """cam2_from_cam1 of one pair from depths in one of its photos."""

    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, " 3"]
    covariance: Float[np.ndarray, "6 6"]
    """Covariance of rotation vector on the left and translation."""
    noise: float
    inliers: int
    share: float
    side: int

    @property
    def sigma(self) -> float:
        return float(np.sqrt(np.linalg.eigvalsh(self.covariance[:3, :3])[-1]))


def relative_poses_from_depth(
    table: MatchTable,
    rows: Int[np.ndarray, " E"],
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    depths: Sequence[Float[np.ndarray, " _K"]],
    *,
    seed: int,
) -> RelativePosesFromDepth:
    """Poses of those pairs that depths in one of their photos settle.

    Args:
        rows: of `table.pairs`, ascending, those to ask.
        depths: of the keypoints of each photo along its z axis, in a unit of each photo's own; NaN
            where unknown.
        seed: of the RANSAC.
    """
    found: list[tuple[int, _Resection, float, PairFit]] = []
    for row in rows.tolist():
        matches = np.flatnonzero(table.pair == row)
        x = calibrated_matches(table, matches, cameras, camera_index)
        sides = [
            _resect(table, matches, x, cameras, camera_index, depths, side, seed) for side in (0, 1)
        ]
        best = _better([one for one in sides if one is not None])
        if best is not None:
            unit = _log_unit(best, table, matches, x, depths)
            found.append((row, best, unit, _as_fit(best, x)))
    return RelativePosesFromDepth(
        relative=stacked(
            table,
            np.array([row for row, _, _, _ in found], np.int64),
            [fit for _, _, _, fit in found],
        ),
        side=np.array([best.side for _, best, _, _ in found], np.int64),
        length=np.array([np.linalg.norm(b.translation) for _, b, _, _ in found], np.float64),
        log_unit=np.array([unit for _, _, unit, _ in found], np.float64),
    )


def _resect(
    table: MatchTable,
    matches: Int[np.ndarray, " M"],
    x: Float[np.ndarray, "M 2 2"],
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    depths: Sequence[Float[np.ndarray, " _K"]],
    side: int,
    seed: int,
) -> _Resection | None:
    """The pose of the other camera in the frame of the one whose depths are asked."""
    photo, other = (int(table.photos[matches[0], own]) for own in (side, 1 - side))
    depth = depths[photo][table.keypoints[matches, side]]
    known = np.isfinite(depth)
    points = homogeneous(x[known, side]) * depth[known, None]
    camera = cameras[camera_index[other]]
    xy = table.xy[matches[known], 1 - side]
    found = absolute_pose(xy, points, camera, DEPTH.pair_pose, seed=seed)
    if found is None:
        return None
    pose, good = found
    R, t = pose[:3, :3], pose[:3, 3]
    focal = REFERENCE_SIDE * float(focal_ratios([camera])[0])
    covariance, noise = resection_covariance(R, t, points[good], x[known, 1 - side][good], focal)
    if side == 1:
        R, t = R.T, -R.T @ t
        turn = np.kron(np.eye(2), R)
        covariance = turn @ covariance @ turn.T
    return _Resection(R, t, covariance, noise, int(good.sum()), float(good.mean()), side)


def _log_unit(
    found: _Resection,
    table: MatchTable,
    matches: Int[np.ndarray, " M"],
    x: Float[np.ndarray, "M 2 2"],
    depths: Sequence[Float[np.ndarray, " _K"]],
) -> float:
    """What the points by one photo's depths say of the depths of the other."""
    R, t = found.rotation, found.translation
    if found.side == 1:
        R, t = R.T, -R.T @ t
    own, other = (
        depths[int(table.photos[matches[0], side])][table.keypoints[matches, side]]
        for side in (found.side, 1 - found.side)
    )
    z = (homogeneous(x[:, found.side]) * own[:, None]) @ R[2] + t[2]
    known = np.isfinite(z) & np.isfinite(other)
    known[known] = z[known] > 0
    if known.sum() < DEPTH.pair_pose.min_inliers:
        return float("nan")
    return float(np.median(np.log(z[known] / other[known])))


def resection_covariance(
    rotation: Float[np.ndarray, "3 3"],
    translation: Float[np.ndarray, " 3"],
    points: Float[np.ndarray, "N 3"],
    x: Float[np.ndarray, "N 2"],
    focal: float,
) -> tuple[Float[np.ndarray, "6 6"], float]:
    """Covariance of a camera's rotation vector (on the left) and translation, and the noise.

    Args:
        rotation, translation: of cam_from_world.
        points: in the world, in front of the camera.
        x: what it sees of them in normalised coordinates.
        focal: pixels at `REFERENCE_SIDE` of one unit of them.

    Returns:
        In rad^2 and the square of the world's unit; and the standard deviation of one coordinate
        in pixels at `REFERENCE_SIDE`, by its median.
    """
    turned = points @ rotation.T
    seen = turned + translation
    residual = seen[:, :2] / seen[:, 2:] - x
    noise = max(sigma_by_median(residual) * focal, _NOISE_FLOOR)
    project = np.zeros((len(points), 2, 3))
    project[:, 0, 0] = project[:, 1, 1] = 1 / seen[:, 2]
    project[:, :, 2] = -seen[:, :2] / seen[:, 2:] ** 2
    by_rotation = -project @ cross_matrix(turned)
    J = np.concatenate([by_rotation, project], axis=2).reshape(-1, 6)
    return np.linalg.pinv(J.T @ J) * (noise / focal) ** 2, noise


def _better(found: Sequence[_Resection]) -> _Resection | None:
    """The more certain one, unless they contradict each other and neither is much more so."""
    found = sorted(
        (one for one in found if one.sigma <= np.radians(DEPTH.max_rotation_sigma)),
        key=lambda one: one.sigma,
    )
    if len(found) == 2:
        apart = float(rotation_angle(found[0].rotation @ found[1].rotation.T))
        if apart > DEPTH.same_rotation and found[1].sigma < DEPTH.clearly_better * found[0].sigma:
            return None
    return found[0] if found else None


def _as_fit(found: _Resection, x: Float[np.ndarray, "M 2 2"]) -> PairFit:
    length = float(np.linalg.norm(found.translation))
    direction = found.translation / max(length, 1e-12)
    across = np.eye(3) - np.outer(direction, direction)
    to_direction = np.zeros((6, 6))
    to_direction[:3, :3] = np.eye(3)
    to_direction[3:, 3:] = across / max(length, 1e-12)
    covariance = to_direction @ found.covariance @ to_direction.T
    covariance[:3, :3] += _TURN_SIGMA**2 * np.eye(3)
    covariance[3:, 3:] += _DIRECTION_SIGMA**2 * across
    sine = two_view_depths(found.rotation, direction, x[:, 0], x[:, 1])[2]
    return PairFit(
        kind=PairKind.BY_DEPTH,
        rotation=found.rotation,
        direction=direction,
        covariance=covariance,
        parallax=float(np.degrees(np.arcsin(np.clip(np.median(sine), 0, 1)))),
        noise=found.noise,
        inliers=found.inliers,
        inlier_share=found.share,
        gric=np.full(3, np.nan),
    )
