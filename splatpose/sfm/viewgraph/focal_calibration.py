"""Focal lengths from all pairs together: relative poses and cameras in one robust adjustment.

View-graph calibration asks fundamental matrices alone, which are ill-determined pair by pair. Here
the Sampson distances themselves, of many pairs at once, are minimised over the focal length of
every camera and the relative pose of every pair: a bundle adjustment without points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from ...scene.camera import Camera
from ..correspondences import (
    REFERENCE_SIDE,
    MatchTable,
    focal_ratios,
    overlapping,
    pair_samples,
    with_matches,
)
from ..twoview.all_pairs import relative_poses
from ..twoview.pair_geometry import fit_essential
from .focal_adjustment import GUESS_SIGMA, MATCHES_A_PAIR, refine_focal_lengths, with_focal

_FACTORS = (0.55, 0.67, 0.82, 1.0, 1.22, 1.5, 1.82)
_FINE_STEPS = (1.06, 1.03, 1.015)
_PASSES = 2
_LEAST_NOISE = 0.1
_MAX_PAIRS = 30
_STRONG_SHARE = 0.7


def calibrate_focal_lengths(
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    known: Sequence[bool],
    *,
    min_matches: int,
    seed: int,
) -> tuple[Camera, ...]:
    """The cameras with the focal lengths that many pairs together call for.

    First a common factor is searched for, because minima are shallow for small fields of view and
    wide baselines; from the best one an adjustment, twice, because the relative poses of a wrong
    focal length are not quite those to adjust further. What leaves the least noise is taken.
    """
    some = _some_pairs(table, min_matches)

    def left(trial: Sequence[Camera]) -> tuple[float, tuple[Camera, ...]]:
        misfit = _log_noise(some, trial, camera_index, min_matches, seed)
        off = np.log(focal_ratios(trial) / focal_ratios(cameras))[~np.array(known)]
        return misfit + 0.5 * float((off**2).sum()) / GUESS_SIGMA**2, tuple(trial)

    if not len(some):
        return tuple(cameras)
    free = ~np.array(known)
    tried = [
        left([with_focal(c, f) for c, f in zip(cameras, np.where(free, factor, 1.0), strict=True)])
        for factor in (_FACTORS if free.any() else (1.0,))
    ]
    _, best = min(tried, key=lambda trial: trial[0])
    coarse = len(tried)
    for _ in range(_PASSES):
        relative = relative_poses(some, best, camera_index, min_matches=min_matches, seed=seed)
        best = tuple(refine_focal_lengths(relative, some, best, camera_index, cameras, known))
        tried.append(left(best))
    if min(range(len(tried)), key=lambda n: tried[n][0]) >= coarse or not free.any():
        return min(tried, key=lambda trial: trial[0])[1]
    # The adjustment found nothing better: too few pairs for it.
    for step in _FINE_STEPS:
        best = min(tried, key=lambda trial: trial[0])[1]
        for factor in (1 / step, step):
            factors = np.where(free, factor, 1.0)
            tried.append(left([with_focal(c, f) for c, f in zip(best, factors, strict=True)]))
    return min(tried, key=lambda trial: trial[0])[1]


def _log_noise(
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    min_matches: int,
    seed: int,
) -> float:
    """Sum of the logarithms of all pairs' noise: the likelihood of the cameras, but for the
    number of matches, whose errors are not independent."""
    pairs = overlapping(table, min_matches)
    samples = pair_samples(table, pairs, cameras, camera_index, MATCHES_A_PAIR)
    focal = REFERENCE_SIDE * focal_ratios(cameras)[camera_index[table.pairs[pairs]]].mean(1)
    total = 0.0
    for x, f in zip(samples, focal, strict=True):
        sigma = fit_essential(x[:, 0], x[:, 1], np.eye(3), f, seed).sigma * f
        total += float(np.log(max(sigma, _LEAST_NOISE)))
    return total


def _some_pairs(table: MatchTable, min_matches: int) -> MatchTable:
    """The table with only the pairs to calibrate from: well matched ones, spread over the counts,
    for those with most matches have the least parallax."""
    counts = np.bincount(table.pair, minlength=len(table.pairs))
    enough = np.flatnonzero(counts >= min_matches)
    enough = enough[np.argsort(-counts[enough], kind="stable")]
    if not len(enough):
        return table
    strong = enough[: max(_MAX_PAIRS, int(_STRONG_SHARE * len(enough)))]
    chosen = strong[np.unique(np.linspace(0, len(strong) - 1, _MAX_PAIRS).astype(int))]
    return with_matches(table, np.isin(table.pair, chosen))
