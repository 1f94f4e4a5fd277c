"""Textured meshes as a splat, at once: a flat Gaussian for every small triangle, light baked in."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import torch
from scipy.ndimage import map_coordinates

from splatpose.geometry.rotations import quat_from_matrix
from splatpose.scene.splats import Splats

from ..cameras import look_at
from ..stress import effects
from ..things import Lamp, Thing
from ..walks.shots import drawn

_WIDER = 1.7
"""Deviations of a Gaussian over those of its triangle: as wide as hides the gaps."""
_PIXELS = 4.0
"""Longest edge of a triangle; its area is then about the square of half of that."""
_LEAST_KEPT = 0.15
"""Of triangles that are too small, so that thin things stay whole."""
_THIN = 5e-4
"""Metres."""
_OPACITY = 0.98
_SH0 = 0.28209479177387814
"""The constant spherical harmonic."""
_MAP = 900
"""Pixels along a side of a shadow map."""
_NEAR_SHADOW = 0.03
"""Share of the distance from the lamp within which nothing shades itself."""


def splat_of(
    things: Iterable[Thing],
    viewers: np.ndarray,
    *,
    focal: float,
    lamps: tuple[Lamp, ...],
    ambient: float,
    span: float,
    nearest: float,
) -> Splats:
    """The things as Gaussians about two pixels wide for the nearest of the viewers.

    Args:
        viewers: [P, 3] places from which photos are taken.
        focal: in pixels, of those photos.
        ambient: light from everywhere, against that of a lamp head on.
        span: metres about what a lamp points at that throw shadows.
        nearest: metres from the viewers within which nothing is made finer.
    """
    triangles, colors = [], []
    for thing in things:
        corners, uv = _split(thing, viewers, focal, nearest)
        triangles.append(corners)
        colors.append(_colors(thing.texture, uv))
    corners, color = np.concatenate(triangles), np.concatenate(colors)
    bare = _gaussians(corners, color)
    return _gaussians(corners, _lit(bare, corners, color, lamps, ambient, span))


def _split(
    thing: Thing, viewers: np.ndarray, focal: float, nearest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Triangles [N, 3, 3] and their texture coordinates [N, 3, 2], halved until small enough."""
    coarser = 2.0 if thing.lets_light_in else 1.0
    corners, uv = thing.mesh.vertices[thing.mesh.faces], thing.mesh.uv[thing.mesh.faces]
    done: list[tuple[np.ndarray, ...]] = []
    while len(corners):
        length = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
        middle = corners.mean(1)
        away = np.full(len(middle), np.inf)
        for viewer in viewers:
            np.minimum(away, np.linalg.norm(middle - viewer, axis=1), out=away)
        longest = length.argmax(1)  # edge k is from corner k to the next
        limit = coarser * _PIXELS * np.maximum(away, nearest) / focal
        small = length.max(1) <= limit
        done.append((corners[small], uv[small], limit[small]))
        row, longest = np.flatnonzero(~small), longest[~small]
        corners, uv = (_halved(value, row, longest) for value in (corners, uv))
    return _thinned(*(np.concatenate(part) for part in zip(*done, strict=True)))


