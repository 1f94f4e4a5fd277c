"""Cameras for tests of pose metrics, and what may happen to them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from scenes.poses import look_at
from splatpose.geometry.similarity import Similarity


def ring(count: int = 12, seed: int = 0) -> np.ndarray:
    """Cameras around the origin at changing heights, looking about its middle."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 1.7 * np.pi, count)
    return np.stack(
        [
            look_at((3 * np.cos(a), rng.normal(0, 0.5), 3 * np.sin(a)), rng.normal(0, 0.3, 3))
            for a in angles
        ]
    )


def on_a_line(count: int) -> np.ndarray:
    return np.stack(
        [look_at((0.7 * i, 0.2 * i, -0.1 * i), (2, 0.3, 9 + i % 3)) for i in range(count)]
    )


def world(seed: int) -> Similarity:
    """Some other world frame."""
    rng = np.random.default_rng(seed)
    return Similarity(
        float(rng.uniform(0.1, 9)),
        Rotation.random(random_state=seed).as_matrix(),
        rng.normal(0, 5, 3),
    )


def disturbed(
    poses: np.ndarray, seed: int, degrees: float = 1.0, distance: float = 0.05
) -> np.ndarray:
    """Cameras turned and moved at random."""
    rng = np.random.default_rng(seed)
    result = np.linalg.inv(poses)
    turns = Rotation.from_rotvec(np.radians(degrees) * rng.normal(size=(len(poses), 3)))
    result[:, :3, :3] = turns.as_matrix() @ result[:, :3, :3]
    result[:, :3, 3] += distance * rng.normal(size=(len(poses), 3))
    return np.linalg.inv(result)


def moved(pose: np.ndarray, degrees: float, distance: float) -> np.ndarray:
    result = np.linalg.inv(pose)
    result[:3, :3] = result[:3, :3] @ Rotation.from_rotvec([0, np.radians(degrees), 0]).as_matrix()
    result[:3, 3] += (distance, 0, 0)
    return np.linalg.inv(result)


def without(poses: np.ndarray, *rows: int) -> np.ndarray:
    result = poses.copy()
    result[list(rows)] = np.nan
    return result
