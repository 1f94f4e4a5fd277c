"""Models with exact cameras and noisy observations, whose lens is then forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp
from splatpose.scene.camera import Camera
from splatpose.scene.sparse_model import SparseModel

STRONG = Camera(
    "FULL_OPENCV",
    640,
    480,
    np.array([521.0, 521, 320, 240, 0.23, -0.78, 0, 0, 0.92, 0, 0, 0]),
)
"""Distorts by up to 5 %, first outwards, then inwards, then outwards again."""


def hand_held(count: int = 12, side: float = 0.3, seed: int = 0) -> np.ndarray:
    """cam_from_world of two seconds of video: little sideways motion, and shake."""
    rng = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (count, 1, 1))
    for pose, t in zip(poses, np.linspace(0, 1, count), strict=True):
        center = (side * (t - 0.5), 0.04 * np.sin(5 * t), 0.1 * side * np.cos(3 * t))
        turn = (1.2 * np.sin(7 * t), 4 * (t - 0.5) + 0.8 * np.sin(9 * t), np.sin(4 * t))
        pose[:3, :3] = so3_exp(np.radians(turn))
        pose[:3, 3] = -pose[:3, :3] @ (center + 0.003 * rng.standard_normal(3))
    return poses


def desk(count: int = 400, seed: int = 1) -> np.ndarray:
    """Points before a camera at the origin, 1.2 to 3.5 away."""
    rng = np.random.default_rng(seed)
    z = 1.2 + 2.3 * rng.random(count) ** 1.5
    return np.stack([rng.uniform(-0.8, 0.8, count) * z, rng.uniform(-0.65, 0.65, count) * z, z], 1)


def aimed(camera: Camera, cam_from_world: np.ndarray) -> np.ndarray:
    """The same poses turned, so that the middle of a cropped photo looks where the axis did."""
    middle = np.linalg.solve(camera.K, [camera.width / 2, camera.height / 2, 1])
    middle /= np.linalg.norm(middle)
    axis = np.cross([0, 0, 1.0], middle)
    turn = so3_exp(axis / np.linalg.norm(axis) * np.arccos(middle[2]))
    poses = cam_from_world.copy()
    poses[:, :3] = turn @ poses[:, :3]
    return poses


def observed(
    camera: Camera,
    cam_from_world: np.ndarray,
    points: np.ndarray,
    noise: float,
    *,
    shared: float = 0.0,
    seed: int = 0,
) -> SparseModel:
    """The true model with noisy pixels, of the points that three photos see.

    Args:
        noise: standard deviation of each coordinate in pixels.
        shared: standard deviation of errors that a keypoint has in neighbouring photos alike.
    """
    rng = np.random.default_rng(seed)
    count, rows, pixels = len(cam_from_world), [], []
    drift = shared * rng.standard_normal((len(points), 2))
    for photo, pose in enumerate(cam_from_world):
        xy, depth = project(camera, pose, points)
        inside = (depth > 0) & (xy > 0).all(1) & (xy < (camera.width, camera.height)).all(1)
        seen = np.flatnonzero(inside)
        phase = np.sin(2 * np.pi * photo / count + seen)[:, None]
        rows.append(np.stack([seen, np.full(len(seen), photo), seen], 1))
        pixels.append(xy[seen] + noise * rng.standard_normal((len(seen), 2)) + drift[seen] * phase)
    observations, xy = np.concatenate(rows), np.concatenate(pixels)
    length = np.bincount(observations[:, 0], minlength=len(points))
    used, number = length >= 3, np.cumsum(length >= 3) - 1
    keep = used[observations[:, 0]]
    observations, xy = observations[keep], xy[keep]
    observations[:, 0] = number[observations[:, 0]]
    order = np.lexsort((observations[:, 1], observations[:, 0]))
    return SparseModel(
        names=tuple(f"{photo}.jpg" for photo in range(count)),
        registered=np.ones(count, bool),
        cam_from_world=cam_from_world,
        camera_index=np.zeros(count, np.int64),
        cameras=(camera,),
        points=points[used],
        point_colors=np.zeros((used.sum(), 3), np.uint8),
        point_errors=np.full(used.sum(), noise),
        observations=observations[order],
        observation_xy=xy[order],
    )


def forgotten(model: SparseModel, focal: float) -> SparseModel:
    """The model with an ordinary lens of some focal length."""
    camera = model.cameras[0]
    params = np.array([focal, camera.width / 2, camera.height / 2, 0.0])
    return replace(model, cameras=(replace(camera, model="SIMPLE_RADIAL", params=params),))


def nadir_grid(rows: int = 3, columns: int = 6) -> np.ndarray:
    """cam_from_world of cameras that look down from a height of 10."""
    rng = np.random.default_rng(0)
    poses = np.tile(np.eye(4), (rows * columns, 1, 1))
    for number, pose in enumerate(poses):
        row, column = divmod(number, columns)
        center = np.array([2.2 * column, 3.1 * row, -10.0]) + 0.1 * rng.standard_normal(3)
        pose[:3, :3] = so3_exp(np.radians([1.0, 1.0, 5.0]) * rng.standard_normal(3))
        pose[:3, 3] = -pose[:3, :3] @ center
    return poses


def flat_land(count: int = 400, relief: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-4, 15, count), rng.uniform(-4, 10, count)
    return np.stack([x, y, relief * rng.standard_normal(count)], 1)
