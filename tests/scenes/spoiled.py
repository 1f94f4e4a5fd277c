"""Models that are wrong in one way each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.scene.sparse_model import SparseModel


def without_points(model: SparseModel) -> SparseModel:
    return replace(
        model,
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
        point_errors=np.zeros(0),
        observations=np.zeros((0, 3), np.int64),
        observation_xy=np.zeros((0, 2)),
    )


def folded(model: SparseModel) -> SparseModel:
    """Half of the cameras and points turned about an axis: what a duplicate structure does."""
    turn = Similarity(1.0, so3_exp(np.array([0, np.pi / 3, 0])), np.zeros(3))
    poses, points = model.cam_from_world.copy(), model.points.copy()
    poses[4:] = turn.cam_from_world(poses[4:])
    points[::2] = turn.points(points[::2])
    return replace(model, cam_from_world=poses, points=points)


def mirrored(model: SparseModel) -> SparseModel:
    """All cameras behind the scene, looking away from it: every essential matrix is the same."""
    poses = model.cam_from_world.copy()
    poses[:, :3, 3] *= -1
    return without_points(replace(model, cam_from_world=poses))


def perturbed(model: SparseModel) -> SparseModel:
    poses = model.cam_from_world.copy()
    poses[2, :3, :3] = so3_exp(np.array([0, np.radians(2), 0])) @ poses[2, :3, :3]
    return replace(model, cam_from_world=poses)


def partial(model: SparseModel) -> SparseModel:
    registered = model.registered.copy()
    registered[5:] = False
    poses = model.cam_from_world.copy()
    poses[5:] = np.nan
    kept = model.observations[:, 1] < 5
    return replace(
        model,
        registered=registered,
        cam_from_world=poses,
        observations=model.observations[kept],
        observation_xy=model.observation_xy[kept],
    )


def loose(model: SparseModel) -> SparseModel:
    """Three photos and what only they see somewhere else: right among themselves."""
    turn = Similarity(1.0, so3_exp(np.array([0, np.pi / 2, 0.4])), np.array([1.0, 0, 0]))
    poses = model.cam_from_world.copy()
    poses[5:] = turn.cam_from_world(poses[5:])
    return without_points(replace(model, cam_from_world=poses))
