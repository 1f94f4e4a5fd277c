"""Coloured points on the surfaces that the survey's pictures show: where the splat begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..shapes import Mesh

RAYS = 6000
"""Of each picture."""


def seen_points(
    meshes: Iterable[Mesh],
    pictures: Sequence[np.ndarray],
    poses: np.ndarray,
    *,
    focal: float,
    apart: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Where random pixels' rays first hit a mesh, and the pixels' colours: [N, 3], uint8 [N, 3].

    Args:
        pictures: uint8 [H, W, 3] of each pose [V, 4, 4].
        apart: metres at a distance of 10 metres from the camera (less nearer, more farther) below
            which only one point of several is kept.
    """
    tree = _tree(meshes)
    rng = np.random.default_rng([seed, 71])
    found, colors, sizes = [], [], []
    for picture, pose in zip(pictures, poses, strict=True):
        height, width = picture.shape[:2]
        pixels = rng.uniform((0, 0), (width, height), (RAYS, 2))
        rays = np.column_stack([(pixels - (width / 2, height / 2)) / focal, np.ones(RAYS)])
        rays = rays @ pose[:3, :3].T
        eye = pose[:3, 3].tolist()
        depths = np.array([_first_hit(tree, eye, ray) for ray in rays.tolist()])
        hit = np.isfinite(depths)
        found.append(pose[:3, 3] + rays[hit] * depths[hit, None])
        colors.append(picture[pixels[hit, 1].astype(int), pixels[hit, 0].astype(int)])
        sizes.append(depths[hit] * apart / 10)
    kept = thinned(np.concatenate(found), np.concatenate(sizes))
    return np.concatenate(found)[kept], np.concatenate(colors)[kept]


def thinned(points: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which points [K] to keep, so that about one is left in a cube as wide as its size [N].

    Where a point of smaller size is kept, none of larger size is kept in its cube.
    """
    level = np.floor(np.log2(np.maximum(sizes, 1e-4))).astype(int)
    kept = np.empty(0, int)
    for own in np.unique(level):
        mine = np.flatnonzero(level == own)
        cells = np.floor(points[np.concatenate([kept, mine])] / 2.0**own).astype(np.int64)
        first = np.unique(cells, axis=0, return_index=True)[1]
        kept = np.concatenate([kept, mine[first[first >= len(kept)] - len(kept)]])
    return np.sort(kept)


def _tree(meshes: Iterable[Mesh]) -> Any:
    """A hierarchy of boxes over all triangles."""
    from mathutils.bvhtree import BVHTree  # comes with bpy

    vertices, faces, start = [], [], 0
    for mesh in meshes:
        vertices.append(mesh.vertices)
        faces.append(mesh.faces + start)
        start += len(mesh.vertices)
    return BVHTree.FromPolygons(
        np.concatenate(vertices).tolist(), np.concatenate(faces).tolist(), all_triangles=True
    )


def _first_hit(tree: Any, eye: list[float], ray: list[float]) -> float:
    """In lengths of the ray; infinite where it meets nothing."""
    distance = tree.ray_cast(eye, ray)[3]
    return np.inf if distance is None else distance / np.linalg.norm(ray)
