"""The world frame: gravity along +y, centred on the cameras, of unit size."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ...geometry.centers import centers_of, rms_radius
from ...geometry.robust import cauchy_divisor
from ...geometry.similarity import Similarity
from ...scene.sparse_model import SparseModel

_ROUNDS = 20
_LEVEL = np.sin(np.radians(8.0))
_SPREAD = 0.05


def gravity(cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, " 3"]:
    """Direction of gravity in the world, from the habit of holding a camera level.

    A level camera's x axis is horizontal whatever it looks at, so gravity is the direction
    most at right angles to all of them. Where they are all parallel (a forward-facing capture)
    that leaves a choice, and the mean of the cameras' y axes decides. Cauchy weights keep a few
    photos taken in the other format from tilting the world.

    Args:
        cam_from_world: poses of the registered photos only.
    """
    right, down, forward = np.moveaxis(cam_from_world[:, :3, :3], 1, 0)
    mean_down = _unit(down.sum(0), forward.sum(0))
    estimate = mean_down
    weight = np.ones(len(right))
    for _ in range(_ROUNDS):
        values, vectors = np.linalg.eigh((weight[:, None] * right).T @ right / weight.sum())
        if values[1] > _SPREAD * values[2]:
            estimate = vectors[:, 0]
        else:
            main = vectors[:, 2]
            estimate = _unit(mean_down - (mean_down @ main) * main, mean_down)
        weight = 1 / cauchy_divisor(right @ estimate, _LEVEL)
    side = estimate @ mean_down
    return -estimate if side < 0 else estimate


def world_frame(model: SparseModel) -> Similarity:
    """The similarity from the model's frame to one with gravity along +y, the camera centres'
    mean at the origin and their RMS distance from it one."""
    poses = model.cam_from_world[model.registered]
    centers = centers_of(model.cam_from_world)[model.registered]
    y = gravity(poses)
    x = poses[:, 0, :3].sum(0)
    x = x - (x @ y) * y
    if np.linalg.norm(x) < 1e-3 * len(poses):
        axis = np.eye(3)[np.argmin(np.abs(y))]
        x = axis - (axis @ y) * y
    x = x / np.linalg.norm(x)
    rotation = np.stack([x, y, np.cross(x, y)])
    center = centers.mean(0)
    radius = rms_radius(centers)
    scale = 1 / radius if radius > 0 else 1.0
    return Similarity(scale, rotation, -scale * rotation @ center)


def _unit(
    vector: Float[np.ndarray, " 3"], otherwise: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " 3"]:
    """The direction of a vector, or of another one where it vanishes."""
    norm = np.linalg.norm(vector)
    return (
        vector / norm if norm > 1e-6 else otherwise / max(float(np.linalg.norm(otherwise)), 1e-12)
    )
