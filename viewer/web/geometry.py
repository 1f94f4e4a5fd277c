"""Where things go in the scene: plain geometry on what was computed."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.rotations import rotation_angle
from splatpose.scene.sparse_model import SparseModel
from splatpose.stages.outputs.crop import CropBox

UP = (0.0, -1.0, 0.0)
"""Direction away from the ground: the world has gravity along +y."""
SOLID = 0.3
"""Least opacity in all along a ray that makes a surface, 0 to 1."""
_MOST_LINKS = 3000


@dataclass(frozen=True)
class Viewpoint:
    """A place to look from. World frame."""

    position: Float[np.ndarray, " 3"]
    look_at: Float[np.ndarray, " 3"]


def ring(count: int) -> Float[np.ndarray, "V 4 4"]:
    """cam_from_world of cameras on a circle, looking outwards: photos that have no place yet."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    poses = np.tile(np.eye(4), (count, 1, 1))
    for pose, angle in zip(poses, angles, strict=True):
        forward = np.array([np.sin(angle), 0.0, np.cos(angle)])
        right = np.array([np.cos(angle), 0.0, -np.sin(angle)])
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward])
        pose[:3, 3] = -pose[:3, :3] @ forward
    return poses


def frustum_size(centers: Float[np.ndarray, "V 3"]) -> float:
    """Length of a frustum that keeps neighbours apart."""
    centers = centers[np.isfinite(centers).all(1)]
    if len(centers) < 2:
        return 0.2
    distances, _ = KDTree(centers).query(centers, k=2)
    return float(np.clip(0.6 * np.median(distances[:, 1]), 0.03, 0.16))


def nearest(
    centers: Float[np.ndarray, "V 3"], eye: Float[np.ndarray, " 3"], count: int, further: int
) -> Int[np.ndarray, " N"]:
    """Rows of the `count` centres nearest to a place in their order, and of some further ones."""
    distances = np.linalg.norm(centers - eye, axis=1)
    return np.argsort(distances, kind="stable")[: count + further]


def link_lines(
    centers: Float[np.ndarray, "V 3"],
    pairs: Int[np.ndarray, "P 2"],
    matches: Int[np.ndarray, " P"],
) -> tuple[Float[np.ndarray, "L 2 3"], Float[np.ndarray, "L 2 3"]]:
    """Segments between the centres of matched photos, and their colours, brighter for more matches.

    The strongest few thousand; those with an end that has no place are left out.
    """
    placed = np.asarray(np.isfinite(centers).all(1), bool)
    strongest = np.argsort(-matches, kind="stable")[:_MOST_LINKS]
    kept = strongest[np.all(placed[pairs[strongest]], axis=1)]
    segments = centers[pairs[kept]]
    strength = np.log1p(matches[kept]) / max(float(np.log1p(matches).max(initial=1)), 1e-6)
    weak, strong = np.array([0.16, 0.20, 0.30]), np.array([0.35, 0.75, 1.0])
    colors = weak + (strength**3)[:, None] * (strong - weak)
    return segments, np.repeat(colors[:, None], 2, axis=1)


def path_lines(centers: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "L 2 3"]:
    """Segments from each photo to the next one that has a place."""
    placed = centers[np.isfinite(centers).all(1)]
    return np.stack([placed[:-1], placed[1:]], axis=1)


def changes(
    before: Float[np.ndarray, "V 4 4"], after: Float[np.ndarray, "V 4 4"]
) -> tuple[float, float]:
    """By how much poses differ, those that both have: the median distance of the centres in percent
    of their RMS radius, and the median angle in degrees."""
    both = np.isfinite(before[:, 0, 0]) & np.isfinite(after[:, 0, 0])
    if not both.any():
        return math.nan, math.nan
    before, after = before[both], after[both]
    centers = centers_of(after)
    moved = np.linalg.norm(centers_of(before) - centers, axis=1)
    angles = rotation_angle(before[:, :3, :3] @ after[:, :3, :3].transpose(0, 2, 1))
    percent = 100 * float(np.median(moved)) / max(rms_radius(centers), 1e-12)
    return percent, math.degrees(float(np.median(angles)))


def box_edges(box: CropBox) -> Float[np.ndarray, "12 2 3"]:
    """The edges of a box as segments."""
    corners = np.array(list(itertools.product(*zip(box.low, box.high, strict=True))))
    pairs = itertools.combinations(corners, 2)
    return np.array([pair for pair in pairs if (pair[0] != pair[1]).sum() == 1])


def around(points: Float[np.ndarray, "T 3"]) -> tuple[CropBox, CropBox]:
    """A box that holds nearly all points, and a larger one to choose smaller ones from."""
    low, high = np.percentile(points, [2, 98], axis=0)
    middle, half = (low + high) / 2, np.maximum(high - low, 1e-3) / 2
    inner, outer = (
        CropBox(_three(middle - by * half), _three(middle + by * half)) for by in (1.1, 2.5)
    )
    return inner, outer


def ground_level(points: Float[np.ndarray, "T 3"]) -> float:
    """The y below which (gravity is along +y) nearly no point near the cameras lies."""
    near = points[np.linalg.norm(points, axis=1) < 6]
    return float(np.percentile(near[:, 1], 97)) if len(near) > 10 else 1.0


def first_view(poses: SparseModel) -> Viewpoint:
    """From behind and well above the camera that sees the scene's middle best, so that the cameras
    do not stand in the way."""
    centers = centers_of(poses.cam_from_world)[poses.registered]
    forward = poses.cam_from_world[poses.registered, 2, :3]
    middle = _middle(poses, centers, forward)
    towards = middle - centers
    distance = np.linalg.norm(towards, axis=1)
    facing = (towards * forward).sum(1) / np.maximum(distance, 1e-9)
    chosen = int(np.argmax(facing))
    back = centers[chosen] - middle
    length = max(float(np.linalg.norm(back)), 0.3)
    spread = float(np.linalg.norm(centers - centers.mean(0), axis=1).max())
    away = back / max(float(np.linalg.norm(back)), 1e-9)
    position = middle + away * (length + 0.3 * spread) + 0.6 * max(spread, 0.3) * np.array(UP)
    return Viewpoint(position, middle)


def fitting_fov(K: Float[np.ndarray, "3 3"], size: tuple[int, int], aspect: float) -> float:
    """Vertical field of view in radians with which a window of that aspect shows a whole photo.

    Args:
        size: width and height of the photo in pixels.
        aspect: width over height of the window.
    """
    width, height = size
    tangent = max(height / 2 / K[1, 1], width / 2 / K[0, 0] / aspect)
    return 2 * math.atan(tangent)


def _middle(
    poses: SparseModel, centers: Float[np.ndarray, "R 3"], forward: Float[np.ndarray, "R 3"]
) -> Float[np.ndarray, " 3"]:
    if len(poses.points):
        near = poses.points[np.linalg.norm(poses.points, axis=1) < 8]
        if len(near):
            return np.median(near, axis=0)
    return centers.mean(0) + forward.mean(0)


def _three(values: Float[np.ndarray, " 3"]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
