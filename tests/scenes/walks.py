"""Models of walks: cameras along a street, points of its fronts, and parts at another scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenes.poses import CAMERA
from splatpose.depth.keypoints import KeypointPriors
from splatpose.geometry.centers import centers_of
from splatpose.geometry.projection import project
from splatpose.scene.sparse_model import SparseModel

STEP = 0.5


def walk(
    count: int,
    *,
    steps: np.ndarray | None = None,
    noise: float = 0.4,
    density: int = 60,
    seed: int = 0,
    far: float = 9.0,
) -> SparseModel:
    """Photos straight ahead, with observations of points up to `far` before them.

    Args:
        steps: from each photo to the next; default: equal ones.
        density: points for each unit of the street.
    """
    rng = np.random.default_rng(seed)
    along = np.concatenate([[0.0], np.cumsum(np.full(count - 1, STEP) if steps is None else steps)])
    centers = np.stack([0.1 * np.sin(along), 0.05 * np.cos(3 * along), along], axis=1)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, 3] = -centers
    size = int(density * (along[-1] + far))
    side = np.where(rng.random(size) < 0.5, -1.0, 1.0)
    points = np.stack(
        [
            side * rng.uniform(1.5, 3.0, size),
            rng.uniform(-1.5, 1.5, size),
            rng.uniform(0, along[-1] + far, size),
        ],
        axis=1,
    )
    rows, pixels = [], []
    for photo, pose in enumerate(poses):
        xy, depth = project(CAMERA, pose, points)
        seen = (depth > 1) & (depth < far) & (xy > 0).all(1)
        seen &= (xy < (CAMERA.width, CAMERA.height)).all(1)
        ids = np.flatnonzero(seen & (rng.random(size) < 0.6))
        rows.append(np.stack([ids, np.full(len(ids), photo), np.arange(len(ids))], axis=1))
        pixels.append(xy[ids] + noise * rng.standard_normal((len(ids), 2)))
    return _model(poses, points, np.concatenate(rows), np.concatenate(pixels))


def without(model: SparseModel, observations: np.ndarray) -> SparseModel:
    """The model without some of its observations, and without the tracks that have none left."""
    kept = ~observations
    left = _model(
        model.cam_from_world, model.points, model.observations[kept], model.observation_xy[kept]
    )
    return replace(left, names=model.names, camera_index=model.camera_index, cameras=model.cameras)


def torn(
    model: SparseModel, photo: int, kept: int, *, hinge: bool = False, seed: int = 0
) -> SparseModel:
    """Only some tracks lead from the photos before one to it and those after it.

    Args:
        hinge: the photo itself sees all tracks.
    """
    both = across(model, photo, photo + hinge)
    both = np.random.default_rng(seed).permutation(both)
    track, by = model.observations[:, 0], model.observations[:, 1]
    return without(model, np.isin(track, both[kept:]) & (by >= photo + hinge))


def across(model: SparseModel, photo: int, later: int | None = None) -> np.ndarray:
    """Tracks that photos before one see, and it (or another) or later ones."""
    track, by = model.observations[:, 0], model.observations[:, 1]
    before = np.bincount(track[by < photo], minlength=len(model.points)) > 0
    after = np.bincount(track[by >= (later or photo)], minlength=len(model.points)) > 0
    return np.flatnonzero(before & after)


def depths_of(model: SparseModel) -> KeypointPriors:
    """What exact depth maps, each in a unit of its own, say at the keypoints of the tracks."""
    values = []
    for photo, pose in enumerate(model.cam_from_world):
        own = model.observations[:, 1] == photo
        z = model.points[model.observations[own, 0]] @ pose[2, :3] + pose[2, 3]
        value = np.full(int(model.observations[own, 2].max(initial=-1)) + 1, np.nan)
        value[model.observations[own, 2]] = (1 + 0.1 * photo) * z
        values.append(value)
    return KeypointPriors(tuple(values), "depth")


def stretched(model: SparseModel, photo: int, factor: float) -> SparseModel:
    """With the cameras before one, and what they see, scaled about it.

    Points that later photos see as well stay with the side that sees them oftener.
    """
    centers = centers_of(model.cam_from_world)
    about = centers[photo]
    own = np.arange(len(centers)) < photo
    moved = np.where(own[:, None], about + factor * (centers - about), centers)
    poses = model.cam_from_world.copy()
    poses[:, :3, 3] = -np.einsum("vij,vj->vi", poses[:, :3, :3], moved)
    track, by = model.observations[:, 0], model.observations[:, 1]
    total = np.bincount(track, minlength=len(model.points))
    first = 2 * np.bincount(track[own[by]], minlength=len(model.points)) > total
    points = np.where(first[:, None], about + factor * (model.points - about), model.points)
    return replace(model, cam_from_world=poses, points=points)


def _model(
    poses: np.ndarray, points: np.ndarray, observations: np.ndarray, xy: np.ndarray
) -> SparseModel:
    """Tracks that at least two photos see, numbered anew."""
    seen = np.bincount(observations[:, 0], minlength=len(points))
    used = seen >= 2
    kept = used[observations[:, 0]]
    number = np.cumsum(used) - 1
    rows, xy = observations[kept].copy(), xy[kept]
    rows[:, 0] = number[rows[:, 0]]
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    size = int(used.sum())
    return SparseModel(
        names=tuple(f"{i + 1}.jpg" for i in range(len(poses))),
        registered=np.isfinite(poses[:, 0, 0]),
        cam_from_world=poses,
        camera_index=np.zeros(len(poses), np.int64),
        cameras=(CAMERA,),
        points=points[used],
        point_colors=np.zeros((size, 3), np.uint8),
        point_errors=np.full(size, 0.4),
        observations=rows[order].astype(np.int64),
        observation_xy=xy[order],
    )
