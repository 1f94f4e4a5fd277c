"""Photos of several lenses behind one label: a zoom that nothing tells, and crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from scenes.poses import CAMERA, Scene, arc, look_at, make_scene
from splatpose.geometry.projection import project
from splatpose.scene.camera import Camera
from splatpose.scene.sparse_model import SparseModel

FOCAL = 700.0


def zoomed(factor: float) -> Camera:
    """The scene's camera at another focal length."""
    return replace(CAMERA, params=CAMERA.params * (factor, 1, 1, 1))


def mix(kind: str, count: int, factor: float = 1.5) -> np.ndarray:
    """Factor of the focal length of each photo."""
    number = np.arange(count)
    zooms = {
        "one": np.zeros(count, bool),
        "blocks": number >= count // 2,
        "alternating": number % 2 == 1,
        "two": np.isin(number, (count // 3, 2 * count // 3)),
    }
    return np.where(zooms[kind], factor, 1.0)


def facade(count: int) -> np.ndarray:
    """Cameras along a front."""
    along = np.linspace(-2, 2, count)
    return np.stack(
        [
            look_at((x, 0.2 * np.cos(2 * i), 0.3 * np.sin(i) - 4), (x / 2, 0.1 * np.sin(3 * i), 0))
            for i, x in enumerate(along)
        ]
    )


def front(count: int, seed: int = 0) -> np.ndarray:
    """Points of a front with some relief."""
    rng = np.random.default_rng(seed)
    relief = 0.3 * rng.standard_normal(count) * (rng.random(count) < 0.5)
    return np.c_[rng.uniform(-3.5, 3.5, count), rng.uniform(-1.6, 1.6, count), relief]


def lens_scene(folder: Path, factors: np.ndarray, poses: np.ndarray, points: np.ndarray) -> Scene:
    """Matches of photos that are said to be of one camera, without a focal length."""
    cameras = [zoomed(factor) for factor in factors.tolist()]
    return make_scene(folder, poses, points, cameras=cameras, noise=0.4, outliers=0.05)


def orbit(count: int) -> np.ndarray:
    """Cameras around an object."""
    return arc(count, span_deg=70)


def seen_by(cameras: list[Camera], poses: np.ndarray, points: np.ndarray) -> SparseModel:
    """A model that takes all photos for `CAMERA`'s, and what they really saw of its points."""
    rng = np.random.default_rng(0)
    rows, pixels = [], []
    for photo, (camera, pose) in enumerate(zip(cameras, poses, strict=True)):
        xy, _ = project(camera, pose, points)
        ids = np.flatnonzero((xy > 0).all(1) & (xy < (camera.width, camera.height)).all(1))
        rows.append(np.stack([ids, np.full(len(ids), photo), np.arange(len(ids))], axis=1))
        pixels.append(xy[ids] + 0.3 * rng.standard_normal((len(ids), 2)))
    observations, xy = np.concatenate(rows), np.concatenate(pixels)
    order = np.lexsort((observations[:, 1], observations[:, 0]))
    bare = SparseModel.of_cameras(
        [f"{i + 1}.jpg" for i in range(len(poses))], poses, np.zeros(len(poses), np.int64), [CAMERA]
    )
    return replace(
        bare,
        points=points,
        point_colors=np.zeros((len(points), 3), np.uint8),
        point_errors=np.full(len(points), 0.3),
        observations=observations[order],
        observation_xy=xy[order],
    )
