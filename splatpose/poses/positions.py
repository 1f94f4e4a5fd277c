"""Lengths of the pairs' baselines in one scale, and the camera centres they lead to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array, eye_array
from scipy.sparse.linalg import splu

_MIN_SHARED = 6
_NEIGHBOURS = 10
_ROUNDS = 30
_RATIO_SCALE = 0.1
_DIRECTION_SCALE = 0.15
_RIDGE = 1e-8


@dataclass(frozen=True)
class PairDepths:
    """Depths of keypoints by single pairs, each pair's baseline being the unit."""

    edge: Int[np.ndarray, " D"]
    point: Int[np.ndarray, " D"]
    """Number of a keypoint, unique over all photos: the same in all pairs of its photo."""
    photo: Int[np.ndarray, " D"]
    log_depth: Float[np.ndarray, " D"]


@dataclass(frozen=True)
class Ratios:
    """Baselines of two edges compared by the keypoints both see in one photo."""

    edges: Int[np.ndarray, "Q 2"]
    log_ratio: Float[np.ndarray, " Q"]
    """log length of the second edge minus that of the first."""
    sigma: Float[np.ndarray, " Q"]


def baseline_ratios(depths: PairDepths) -> Ratios:
    """Compares the edges of every photo, each with those that share most keypoints with it."""
    edges, values, sigmas = [], [], []
    for photo in np.unique(depths.photo):
        own = np.flatnonzero(depths.photo == photo)
        names, e = np.unique(depths.edge[own], return_inverse=True)
        points, p = np.unique(depths.point[own], return_inverse=True)
        table = np.full((len(names), len(points)), np.nan)
        table[e, p] = depths.log_depth[own]
        seen = np.isfinite(table)
        shared = seen.astype(np.int64) @ seen.T.astype(np.int64)
        np.fill_diagonal(shared, 0)
        for a in range(len(names)):
            best = np.argsort(-shared[a], kind="stable")[:_NEIGHBOURS]
            for b in best[shared[a, best] >= _MIN_SHARED]:
                difference = (table[a] - table[b])[seen[a] & seen[b]]
                median = float(np.median(difference))
                spread = 1.4826 * float(np.median(np.abs(difference - median)))
                edges.append((names[a], names[b]))
                values.append(median)
                sigmas.append(spread / np.sqrt(len(difference)))
    return Ratios(
        np.array(edges, np.int64).reshape(-1, 2),
        np.array(values, np.float64),
        np.array(sigmas, np.float64),
    )


def log_baselines(
    ratios: Ratios,
    num_edges: int,
    prior: Float[np.ndarray, " E"] | None = None,
    prior_sigma: Float[np.ndarray, " E"] | None = None,
) -> Float[np.ndarray, " E"]:
    """Logarithm of the length of every edge's baseline, by robust least squares.

    Edges that nothing connects get the typical length.

    Args:
        prior: lengths from somewhere else, prior depth say, in one unit; NaN where there is none.
        prior_sigma: standard deviations of their logarithms.
    """
    a, b = ratios.edges.T
    base = 1 / (ratios.sigma**2 + 0.02**2)
    known = np.zeros(num_edges)
    target = np.zeros(num_edges)
    if prior is not None and prior_sigma is not None:
        has = np.isfinite(prior)
        known[has] = 1 / (prior_sigma[has] ** 2 + 0.02**2)
        target[has] = np.log(prior[has])
    value = np.zeros(num_edges)
    weight = base
    for _ in range(_ROUNDS):
        value = _solve(a, b, weight, ratios.log_ratio[:, None], num_edges, known, target[:, None])
        value = value[:, 0]
        residual = value[b] - value[a] - ratios.log_ratio
        weight = base / (1 + (residual / _RATIO_SCALE) ** 2)
    if prior is None:
        value = value - np.median(value)
    return value


def camera_centers(
    pairs: Int[np.ndarray, "E 2"],
    offset: Float[np.ndarray, "E 3"],
    sigma: Float[np.ndarray, " E"],
    num_photos: int,
) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, " E"]]:
    """Centres whose differences agree best with the measured ones, and how far each is off.

    Args:
        offset: centre of the second photo minus that of the first, in the world.
        sigma: of the offset relative to its length, per axis.

    Returns:
        Centres, and for each edge its residual over the length of the offset. Photos of other
        components than the first are placed around the origin.
    """
    length = np.linalg.norm(offset, axis=1)
    scale = np.maximum(length, 1e-3 * max(float(np.median(length)), 1e-12))
    base = 1 / (scale**2 * (sigma**2 + 0.02**2))
    weight = base
    none = np.zeros(num_photos)
    centers = residual = np.zeros(0)
    first, second = pairs[:, 0], pairs[:, 1]
    for _ in range(_ROUNDS):
        centers = _solve(first, second, weight, offset, num_photos, none, np.zeros((num_photos, 3)))
        error = centers[second] - centers[first] - offset
        residual = np.linalg.norm(error, axis=1) / scale
        weight = base / (1 + (residual / _DIRECTION_SCALE) ** 2)
    return centers, residual


def _solve(
    a: Int[np.ndarray, " Q"],
    b: Int[np.ndarray, " Q"],
    weight: Float[np.ndarray, " Q"],
    difference: Float[np.ndarray, "Q D"],
    count: int,
    known: Float[np.ndarray, " N"],
    target: Float[np.ndarray, "N D"],
) -> Float[np.ndarray, "N D"]:
    """Weighted least squares of x_b - x_a = difference and x = target."""
    rows, columns = np.r_[a, b, a, b], np.r_[a, b, b, a]
    values = np.r_[weight, weight, -weight, -weight]
    L = coo_array((values, (rows, columns)), shape=(count, count)) + coo_array(
        (known, (np.arange(count), np.arange(count))), shape=(count, count)
    )
    right = known[:, None] * target
    np.add.at(right, b, weight[:, None] * difference)
    np.add.at(right, a, -weight[:, None] * difference)
    top = max(float(weight.max(initial=0.0)), float(known.max(initial=0.0)), 1e-12)
    return splu((L + _RIDGE * top * eye_array(count)).tocsc()).solve(right)
