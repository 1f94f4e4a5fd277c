"""Depth maps at pixels, and aligned with the world.

A map covers its photo whatever its resolution: value (row, column) lies at the photo's pixel
((column + 0.5) / W, (row + 0.5) / H) times the photo's size.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float

from ..geometry.projection import pixels_from_normalized
from ..scene.camera import Camera
from ..scene.depth_maps import DepthKind

MAX_SLOPE = 10.0
"""Steepest surface that counts as one: tangent of the angle between the viewing ray and the
normal (84 degrees). What is steeper is taken for the jump from one surface to another."""


def aligned_depth(values: Any, alpha: Any, beta: Any, kind: DepthKind) -> Any:
    """Depth of a map's values in world units: D* = alpha D + beta, or its reciprocal (disparity).

    For numpy arrays and for torch tensors (differentiable in all three), of shapes that broadcast.
    NaN where it would not be positive, or for disparity not finite; no gradient comes from there.
    """
    if hasattr(values, "where"):  # torch, where 0 * NaN would reach the gradient of alpha
        known = values == values
        affine = alpha * values.where(known, 0.0) + beta
        affine = affine.where(known & (affine > 0), float("nan"))
    else:
        affine = alpha * values + beta
        affine = np.where(affine > 0, affine, np.nan)
    return affine if kind == "depth" else 1 / affine


def sample_map(
    values: Float[np.ndarray, "H W"], pixels: Float[np.ndarray, "N 2"], width: int, height: int
) -> Float[np.ndarray, " N"]:
    """Values of a map at pixels of its photo: bilinear among the valid neighbours.

    NaN outside of the photo and where the nearest value of the map is not valid.

    Args:
        values: the map, NaN where not valid.
        pixels: (x, y) in the photo.
        width: of the photo in pixels.
        height: of the photo in pixels.
    """
    rows, columns = values.shape
    u = pixels[:, 0] * (columns / width)
    v = pixels[:, 1] * (rows / height)
    inside = (u >= 0) & (u <= columns) & (v >= 0) & (v <= rows)  # False for NaN as well
    u, v = np.where(inside, u, 0.0), np.where(inside, v, 0.0)
    nearest = values[
        np.minimum(v.astype(np.int64), rows - 1), np.minimum(u.astype(np.int64), columns - 1)
    ]
    left, top = np.floor(u - 0.5), np.floor(v - 0.5)
    total, weights = np.zeros(len(u)), np.zeros(len(u))
    for dx in (0, 1):
        for dy in (0, 1):
            column = np.clip(left + dx, 0, columns - 1).astype(np.int64)
            row = np.clip(top + dy, 0, rows - 1).astype(np.int64)
            weight = (1 - np.abs(u - 0.5 - left - dx)) * (1 - np.abs(v - 0.5 - top - dy))
            value = values[row, column].astype(np.float64)
            valid = np.isfinite(value)
            total += np.where(valid, weight * np.where(valid, value, 0.0), 0.0)
            weights += np.where(valid, weight, 0.0)
    known = inside & np.isfinite(nearest) & (weights > 0)
    return np.where(known, total / np.where(weights > 0, weights, 1.0), np.nan)


def undistorted_map(
    values: Float[np.ndarray, "H W"],
    camera: Camera,
    K: Float[np.ndarray, "3 3"],
    width: int,
    height: int,
) -> Float[np.ndarray, "h w"]:
    """A photo's map at the pixels of its undistorted picture, as `sample_map` reads it.

    Args:
        values: the map, NaN where not valid.
        camera: of the photo.
        K: calibration matrix of the picture.
        width: of the picture in pixels.
        height: of the picture in pixels.
    """
    y, x = np.mgrid[:height, :width] + 0.5
    rays = (np.stack([x.ravel(), y.ravel()], 1) - K[:2, 2]) / K[[0, 1], [0, 1]]
    pixels = pixels_from_normalized(camera, rays)
    return sample_map(values, pixels, camera.width, camera.height).reshape(height, width)


def on_surface(
    depth: Float[np.ndarray, "H W"],
    camera: Camera,
    *,
    max_slope: float = MAX_SLOPE,
) -> Bool[np.ndarray, "H W"]:
    """Where a depth map is valid and neither it nor a neighbour is at a jump of depth.

    Networks smear the edge of an object over several pixels, which would become a sheet of points
    between object and background; their slope gives them away at any resolution.

    Args:
        depth: of a whole photo, in any unit, NaN where not valid.
        camera: of the photo, for the angle that a pixel covers.
        max_slope: tangent of the steepest angle between viewing ray and normal.
    """
    rows, columns = depth.shape
    valid = np.isfinite(depth) & (depth > 0)
    edge = np.zeros(depth.shape, np.uint8)
    K = camera.resized(columns, rows).K
    for axis, focal in ((0, K[1, 1]), (1, K[0, 0])):
        a = np.moveaxis(depth, axis, 0)[:-1]
        b = np.moveaxis(depth, axis, 0)[1:]
        with np.errstate(invalid="ignore"):
            jump = np.abs(a - b) * focal > max_slope * np.minimum(a, b)
        view = np.moveaxis(edge, axis, 0)
        view[:-1] |= jump
        view[1:] |= jump
    return valid & (cv2.dilate(edge, np.ones((3, 3), np.uint8)) == 0)
