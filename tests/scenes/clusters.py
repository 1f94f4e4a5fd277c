"""A ball before a wall, painted, as pinhole views with exact depth and tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenes.depth import CAMERA, ray_cast
from scenes.poses import arc
from splatpose.geometry.projection import pixels_from_normalized
from splatpose.scene.views import Views
from splatpose.sfm.tracks import Tracks
from splatpose.stages.local.config import LocalConfig

WIDTH, HEIGHT = 96, 72
COUNT, INDEX = 10, np.zeros(10, np.int64)
"""Photos of the scene that is cut into clusters, and the camera of each."""
CONFIG = LocalConfig(steps=30, cluster_size=5, max_size=64, gaussians=200)
K = np.array([[84.0, 0, 48], [0, 84, 36], [0, 0, 1]])


@dataclass(frozen=True)
class LocalScene:
    """Views with true poses, their true depth, and tracks that are off by `noise` pixels."""

    views: Views
    depth: tuple[np.ndarray, ...]
    tracks: Tracks


def local_scene(
    count: int = 4, points: int = 120, noise: float = 0.0, seed: int = 0, focal: float = 1000.0
) -> LocalScene:
    """Views on an arc, so near each other that they see the same.

    Args:
        points: of the tracks; all views see all of them, inside the ball or not.
        noise: of observations, in pixels of a photo whose longer side has 1000.
        focal: in those pixels.
    """
    rng = np.random.default_rng(seed)
    poses = arc(count, span_deg=25, radius=4.5)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = (np.stack([x.ravel(), y.ravel()], 1) - K[:2, 2]) / K[0, 0]
    images, depths = [], []
    for pose in poses:
        depth, _ = ray_cast(pose, pixels_from_normalized(CAMERA, rays))
        world = (np.c_[rays, np.ones(len(rays))] * depth[:, None] - pose[:3, 3]) @ pose[:3, :3]
        paint = 0.5 + 0.25 * np.sin(world * (7, 5, 6)) + 0.2 * np.cos(world @ np.ones((3, 3)) * 4)
        images.append((255 * paint.clip(0, 1)).round().astype(np.uint8).reshape(HEIGHT, WIDTH, 3))
        depths.append(depth.reshape(HEIGHT, WIDTH))
    world = rng.uniform(-0.7, 0.7, (points, 3))
    in_camera = np.einsum("vij,pj->pvi", poses[:, :3, :3], world) + poses[:, :3, 3]
    seen = in_camera[..., :2] / in_camera[..., 2:]
    seen = seen + noise / focal * rng.standard_normal(seen.shape)
    tracks = Tracks(
        points=world,
        track=np.repeat(np.arange(points), count),
        view=np.tile(np.arange(count), points),
        rays=seen.reshape(-1, 2),
        focal=np.full(count, focal),
    )
    views = Views(
        names=tuple(f"{i}.png" for i in range(count)),
        images=tuple(images),
        masks=(None,) * count,
        Ks=np.tile(K, (count, 1, 1)),
        cam_from_world=poses,
        held_out=np.zeros(count, bool),
        points=world,
        point_colors=np.full((points, 3), 128, np.uint8),
    )
    return LocalScene(views, tuple(depths), tracks)
