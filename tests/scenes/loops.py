"""A walk round a yard that comes back to where it began, and a model of it that drifted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scenes.poses import CAMERA, Scene, look_at, make_scene
from splatpose.geometry.similarity_twists import sim3_exp
from splatpose.scene.matches import MatchGraph
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.mapping.retriangulation import with_points

ROUND = 24
"""Photos until the walk is where it began."""
PHOTOS = ROUND + 6
NEAR = 3
"""Photos so near in order are neighbours."""
PIXELS = 1.0
_POINTS = 3000
DRIFT = np.array([0.002, 0.03, 0.002, 0.08, 0.005, 0.08, 0.03])
"""Twist of the similarity by which the last photo has drifted: 1.7 degrees, 3 % of the scale.
Between neighbours it is so little that their matches hardly say so."""
BOTH_PASSES = frozenset(
    (i, j) for i in range(PHOTOS) for j in range(i + ROUND - NEAR, PHOTOS) if j - i > NEAR
)
"""Pairs of a photo of the first pass with one of the second."""


def loop_scene(folder: Path, *, blind: bool = False) -> Scene:
    """The walk with the matches of neighbours and, unless it is blind, of both passes."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, _POINTS), rng.uniform(7, 9, _POINTS)
    height = rng.uniform(-2.5, 2.5, _POINTS)
    points = np.stack([radius * np.sin(angle), height, radius * np.cos(angle)], 1)
    every = {(i, j) for i in range(PHOTOS) for j in range(i + NEAR + 1, PHOTOS)}
    blocked = frozenset(every if blind else every - BOTH_PASSES)
    return make_scene(folder, _ways(), points, noise=0.2, blocked=blocked)


def drifted(cam_from_world: np.ndarray, drift: np.ndarray = DRIFT) -> np.ndarray:
    """Each photo carried on by a little of the drift."""
    share = np.linspace(0, 1, len(cam_from_world))
    motion = sim3_exp(share[:, None] * drift)
    scale = np.exp(share * drift[6])[:, None, None]
    poses = cam_from_world.copy()
    poses[:, :3] = (scale * cam_from_world @ np.linalg.inv(motion))[:, :3]
    return poses


def model_of(scene: Scene, graph: MatchGraph, poses: np.ndarray) -> SparseModel:
    """Cameras at these poses, with points of their matches."""
    names = [photo.name for photo in scene.capture.photos]
    index = np.zeros(len(poses), np.int64)
    bare = SparseModel.of_cameras(names, poses, index, (CAMERA,))
    return with_points(bare, match_table(graph), PIXELS)


def _ways() -> np.ndarray:
    """cam_from_world of photos that look outward, the second time from a little higher."""
    angles = 2 * np.pi * np.arange(PHOTOS) / ROUND
    height = 0.3 * (np.arange(PHOTOS) >= ROUND) + 0.1 * np.cos(2.3 * np.arange(PHOTOS))
    centers = np.stack([2 * np.sin(angles), height, 2 * np.cos(angles)], 1)
    targets = np.stack([8 * np.sin(angles), 0 * angles, 8 * np.cos(angles)], 1)
    return np.stack([look_at(*both) for both in zip(centers, targets, strict=True)])
