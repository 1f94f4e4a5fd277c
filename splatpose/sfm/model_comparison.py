"""Do two reconstructions say the same?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.centers import centers_of
from ..geometry.epipolar import relative_pose
from ..geometry.rotations import rotation_angle
from ..geometry.similarity import umeyama
from ..scene.sparse_model import SparseModel

_ROBUST_ROUNDS = 5


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
    radius = np.sqrt(((centers_b - centers_b.mean(0)) ** 2).sum(1).mean())
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
