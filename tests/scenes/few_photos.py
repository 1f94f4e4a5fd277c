"""A ball before a wall from few photos, with exact depth that a prior disturbs as networks do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scenes.clusters import local_scene
from splatpose.scene.views import Views


@dataclass(frozen=True)
class FewPhotos:
    """Views of which every other one is held out, and few points on the surfaces."""

    views: Views
    depth: tuple[np.ndarray, ...]
    """True depth along z at the views' pixels."""

    def disturbed(self, seed: int = 0) -> tuple[np.ndarray | None, ...]:
        """The training views' depth, off by 3 % that vary slowly and by 2 % from pixel to pixel."""
        rng = np.random.default_rng(seed)
        found: list[np.ndarray | None] = []
        for depth, out in zip(self.depth, self.views.held_out, strict=True):
            y, x = np.indices(depth.shape) / np.reshape(depth.shape, (2, 1, 1))
            along_x, along_y, phase = rng.uniform(0, 1, 3)
            slow = 0.03 * np.sin(2 * np.pi * (along_x * x + along_y * y + phase))
            noisy = depth * (1 + slow) * (1 + 0.02 * rng.standard_normal(depth.shape))
            found.append(None if out else noisy.astype(np.float32))
        return tuple(found)


def few_photos(count: int = 7, points: int = 60) -> FewPhotos:
    """`count` views of the scene with `points` of what the training ones see."""
    scene, rng = local_scene(count), np.random.default_rng(0)
    views = replace(scene.views, held_out=np.arange(count) % 2 == 1)
    places, colors = [], []
    training = np.flatnonzero(~views.held_out)
    for view in training:
        depth, pose = scene.depth[view], views.cam_from_world[view]
        row, column = (rng.integers(0, side, points // len(training)) for side in depth.shape)
        pixels = np.stack([column + 0.5, row + 0.5, np.ones(len(row))], 1)
        in_camera = (pixels @ np.linalg.inv(views.Ks[view]).T) * depth[row, column, None]
        places.append((in_camera - pose[:3, 3]) @ pose[:3, :3])
        colors.append(views.images[view][row, column])
    views = replace(views, points=np.concatenate(places), point_colors=np.concatenate(colors))
    return FewPhotos(views, scene.depth)
