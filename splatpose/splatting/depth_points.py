"""First Gaussians where a prior says that surfaces are, between the points that matches gave."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..scene.views import Views

_FREE = 0.85
"""A point this much nearer to a camera than what its own prior says is there hangs in the air."""
_SAME = 0.2
"""Relative difference of depth up to which a known point lies on what the prior has there."""

Lifted = tuple[
    Float[np.ndarray, "N 3"],
    UInt8[np.ndarray, "N 3"],
    Float[np.ndarray, " N"],
    Float[np.ndarray, " N"],
]
"""Points, colours, depths in the view that they are from, and widths of its pixels there."""


def depth_points(views: Views, count: int) -> Lifted:
    """Points of the training views' priors, at the middles of a grid's cells.

    A cell with a known point in it gives none, nor does one where another view sees through its
    point, by its own prior.

    Args:
        views: with prior depth of some, and known points; held-out views are not looked at.
        count: that there would be, about, with cells all over all training views.
    """
    priors = views.depths or (None,) * len(views.names)
    training = np.flatnonzero(~views.held_out).tolist()
    chosen = [view for view in training if priors[view] is not None]
    pixels = sum(float(np.prod(views.images[view].shape[:2])) for view in training)
    cell = max(1.0, (pixels / max(1, count)) ** 0.5)
    parts = [_lifted(views, view, cell) for view in chosen]
    parts.append((np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0), np.zeros(0)))
    points, colors, depths, widths = (np.concatenate(of) for of in zip(*parts, strict=True))
    there = np.ones(len(points), bool)
    for view in chosen:
        there &= ~_in_the_air(views, view, points)
    return points[there], colors[there], depths[there], widths[there]


def _lifted(views: Views, view: int, cell: float) -> Lifted:
    """One point a cell of `cell` pixels' side, where the prior says something."""
    height, width = views.images[view].shape[:2]
    rows, columns = (len(np.arange(cell / 2, side, cell)) for side in (height, width))
    y, x = ((index.ravel() + 0.5) * cell for index in np.indices((rows, columns)))
    pixels = np.stack([x, y], 1)
    depth = _prior_at(views, view, pixels)
    known = np.isfinite(depth) & ~_taken(views, view, cell, (rows, columns)).ravel()
    mask = views.masks[view]
    row, column = y.astype(int), x.astype(int)
    if mask is not None:
        known &= mask[row, column]
    rays = np.c_[pixels[known], np.ones(known.sum())] @ np.linalg.inv(views.Ks[view]).T
    pose, depth = views.cam_from_world[view], depth[known]
    points = (rays * depth[:, None] - pose[:3, 3]) @ pose[:3, :3]
    colors = views.images[view][row[known], column[known]]
    return points, colors, depth, depth / views.Ks[view, 0, 0]


def _taken(
    views: Views, view: int, cell: float, shape: tuple[int, int]
) -> Bool[np.ndarray, "rows columns"]:
    """Cells in which a known point lies on what the view's prior has there."""
    pixels, z = _projected(views, view, views.points)
    with np.errstate(invalid="ignore"):
        there = np.abs(z / _prior_at(views, view, pixels) - 1) < _SAME
    column, row = np.minimum(pixels[there] // cell, (shape[1] - 1, shape[0] - 1)).astype(int).T
    taken = np.zeros(shape, bool)
    taken[row, column] = True
    return taken


def _in_the_air(
    views: Views, view: int, points: Float[np.ndarray, "N 3"]
) -> Bool[np.ndarray, " N"]:
    """Whether a view's prior says that the view sees what is behind a point."""
    pixels, z = _projected(views, view, points)
    with np.errstate(invalid="ignore"):
        return z < _FREE * _prior_at(views, view, pixels)


def _projected(
    views: Views, view: int, points: Float[np.ndarray, "N 3"]
) -> tuple[Float[np.ndarray, "N 2"], Float[np.ndarray, " N"]]:
    """Pixels and depths of points; NaN pixels of what is behind the camera."""
    pose = views.cam_from_world[view]
    in_camera = points @ pose[:3, :3].T + pose[:3, 3]
    z = in_camera[:, 2]
    safe = np.where(z > 0, z, np.nan)
    return (in_camera @ views.Ks[view].T)[:, :2] / safe[:, None], z


def _prior_at(views: Views, view: int, pixels: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
    """Nearest value of a view's prior; NaN outside of the picture and where it says nothing."""
    prior = None if views.depths is None else views.depths[view]
    assert prior is not None
    height, width = views.images[view].shape[:2]
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)  # False for NaN as well
    at = np.clip(np.nan_to_num(pixels), 0, np.array([width, height]) - 0.5)
    column, row = (at * (prior.shape[1] / width, prior.shape[0] / height)).astype(int).T
    found = np.asarray(prior[row, column], np.float64)
    return np.where(inside & (found > 0), found, np.nan)
