"""Similarity transforms Sim(3): rotation, translation and one scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .centers import centers_of


@dataclass(frozen=True)
class Similarity:
    """target = scale * rotation @ source + translation."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, " 3"]

    def points(self, source: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """The same points in the target frame."""
        return self.scale * source @ self.rotation.T + self.translation

    def cam_from_world(self, source: Float[np.ndarray, "N 4 4"]) -> Float[np.ndarray, "N 4 4"]:
        """The same cameras with the target frame as their world: cam_from_target.

        Camera coordinates are scaled along, so the result is rigid again.
        """
        R = source[:, :3, :3] @ self.rotation.T
        result = source.copy()
        result[:, :3, :3] = R
        result[:, :3, 3] = self.scale * source[:, :3, 3] - R @ self.translation
        return result


def umeyama(
    source: Float[np.ndarray, "N 3"],
    target: Float[np.ndarray, "N 3"],
    weights: Float[np.ndarray, " N"] | None = None,
) -> Similarity:
    """The similarity that takes `source` closest to `target` in the (weighted) least-squares sense.

    Umeyama 1991, eq. 40-42. With points on one line the rotation about it is arbitrary.

    Raises:
        ValueError: fewer than two distinct source points.
    """
    w = np.ones(len(source)) if weights is None else weights
    w = w / w.sum()
    mean_s, mean_t = w @ source, w @ target
    s, t = source - mean_s, target - mean_t
    variance = float(w @ (s**2).sum(1))
    if variance <= 1e-24 * max(float((source**2).max(initial=0.0)), 1e-30):
        raise ValueError("a similarity needs at least two distinct points")
    U, singular, Vt = np.linalg.svd((w[:, None] * t).T @ s)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt)) or 1.0])
    rotation = (U * sign) @ Vt
    scale = float(singular @ sign) / variance
    return Similarity(scale, rotation, mean_t - scale * rotation @ mean_s)


def alignment(source: Float[np.ndarray, "V 4 4"], target: Float[np.ndarray, "V 4 4"]) -> Similarity:
    """The similarity that takes the cameras `source` to `target`: world_target from world_source.

    The rotation is the mean of the cameras' own, so that centres on one line are no exception.
    """
    products = np.einsum("vji,vjk->ik", target[:, :3, :3], source[:, :3, :3])
    U, _, Vt = np.linalg.svd(products)
    rotation = (U * [1.0, 1.0, np.linalg.det(U @ Vt)]) @ Vt
    a, b = centers_of(source) @ rotation.T, centers_of(target)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    spread = float(((a - mean_a) ** 2).sum())
    scale = float(((a - mean_a) * (b - mean_b)).sum()) / spread if spread > 0 else 1.0
    return Similarity(scale, rotation, mean_b - scale * mean_a)
