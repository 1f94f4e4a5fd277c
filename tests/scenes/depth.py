"""An exact scene for depth priors: a ball before a wall, seen by cameras with distortion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scenes.poses import arc
from splatpose.geometry.projection import normalized_from_pixels, project
from splatpose.scene.camera import Camera
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.scene.depth_maps import DepthPriors
from splatpose.scene.evidence import PhotoEvidence
from splatpose.scene.sparse_model import SparseModel

CAMERA = Camera("SIMPLE_RADIAL", 480, 360, np.array([420.0, 236.0, 183.0, 0.04]))
BALL = np.array([0.1, 0.0, -0.4]), 0.8
WALL = np.array([0.15, 0.1, -1.0]) / np.linalg.norm([0.15, 0.1, -1.0]), -1.8
"""Unit normal n and offset: n . x = offset."""


@dataclass(frozen=True)
class DepthScene:
    capture: Capture
    poses: SparseModel
    depth: tuple[np.ndarray, ...]
    """True depth maps, 180 x 240."""


def ray_cast(cam_from_world: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True depth along z at pixels, and whether it is the ball's."""
    R, t = cam_from_world[:3, :3], cam_from_world[:3, 3]
    ray = np.concatenate([normalized_from_pixels(CAMERA, pixels), np.ones((len(pixels), 1))], 1)
    origin, ray = -R.T @ t, ray @ R
    wall = (WALL[1] - WALL[0] @ origin) / (ray @ WALL[0])
    away = origin - BALL[0]
    a, b, c = (ray**2).sum(1), ray @ away, away @ away - BALL[1] ** 2
    root = b**2 - a * c
    ball = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    return np.minimum(ball, wall), ball < wall


def pixel_grid(rows: int, columns: int) -> np.ndarray:
    """The photo's pixels that the values of a map lie at, row by row."""
    y, x = np.mgrid[:rows, :columns] + 0.5
    return np.stack([x.ravel() * CAMERA.width / columns, y.ravel() * CAMERA.height / rows], 1)


def surface_error(points: np.ndarray) -> np.ndarray:
    """Distance of points to the nearer of the two surfaces."""
    ball = np.abs(np.linalg.norm(points - BALL[0], axis=1) - BALL[1])
    return np.minimum(ball, np.abs(points @ WALL[0] - WALL[1]))


def make_depth_scene(
    count: int = 5, points: int = 400, outliers: float = 0.0, seed: int = 0
) -> DepthScene:
    """Points on the surfaces, observed where nothing hides them.

    Args:
        count: cameras.
        points: tried; some are seen too rarely.
        outliers: share of points that are not where they were seen.
    """
    rng = np.random.default_rng(seed)
    cameras = arc(count, radius=4.5)
    depth = [ray_cast(pose, pixel_grid(180, 240))[0].reshape(180, 240) for pose in cameras]
    shares = [points // count + (i < points % count) for i in range(count)]
    found = np.concatenate([_on_surfaces(p, n, rng) for p, n in zip(cameras, shares, strict=True)])
    seen_at = np.full((len(found), count, 2), np.nan)
    for photo, pose in enumerate(cameras):
        at, z = project(CAMERA, pose, found)
        inside = (at > 0).all(1) & (at < (CAMERA.width, CAMERA.height)).all(1)
        inside[inside] = np.abs(ray_cast(pose, at[inside])[0] / z[inside] - 1) < 1e-6
        seen_at[inside, photo] = at[inside]
    often = np.isfinite(seen_at[..., 0]).sum(1) >= 2
    found, seen_at = found[often], seen_at[often]
    track, photo = np.nonzero(np.isfinite(seen_at[..., 0]))
    observed = np.stack([track, photo, np.zeros_like(track)], 1)
    xy = seen_at[track, photo]
    wrong = rng.random(len(found)) < outliers
    found[wrong] += rng.normal(scale=1.5, size=(wrong.sum(), 3))
    return DepthScene(_capture(count), _poses(cameras, found, observed, xy), tuple(depth))


def priors_of(folder: Path, maps: list[np.ndarray | None], kind: str = "auto") -> DepthPriors:
    """The stage's result for these maps."""
    paths = [folder / f"{i}.npy" for i in range(len(maps))]
    for path, values in zip(paths, maps, strict=True):
        if values is not None:
            np.save(path, values.astype(np.float32))
    return DepthPriors(
        names=tuple(f"{i}.png" for i in range(len(maps))),
        source="test",
        kind=kind,  # pyright: ignore[reportArgumentType]
        paths=tuple(
            None if values is None else path for path, values in zip(paths, maps, strict=True)
        ),
        reasons=tuple("" if values is not None else "there is none" for values in maps),
    )


def _capture(count: int) -> Capture:
    photos = tuple(
        Photo(f"{i}.png", Path(f"{i}.png"), CAMERA.width, CAMERA.height, 0, "")
        for i in range(count)
    )
    return Capture(photos, (CameraGroup("test", CAMERA.width, CAMERA.height, None),))


def _on_surfaces(pose: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """World points that a camera sees at random pixels."""
    pixels = rng.uniform((5, 5), (CAMERA.width - 5, CAMERA.height - 5), (count, 2))
    ray = np.concatenate([normalized_from_pixels(CAMERA, pixels), np.ones((count, 1))], 1)
    return (ray * ray_cast(pose, pixels)[0][:, None] - pose[:3, 3]) @ pose[:3, :3]


def _poses(
    cameras: np.ndarray, points: np.ndarray, observed: np.ndarray, xy: np.ndarray
) -> SparseModel:
    names = tuple(f"{i}.png" for i in range(len(cameras)))
    return SparseModel(
        names=names,
        registered=np.ones(len(cameras), bool),
        cam_from_world=cameras,
        camera_index=np.zeros(len(cameras), np.int64),
        cameras=(CAMERA,),
        points=points,
        point_colors=np.zeros((len(points), 3), np.uint8),
        point_errors=np.full(len(points), 0.1),
        observations=observed,
        observation_xy=xy,
        model_dir=Path("."),
        evidence=tuple(PhotoEvidence(name, True, "", 0, 1.0, 0.1) for name in names),
        hypotheses=(),
    )
