"""Two models of the same photos, brought together by the photos on which they agree.

A least-squares similarity spreads the error of one misplaced photo over all others. Here the
alignment is the one that most photos agree to, and the others show how far off they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..geometry.rotations import rotation_angle
from ..geometry.similarity import Similarity, umeyama

ROTATION_LIMIT, POSITION_LIMIT = 5.0, 5.0
"""Degrees, and percent of the radius, from which on a photo counts as placed elsewhere."""
_PAIRS = 600
_ROUNDS = 5
_FAR = 6.0
"""Median distances from the middle beyond which a camera does not count for the radius."""


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


def difference(a: Float[np.ndarray, "V 4 4"], b: Float[np.ndarray, "V 4 4"]) -> Difference:
    """Aligns the cameras `a` to `b` and compares them photo by photo.

    Args:
        a, b: cam_from_world; NaN where a photo has no pose.
    """
    count = len(a)
    rotation, position = np.full(count, np.nan), np.full(count, np.nan)
    common = np.flatnonzero(np.isfinite(a[:, 0, 0]) & np.isfinite(b[:, 0, 0]))
    radius = camera_radius(camera_centers(b)[np.isfinite(b[:, 0, 0])])
    if len(common) >= 2 and radius > 0:
        fit = consensus(a[common], b[common], radius)
        rotation[common], position[common] = _errors(fit, a[common], b[common], radius)
    return Difference(rotation, position)


def consensus(
    a: Float[np.ndarray, "N 4 4"], b: Float[np.ndarray, "N 4 4"], radius: float
) -> Similarity:
    """The similarity from the world of `a` to that of `b` to which most photos agree.

    Each pair of photos gives one; the cheapest by truncated squares is refined on those that agree.

    Args:
        radius: length that stands for 100 percent, in the world of `b`.
    """
    candidates = [_by_rotations(a[pair], b[pair]) for pair in _pairs(a, b)]
    best = min(candidates, key=lambda fit: _cost(fit, a, b, radius))
    for _ in range(_ROUNDS):
        rotation, position = _errors(best, a, b, radius)
        good = np.flatnonzero((rotation <= ROTATION_LIMIT) & (position <= POSITION_LIMIT))
        if len(good) < 3:
            break
        refined = min(
            (_by_rotations(a[good], b[good]), _by_centers(a[good], b[good], best)),
            key=lambda fit: _cost(fit, a, b, radius),
        )
        if _cost(refined, a, b, radius) >= _cost(best, a, b, radius):
            break
        best = refined
    return best


def camera_centers(cam_from_world: Float[np.ndarray, "N 4 4"]) -> Float[np.ndarray, "N 3"]:
    """Camera centres in the world."""
    return -np.einsum("nji,nj->ni", cam_from_world[:, :3, :3], cam_from_world[:, :3, 3])


def camera_radius(centers: Float[np.ndarray, "N 3"]) -> float:
    """RMS distance of camera centres from their mean, without those that are far out.

    A single camera at infinity would make every other distance small by comparison.
    """
    if len(centers) < 2:
        return 0.0
    distance = np.linalg.norm(centers - np.median(centers, axis=0), axis=1)
    near = centers[distance <= _FAR * np.median(distance)] if len(centers) > 3 else centers
    return float(np.sqrt(((near - near.mean(0)) ** 2).sum(1).mean()))


def _pairs(a: np.ndarray, b: np.ndarray) -> Int[np.ndarray, "P 2"]:
    """Pairs of photos that are not too close together in either model, at most `_PAIRS`."""
    i, j = np.triu_indices(len(a), 1)
    length = [np.linalg.norm(c[i] - c[j], axis=1) for c in (camera_centers(a), camera_centers(b))]
    apart = np.minimum(*(d / max(float(np.median(d)), 1e-300) for d in length))
    usable = np.flatnonzero(apart > 0.3)
    if not len(usable):
        usable = np.flatnonzero(apart >= apart.max())
    if len(usable) > _PAIRS:
        usable = usable[np.random.default_rng(0).choice(len(usable), _PAIRS, replace=False)]
    return np.stack([i[usable], j[usable]], 1)


def _by_rotations(a: np.ndarray, b: np.ndarray) -> Similarity:
    """The rotation from how the cameras are turned: centres on a line leave it open."""
    U, _, Vt = np.linalg.svd(np.einsum("nji,njk->ik", b[:, :3, :3], a[:, :3, :3]))
    R = U @ np.diag([1.0, 1.0, np.linalg.det(U @ Vt)]) @ Vt
    own, other = camera_centers(a) @ R.T, camera_centers(b)
    s, t = own - own.mean(0), other - other.mean(0)
    # The ratio of lengths, which a turn of the cameras does not bias as a projection would.
    scale = float(np.sqrt((t**2).sum() / max((s**2).sum(), 1e-300)))
    return Similarity(scale, R, other.mean(0) - scale * own.mean(0))


def _by_centers(a: np.ndarray, b: np.ndarray, otherwise: Similarity) -> Similarity:
    try:
        return umeyama(camera_centers(a), camera_centers(b))
    except ValueError:
        return otherwise


def _errors(
    fit: Similarity, a: np.ndarray, b: np.ndarray, radius: float
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    turned = a[:, :3, :3] @ fit.rotation.T
    rotation = rotation_angle(turned @ np.swapaxes(b[:, :3, :3], 1, 2))
    offset = fit.points(camera_centers(a)) - camera_centers(b)
    return rotation, 100 * np.linalg.norm(offset, axis=1) / radius


def _cost(fit: Similarity, a: np.ndarray, b: np.ndarray, radius: float) -> float:
    rotation, position = _errors(fit, a, b, radius)
    cost = (rotation / ROTATION_LIMIT) ** 2 + (position / POSITION_LIMIT) ** 2
    return float(np.minimum(cost, 1.0).sum())
