"""An exact model of two parts that one photo alone holds together, and exact maps of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenes.poses import CAMERA, look_at
from splatpose.depth.keypoints import KeypointPriors
from splatpose.geometry.centers import centers_of
from splatpose.geometry.projection import project
from splatpose.geometry.similarity import umeyama
from splatpose.scene.sparse_model import SparseModel


def two_parts(slope: float) -> SparseModel:
    """Photos 0-2 see the left of a wall, 4-6 the right, and photo 3 all of it.

    Args:
        slope: of the wall, how much farther it is for every unit to the right.
    """
    rng = np.random.default_rng(0)
    left = rng.uniform((-1.6, -1.0, 0), (-0.05, 1.0, 0), (120, 3))
    points = np.concatenate([left, left * (-1, 1, 1)])
    points[:, 2] = slope * points[:, 0]
    side = np.repeat([0, 1], 120)
    cameras = [look_at((x, 0.2 * x, -4), (-0.8, 0, 0)) for x in (-1.4, -0.9, -0.4)]
    cameras += [look_at((0, 0, -4), (0, 0, 0))]
    cameras += [look_at((x, 0.2 * x, -4), (0.8, 0, 0)) for x in (0.4, 0.9, 1.4)]
    rows, pixels = [], []
    for photo, pose in enumerate(cameras):
        seen = np.arange(240) if photo == 3 else np.flatnonzero(side == (photo > 3))
        rows.append(np.stack([seen, np.full(len(seen), photo), np.arange(len(seen))], 1))
        pixels.append(project(CAMERA, pose, points[seen])[0])
    observations, xy = np.concatenate(rows), np.concatenate(pixels)
    order = np.lexsort((observations[:, 1], observations[:, 0]))
    return SparseModel(
        names=tuple(f"{i}.jpg" for i in range(7)),
        registered=np.ones(7, bool),
        cam_from_world=np.stack(cameras),
        camera_index=np.zeros(7, np.int64),
        cameras=(CAMERA,),
        points=points,
        point_colors=np.zeros((240, 3), np.uint8),
        point_errors=np.zeros(240),
        observations=observations[order],
        observation_xy=xy[order],
    )


def grown(model: SparseModel, factor: float) -> SparseModel:
    """With the right part scaled about photo 3, which no reprojection tells."""
    poses, center = model.cam_from_world.copy(), centers_of(model.cam_from_world)[3]
    centers = center + factor * (centers_of(model.cam_from_world) - center)
    poses[4:, :3, 3] = -np.einsum("vij,vj->vi", poses[4:, :3, :3], centers[4:])
    points = np.where(
        np.arange(240)[:, None] < 120, model.points, center + factor * (model.points - center)
    )
    return replace(model, cam_from_world=poses, points=points)


def largest_shift(model: SparseModel, truth: SparseModel) -> float:
    fit = umeyama(centers_of(model.cam_from_world), centers_of(truth.cam_from_world))
    return float(
        np.linalg.norm(
            fit.points(centers_of(model.cam_from_world)) - centers_of(truth.cam_from_world), axis=1
        ).max()
    )


def maps_of(model: SparseModel, kind: str) -> KeypointPriors:
    """Exact maps, each with a scale and shift of its own."""
    values = []
    for photo in range(7):
        own = model.observations[model.observations[:, 1] == photo]
        z = project(CAMERA, model.cam_from_world[photo], model.points[own[:, 0]])[1]
        value = np.full(240, np.nan)
        value[own[:, 2]] = (z if kind == "depth" else 1 / z) * (photo + 1) + 0.3 * photo
        values.append(value)
    return KeypointPriors(tuple(values), "auto")
