"""Scale and shift of a relative depth map, from points whose depth is known.

NoPe-NeRF (CVPR 2023), section 3.1: D* = alpha D + beta, one pair of scalars a photo. Networks that
predict disparity are right up to a scale and shift of 1 / D* instead (MiDaS, TPAMI 2022, eq. 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..geometry.robust import sigma_by_median
from ..scene.depth_maps import DepthKind

_HYPOTHESES = 300
_SCORED = 500
"""Points that hypotheses are scored on: enough for a robust choice, refined on all."""
_TOLERANCE = 0.2
"""Relative depth error at which a point counts as an outlier to a hypothesis."""
_ROUNDS = 30
_TUKEY = 4.685
"""95 % efficiency on normal errors (Holland and Welsch 1977)."""
_SMALLEST_SIGMA = 1e-6

Line = Float[np.ndarray, "2"]
"""Slope and offset."""


@dataclass(frozen=True)
class ScaleShift:
    """D* = alpha D + beta, or 1 / D* = alpha D + beta for disparity."""

    alpha: float
    beta: float


def fit_scale_shift(
    values: Float[np.ndarray, " N"],
    depth: Float[np.ndarray, " N"],
    kind: DepthKind,
    *,
    seed: int = 0,
) -> ScaleShift | None:
    """Robust scale and shift: RANSAC on pairs of points, then reweighted least squares.

    Errors count relative to the depth (or disparity), so that near and far points weigh the same.

    Args:
        values: of the map at the points, at least two different ones.
        depth: of the points along the camera's z axis, > 0, in world units.
        kind: whether the values grow with depth or with disparity.
        seed: of the pairs.

    Returns:
        None where no pair of points gives a positive scale.
    """
    assert len(values) == len(depth)
    target = depth if kind == "depth" else 1 / depth
    # Conditioning only: values may be millimetres or thousandths.
    middle = float(np.median(values))
    spread = float(np.median(np.abs(values - middle))) or float(np.ptp(values))
    if spread == 0:
        return None
    x = (values - middle) / spread
    start = _best_pair(x, target, np.random.default_rng(seed))
    if start is None:
        return None
    slope, offset = (float(value) for value in _refine(x, target, start))
    if not slope > 0:
        return None
    return ScaleShift(slope / spread, offset - slope * middle / spread)


def spearman(a: Float[np.ndarray, " N"], b: Float[np.ndarray, " N"]) -> float:
    """Spearman's rank correlation, ties sharing their mean rank; 0 where one side is constant."""
    ra, rb = (_ranks(x) - (len(x) + 1) / 2 for x in (a, b))
    norm = float(np.sqrt((ra @ ra) * (rb @ rb)))
    return float(ra @ rb) / norm if norm > 0 else 0.0


def _ranks(values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Ranks from 1 on, equal values at the mean of theirs. SciPy's take half a second to import."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _best_pair(
    x: Float[np.ndarray, " N"], target: Float[np.ndarray, " N"], rng: np.random.Generator
) -> Line | None:
    """The rising line through two points with the smallest truncated squared error (MSAC)."""
    i, j = rng.integers(0, len(x), (2, _HYPOTHESES))
    apart = x[i] != x[j]
    i, j = i[apart], j[apart]
    slope = (target[i] - target[j]) / (x[i] - x[j])
    rising = slope > 0
    slope, i = slope[rising], i[rising]
    if not len(slope):
        return None
    lines = np.stack([slope, target[i] - slope * x[i]], 1)
    some = rng.permutation(len(x))[:_SCORED]
    return lines[_cost(lines, x[some], target[some]).argmin()]


def _refine(x: Float[np.ndarray, " N"], target: Float[np.ndarray, " N"], start: Line) -> Line:
    """Reweighted least squares with Tukey's weights, which ignore what the start is far from.

    Weights that never reach zero let a near object, off by some hundred percent of its depth,
    pull the line away from all the rest.
    """
    line = start
    A = np.stack([x, np.ones_like(x)], 1) / target[:, None]
    for _ in range(_ROUNDS):
        error = np.abs(A @ line - 1)
        close = error[error < 3 * _TOLERANCE]
        sigma = max(sigma_by_median(close), _SMALLEST_SIGMA) if len(close) else 0.0
        root = np.clip(1 - (error / max(_TUKEY * sigma, _SMALLEST_SIGMA)) ** 2, 0, None)
        if (root > 0).sum() < 2:
            break
        before, line = line, np.linalg.lstsq(A * root[:, None], root, rcond=None)[0]
        if np.allclose(before, line, rtol=1e-9, atol=0):
            break
    return line


def _cost(
    lines: Float[np.ndarray, "L 2"], x: Float[np.ndarray, " N"], target: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " L"]:
    """Truncated squared relative error of each line (slope, offset)."""
    error = (lines[:, :1] * x + lines[:, 1:]) / target - 1
    return np.minimum(error**2, _TOLERANCE**2).sum(1)
