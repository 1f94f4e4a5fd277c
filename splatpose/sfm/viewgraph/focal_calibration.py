"""Focal lengths from all pairs together: relative poses and cameras in one robust adjustment.

View-graph calibration asks fundamental matrices alone, which are ill-determined pair by pair. Here
the Sampson distances themselves, of many pairs at once, are minimised over the focal length of
every camera and the relative pose of every pair: a bundle adjustment without points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import homogeneous
from ...geometry.robust import CAUCHY_BEND, cauchy_divisor, cauchy_loss
from ...scene.camera import Camera
from ..correspondences import REFERENCE_SIDE, MatchTable, focal_ratios, overlapping, pair_samples
from ..thresholds import FOCAL_RATIOS, LENS
from ..twoview.all_pairs import RelativePoses, relative_poses
from ..twoview.pair_geometry import fit_essential
from ..twoview.relative_pose import retract, sampson_derivatives, signed_sampson

_FACTORS = (0.55, 0.67, 0.82, 1.0, 1.22, 1.5, 1.82)
_FINE_STEPS = (1.06, 1.03, 1.015)
_PASSES = 2
_LEAST_NOISE = 0.1
_MATCHES_A_PAIR = 200
_MAX_PAIRS = 30
_STRONG_SHARE = 0.7
_SCALE = CAUCHY_BEND * 0.5
"""Where the loss bends, in pixels at `REFERENCE_SIDE`."""
_ROUNDS = 10
_STEP = 1e-5
_TOLERANCE = 1e-4
_KNOWN_SIGMA, _GUESS_SIGMA = LENS.exif_sigma, LENS.typical_focal[1]


@dataclass
class _Pair:
    x: Float[np.ndarray, "M 2 2"]
    cameras: Int[np.ndarray, " 2"]
    rotation: Float[np.ndarray, "3 3"]
    direction: Float[np.ndarray, " 3"]


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
        return misfit + 0.5 * float((off**2).sum()) / _GUESS_SIGMA**2, tuple(trial)

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
    samples = pair_samples(table, pairs, cameras, camera_index, _MATCHES_A_PAIR)
    focal = REFERENCE_SIDE * focal_ratios(cameras)[camera_index[table.pairs[pairs]]].mean(1)
    total = 0.0
    for x, f in zip(samples, focal, strict=True):
        sigma = fit_essential(x[:, 0], x[:, 1], np.eye(3), f, seed).sigma * f
        total += float(np.log(max(sigma, _LEAST_NOISE)))
    return total


def refine_focal_lengths(
    relative: RelativePoses,
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    guesses: Sequence[Camera],
    known: Sequence[bool],
) -> list[Camera]:
    """The cameras with focal lengths adjusted together with the relative poses.

    Distortion and principal point stay. A camera whose focal length would leave what lenses have
    keeps its own.

    Args:
        cameras: those that `relative` was found with.
        guesses: what is known before; the logarithms of their focal lengths are the prior.
        known: cameras whose focal length is from EXIF, and is held to within `_KNOWN_SIGMA`.
    """
    ratio = focal_ratios(cameras)
    samples = pair_samples(table, relative.row, cameras, camera_index, _MATCHES_A_PAIR)
    pairs = [
        _Pair(x, camera_index[relative.pairs[e]], relative.rotation[e], relative.direction[e])
        for e, x in enumerate(samples)
    ]
    sigma = np.where(known, _KNOWN_SIGMA, _GUESS_SIGMA)
    shift = _adjust(pairs, ratio, np.log(focal_ratios(guesses) / ratio), sigma)
    factors = np.exp(shift)
    least, most = FOCAL_RATIOS.start
    inside = (ratio * factors >= least) & (ratio * factors <= most)
    return [with_focal(c, f) for c, f in zip(cameras, np.where(inside, factors, 1.0), strict=True)]


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
    keep = np.isin(table.pair, chosen)
    return MatchTable(
        table.pairs, table.pair[keep], table.photos[keep], table.keypoints[keep], table.xy[keep]
    )


def with_focal(camera: Camera, factor: float) -> Camera:
    """The same camera with its focal length multiplied."""
    count = len(camera.params) - len(camera.distortion) - 2
    return replace(camera, params=np.r_[camera.params[:count] * factor, camera.params[count:]])


def _adjust(
    pairs: Sequence[_Pair],
    ratio: Float[np.ndarray, " C"],
    prior: Float[np.ndarray, " C"],
    sigma: Float[np.ndarray, " C"],
) -> Float[np.ndarray, " C"]:
    """Change of the logarithm of each focal length.

    Levenberg-Marquardt with a prior on the changes; each pair's five parameters are eliminated
    first (Schur complement).
    """
    shift = np.zeros(len(ratio))
    damping = 1e-3

    def total(pairs: Sequence[_Pair], shift: Float[np.ndarray, " C"]) -> float:
        unlikely = float((((shift - prior) / sigma) ** 2).sum())
        return unlikely + sum(_cost(pair, shift, ratio) for pair in pairs)

    cost = total(pairs, shift)
    for _ in range(_ROUNDS):
        S = np.diag(1 / sigma**2)
        s = (shift - prior) / sigma**2
        blocks = []
        for pair in pairs:
            A, B, C, a, c = _normal_equations(pair, shift, ratio)
            A = A + (damping * np.trace(A) / 5 + 1e-9) * np.eye(5)
            solved = np.linalg.solve(A, np.c_[B, a])
            np.add.at(S, np.ix_(pair.cameras, pair.cameras), C - B.T @ solved[:, :2])
            np.add.at(s, pair.cameras, c - B.T @ solved[:, 2])
            blocks.append(solved)
        step = -np.linalg.solve(S + damping * np.diag(np.diag(S)), s).clip(-0.3, 0.3)
        trial = [
            replace(pair, **dict(zip(("rotation", "direction"), retract(
                pair.rotation, pair.direction,
                -solved[:, 2] - solved[:, :2] @ step[pair.cameras]), strict=True)))
            for pair, solved in zip(pairs, blocks, strict=True)
        ]  # fmt: skip
        new_cost = total(trial, shift + step)
        if new_cost < cost:
            settled = cost - new_cost < _TOLERANCE * cost
            pairs, shift, cost, damping = trial, shift + step, new_cost, 0.2 * damping
            if settled:
                break
        else:
            damping *= 10
    return shift


def _rays(
    pair: _Pair, shift: Float[np.ndarray, " C"]
) -> tuple[Float[np.ndarray, "M 3"], Float[np.ndarray, "M 3"]]:
    factor = np.exp(-shift[pair.cameras])
    return homogeneous(pair.x[:, 0] * factor[0]), homogeneous(pair.x[:, 1] * factor[1])


def _pixels(pair: _Pair, shift: Float[np.ndarray, " C"], ratio: Float[np.ndarray, " C"]) -> float:
    """Units of the loss's scale in one of normalised coordinates. The scale is one of pixels, so
    that a focal length does not pay by its size."""
    return (
        REFERENCE_SIDE * float(np.mean(ratio[pair.cameras] * np.exp(shift[pair.cameras]))) / _SCALE
    )


def _residual(
    pair: _Pair, shift: Float[np.ndarray, " C"], ratio: Float[np.ndarray, " C"]
) -> Float[np.ndarray, " M"]:
    distance = signed_sampson(pair.rotation, pair.direction, *_rays(pair, shift))
    return distance * _pixels(pair, shift, ratio)


def _cost(pair: _Pair, shift: Float[np.ndarray, " C"], ratio: Float[np.ndarray, " C"]) -> float:
    return cauchy_loss(_residual(pair, shift, ratio))


def _normal_equations(
    pair: _Pair, shift: Float[np.ndarray, " C"], ratio: Float[np.ndarray, " C"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Blocks of pose (5) and focal lengths (2), and their gradients."""
    pixels = _pixels(pair, shift, ratio)
    residual, J = sampson_derivatives(pair.rotation, pair.direction, *_rays(pair, shift))
    residual, J = residual * pixels, J * pixels
    columns = np.zeros((len(residual), 2))
    # Where both photos are one camera's, its derivative stands in the first column alone.
    for side in range(1 if pair.cameras[0] == pair.cameras[1] else 2):
        bumped = shift.copy()
        bumped[pair.cameras[side]] += _STEP
        columns[:, side] = (_residual(pair, bumped, ratio) - residual) / _STEP
    weight = 1 / cauchy_divisor(residual)
    wJ, wc = J * weight[:, None], columns * weight[:, None]
    return wJ.T @ J, wJ.T @ columns, wc.T @ columns, wJ.T @ residual, wc.T @ residual