def _thinned(
    corners: np.ndarray, uv: np.ndarray, limit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of triangles far smaller than they might be some, made larger."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.linalg.norm(np.cross(first, second), axis=1) / 2
    share = np.clip(area / (limit**2 / 16), _LEAST_KEPT, 1.0)
    kept = np.random.default_rng(len(corners)).random(len(corners)) < share
    corners, uv, share = corners[kept], uv[kept], share[kept]
    middle = corners.mean(1, keepdims=True)
    return middle + (corners - middle) / np.sqrt(share)[:, None, None], uv


def _halved(value: np.ndarray, row: np.ndarray, longest: np.ndarray) -> np.ndarray:
    """Both halves of triangles whose edge `longest` is cut in the middle."""
    a, b, c = (value[row, (longest + n) % 3] for n in range(3))
    middle = (a + b) / 2
    return np.concatenate([np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])


def _colors(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Linear colour [N, 3] of each triangle: of texels about as large as it."""
    height, width = texture.shape[:2]
    first, second = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2 * height * width
    shrink = max(1.0, float(np.sqrt(2 * np.median(area))))
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    small = cv2.resize(texture.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    x, y = (uv.mean(1) * size - 0.5).T
    channels = [map_coordinates(small[..., c], (y, x), order=1, mode="nearest") for c in range(3)]
    return effects.to_linear(np.clip(np.stack(channels, 1), 0, 1))


def _gaussians(corners: np.ndarray, color: np.ndarray) -> Splats:
    """Triangles [N, 3, 3] of linear colours [N, 3]: each as wide as the triangle, and flat."""
    middle = corners.mean(1)
    spread = (corners - middle[:, None]) / np.sqrt(12)  # covariance of a triangle: sum / 12
    first = corners[:, 1] - corners[:, 0]
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
    normal = np.cross(first, corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    plane = np.stack([first, np.cross(normal, first)], 2)
    flat = np.einsum("nki,nij->nkj", spread, plane)
    values, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", flat, flat))
    along = np.einsum("nij,njk->nik", plane, axes)
    frame = np.concatenate([along, np.cross(along[..., 0], along[..., 1])[..., None]], 2)
    scales = np.column_stack(
        [_WIDER * np.sqrt(np.maximum(values, 1e-12)), np.full(len(values), _THIN)]
    )
    dc = (effects.to_srgb(color) - 0.5) / _SH0
    count = len(middle)
    return Splats(
        means=torch.from_numpy(middle).float(),
        quats=torch.from_numpy(quat_from_matrix(frame)).float(),
        log_scales=torch.from_numpy(np.log(np.maximum(scales, _THIN))).float(),
        logit_opacities=torch.full((count,), float(np.log(_OPACITY / (1 - _OPACITY)))),
        sh=torch.from_numpy(dc[:, None]).float(),
    )


def _lit(
    bare: Splats,
    corners: np.ndarray,
    color: np.ndarray,
    lamps: tuple[Lamp, ...],
    ambient: float,
    span: float,
) -> np.ndarray:
    """The colours in the light of the lamps, with their shadows."""
    middle = corners.mean(1)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    # Less light from everywhere where one looks down or into a corner of the ground.
    light = ambient * (0.75 + 0.25 * np.abs(normal[:, 2:])) * np.ones((1, 3))
    for lamp in lamps:
        ray = lamp.position - middle
        away = np.linalg.norm(ray, axis=1, keepdims=True)
        facing = np.abs((normal * ray).sum(1, keepdims=True)) / away
        fall = np.minimum((np.linalg.norm(np.subtract(lamp.position, lamp.target)) / away) ** 2, 2)
        light = light + facing * fall * np.array(lamp.color) * _open(bare, middle, lamp, span)
    return np.clip(color * light, 0, 1)


def _open(bare: Splats, points: np.ndarray, lamp: Lamp, span: float) -> np.ndarray:
    """Share [N, 1] of a lamp that points see: the mean of four places on it."""
    total = np.zeros(len(points))
    for x, y in ((-0.3, -0.3), (0.3, -0.2), (-0.2, 0.3), (0.25, 0.25)):
        spot = np.add(lamp.position, (x * lamp.size[0], y * lamp.size[1], 0))
        total += _seen_from(bare, points, spot, np.asarray(lamp.target, float), span)
    return (total / 4)[:, None]


def _seen_from(
    bare: Splats, points: np.ndarray, spot: np.ndarray, target: np.ndarray, span: float
) -> np.ndarray:
    """0 for points behind others, by a map of depths; 1 also outside of the map."""
    pose = look_at(spot, target + np.array((0, 1e-3, 0)))
    focal = _MAP / 2 * min(float(np.linalg.norm(target - spot)) / span, 2.0)
    K = np.array([[focal, 0, _MAP / 2], [0, focal, _MAP / 2], [0, 0, 1]])
    depth = drawn(bare, pose, K, _MAP, _MAP, "RGB+ED")[..., 3]
    x, y, z = ((points - spot) @ pose[:3, :3]).T
    ahead = z > 1e-3
    column, row = (
        np.where(ahead, focal * side / np.where(ahead, z, 1) + _MAP / 2, -1.0) for side in (x, y)
    )
    inside = (column >= 0) & (column < _MAP) & (row >= 0) & (row < _MAP)
    found = depth[row.clip(0, _MAP - 1).astype(int), column.clip(0, _MAP - 1).astype(int)]
    hidden = inside & (found > 0) & (z > found * (1 + _NEAR_SHADOW))
    return (~hidden).astype(float)
