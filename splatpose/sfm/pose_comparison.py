"""Two models of the same photos, brought together by the photos on which they agree.

A least-squares similarity spreads the error of one misplaced photo over all others. Here the
alignment is the one that most photos agree to, and the others show how far off they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..geometry.camera_alignment import find_consensus
from ..geometry.centers import centers_of, rms_radius

ROTATION_LIMIT, POSITION_LIMIT = 5.0, 5.0
"""Degrees, and percent of the radius, from which on a photo counts as placed elsewhere."""
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


def camera_radius(centers: Float[np.ndarray, "N 3"]) -> float:
    """RMS distance of camera centres from their mean, without those that are far out.

    A single camera at infinity would make every other distance small by comparison.
    """
    if len(centers) < 2:
        return 0.0
    distance = np.linalg.norm(centers - np.median(centers, axis=0), axis=1)
    near = centers[distance <= _FAR * np.median(distance)] if len(centers) > 3 else centers
    return rms_radius(near)
