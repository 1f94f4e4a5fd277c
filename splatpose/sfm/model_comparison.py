"""Do two models of the same photos say the same? As a whole, or photo by photo.

`compare` has one verdict for two candidates, after a least-squares alignment that outliers do not
draw. `difference` asks each photo, after the alignment that most photos agree to: the error of one
misplaced photo is not spread over all others. `change` asks each photo where both models are in
one frame already.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..geometry.camera_alignment import find_consensus
from ..geometry.centers import centers_of, rms_radius
from ..geometry.epipolar import relative_pose
from ..geometry.rotations import rotation_angle
from ..geometry.similarity import umeyama
from ..scene.sparse_model import SparseModel

_ROBUST_ROUNDS = 5
ROTATION_LIMIT, POSITION_LIMIT = 5.0, 5.0
"""Degrees, and percent of the radius, from which on a photo counts as placed elsewhere."""
_FAR = 6.0
"""Median distances from the middle beyond which a camera does not count for the radius."""


@dataclass(frozen=True)
class Agreement:
    """How far two models differ on the photos that both have."""

    overlap: float
    """Photos in both over photos in the larger."""
    center_error: float
    """90th percentile of the camera centres' distances after a robust Sim(3) fit, over their RMS
    radius."""
    rotation_error: float
    """90th percentile of the rotation errors after that fit, in degrees."""

    def holds(self, *, overlap: float = 0.9, center: float = 0.06, rotation: float = 4.0) -> bool:
        """Whether the differences are those of noise."""
        return (
            self.overlap >= overlap
            and self.center_error <= center
            and self.rotation_error <= rotation
        )


@dataclass(frozen=True)
class Difference:
    """How far each photo's pose in one model is from that in the other; NaN where one has none."""

    rotation: Float[np.ndarray, " V"]
    """Degrees."""
    position: Float[np.ndarray, " V"]
    """Percent of the radius of the second model's centres."""

    @property
    def agrees(self) -> Bool[np.ndarray, " V"]:
        """Photos that both models place alike."""
        return (self.rotation <= ROTATION_LIMIT) & (self.position <= POSITION_LIMIT)


def compare(a: SparseModel, b: SparseModel) -> Agreement:
    """Compares two models of the same photos; both must have two photos in common or fail to."""
    common = np.flatnonzero(a.registered & b.registered)
    larger = max(int(a.registered.sum()), int(b.registered.sum()), 1)
    overlap = len(common) / larger
    if len(common) < 2:
        return Agreement(overlap, np.inf, 180.0)
    if len(common) == 2:
        return _compare_pair(a, b, common, overlap)
    centers_a, centers_b = (
        centers_of(a.cam_from_world)[common],
        centers_of(b.cam_from_world)[common],
    )
    radius = rms_radius(centers_b)
    if radius == 0 or np.ptp(centers_a, axis=0).max() == 0:
        return Agreement(overlap, np.inf, 180.0)
    weights = np.ones(len(common))
    error = np.zeros(len(common))
    for _ in range(_ROBUST_ROUNDS):
        fit = umeyama(centers_a, centers_b, weights)
        error = np.linalg.norm(fit.points(centers_a) - centers_b, axis=1)
        weights = 1 / (1 + (error / max(2 * float(np.median(error)), 1e-9)) ** 2)
    # Rotations are compared up to a common one of their own: centres on a line leave it open.
    Ra, Rb = a.cam_from_world[common, :3, :3], b.cam_from_world[common, :3, :3]
    U, _, Vt = np.linalg.svd(np.einsum("nji,njk->ik", Rb, Ra))
    world_b_from_a = U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt
    angles = rotation_angle(Ra @ world_b_from_a.T @ np.swapaxes(Rb, 1, 2))
    return Agreement(
        overlap, float(np.percentile(error, 90) / radius), float(np.percentile(angles, 90))
    )


def _compare_pair(a: SparseModel, b: SparseModel, common: np.ndarray, overlap: float) -> Agreement:
    """Two cameras: relative rotation, and direction of the baseline as the centre error."""
    (Ra, ta), (Rb, tb) = (relative_pose(*m.cam_from_world[common]) for m in (a, b))
    norm = np.linalg.norm(ta) * np.linalg.norm(tb)
    if norm == 0:
        return Agreement(overlap, np.inf, 180.0)
    turn = float(np.arccos(np.clip(ta @ tb / norm, -1, 1)))
    return Agreement(overlap, turn, float(rotation_angle(Ra @ Rb.T)))


def difference(a: Float[np.ndarray, "V 4 4"], b: Float[np.ndarray, "V 4 4"]) -> Difference:
    """Aligns the cameras `a` to `b` and compares them photo by photo.

    Args:
        a, b: cam_from_world; NaN where a photo has no pose.
    """
    count = len(a)
    rotation, position = np.full(count, np.nan), np.full(count, np.nan)
    common = np.flatnonzero(np.isfinite(a[:, 0, 0]) & np.isfinite(b[:, 0, 0]))
    radius = camera_radius(centers_of(b[np.isfinite(b[:, 0, 0])]))
    if len(common) >= 2 and radius > 0:
        found = find_consensus(
            b[common],
            a[common],
            radius,
            max_rotation=ROTATION_LIMIT,
            max_position=POSITION_LIMIT / 100,
        )
        rotation[common] = found.rotation_error
        position[common] = 100 * found.position_error / radius
    return Difference(rotation, position)


def change(before: Float[np.ndarray, "V 4 4"], after: Float[np.ndarray, "V 4 4"]) -> Difference:
    """Compares cameras in one frame photo by photo.

    Args:
        before, after: cam_from_world; NaN where a photo has no pose.
    """
    rotation, position = np.full((2, len(before)), np.nan)
    both = np.flatnonzero(np.isfinite(before[:, 0, 0]) & np.isfinite(after[:, 0, 0]))
    if len(both):
        a, b = before[both], after[both]
        rotation[both] = rotation_angle(np.einsum("vij,vkj->vik", b[:, :3, :3], a[:, :3, :3]))
        radius = rms_radius(centers_of(b))
        if radius > 0:
            moved = np.linalg.norm(centers_of(b) - centers_of(a), axis=1)
            position[both] = 100 * moved / radius
    return Difference(rotation, position)


def camera_radius(centers: Float[np.ndarray, "N 3"]) -> float:
    """RMS distance of camera centres from their mean, without those that are far out.

    A single camera at infinity would make every other distance small by comparison.
    """
    if len(centers) < 2:
        return 0.0
    distance = np.linalg.norm(centers - np.median(centers, axis=0), axis=1)
    near = centers[distance <= _FAR * np.median(distance)] if len(centers) > 3 else centers
    return rms_radius(near)
