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

from ..geometry.epipolar import homogeneous
from ..geometry.two_view_fit import CAUCHY, cauchy, moved, sampson_derivatives
from ..types import Camera
from .evidence import PIXEL_AT, MatchTable
from .relative import RelativePoses, focal_ratios, pair_samples, relative_poses

_PASSES = 2
_MATCHES_A_PAIR = 80
_MAX_PAIRS = 80
_MIN_PARALLAX = 1.0
_ROUNDS = 25
_STEP = 1e-5
_TOLERANCE = 1e-5
_KNOWN_SIGMA, _GUESS_SIGMA = 0.02, 0.5
_MIN_RATIO, _MAX_RATIO = 0.4, 4.0


@dataclass
class _Pair:
    x: Float[np.ndarray, "M 2 2"]
    cameras: Int[np.ndarray, " 2"]
    rotation: Float[np.ndarray, "3 3"]
    direction: Float[np.ndarray, " 3"]
    scale: float
    """Where the loss bends, in pixels at `PIXEL_AT`."""


def calibrate_pairs(
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    known: Sequence[bool],
    *,
    min_matches: int,
    seed: int,
) -> tuple[Camera, ...]:
    """The cameras with the focal lengths that all pairs together call for.

    Twice: the relative poses of a wrong focal length are not quite those to adjust further.
    """
    calibrated = tuple(cameras)
    for _ in range(_PASSES):
        relative = relative_poses(
            table, calibrated, camera_index, min_matches=min_matches, seed=seed
        )
        calibrated = adjust_focals(relative, table, calibrated, camera_index, known)
    return calibrated


def adjust_focals(
    relative: RelativePoses,
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    known: Sequence[bool],
) -> tuple[Camera, ...]:
    """The cameras with focal lengths adjusted together with the relative poses.

    Distortion and principal point stay. A camera whose focal length would leave what lenses have
    keeps its own.

    Args:
        known: cameras whose focal length is from EXIF, and is held to within `_KNOWN_SIGMA`.
    """
    chosen = _informative(relative)
    if not len(chosen):
        return tuple(cameras)
    ratio = focal_ratios(cameras)
    samples = pair_samples(table, relative.row[chosen], cameras, camera_index, _MATCHES_A_PAIR)
    pairs = [
        _Pair(x, camera_index[relative.pairs[e]], relative.rotation[e], relative.direction[e],
              CAUCHY * float(relative.noise[e]))
        for x, e in zip(samples, chosen, strict=True)
    ]  # fmt: skip
    sigma = np.where(known, _KNOWN_SIGMA, _GUESS_SIGMA)
    shift = _adjust(pairs, ratio, sigma)
    result = []
    for camera, old, log_factor in zip(cameras, ratio, shift, strict=True):
        new = old * np.exp(log_factor)
        factor = new / old if _MIN_RATIO <= new <= _MAX_RATIO else 1.0
        count = 1 if camera.model.startswith(("SIMPLE", "RADIAL")) else 2
        params = np.r_[camera.params[:count] * factor, camera.params[count:]]
        result.append(replace(camera, params=params))
    return tuple(result)


def _informative(relative: RelativePoses) -> Int[np.ndarray, " E"]:
    """Pairs that see parallax, those with the most inliers first."""
    useful = np.flatnonzero(relative.moving & (relative.parallax >= _MIN_PARALLAX))
    order = np.argsort(-relative.inliers[useful], kind="stable")
    return np.sort(useful[order[:_MAX_PAIRS]])


def _adjust(
    pairs: Sequence[_Pair], ratio: Float[np.ndarray, " C"], sigma: Float[np.ndarray, " C"]
) -> Float[np.ndarray, " C"]:
    """Change of the logarithm of each focal length.

    Levenberg-Marquardt; each pair's five parameters are eliminated first (Schur complement).
    """
    shift = np.zeros(len(ratio))
    damping = 1e-3
    cost = sum(_cost(pair, shift, ratio) for pair in pairs)
    for _ in range(_ROUNDS):
        S = np.diag(1 / sigma**2)
        s = shift / sigma**2
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
            replace(pair, **dict(zip(("rotation", "direction"), moved(
                pair.rotation, pair.direction,
                -solved[:, 2] - solved[:, :2] @ step[pair.cameras]), strict=True)))
            for pair, solved in zip(pairs, blocks, strict=True)
        ]  # fmt: skip
        new_cost = sum(_cost(pair, shift + step, ratio) for pair in trial)
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


def _residual(
    pair: _Pair, shift: Float[np.ndarray, " C"], ratio: Float[np.ndarray, " C"]
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, "M 5"]]:
    """In units of the pair's scale: longer focal lengths must not make errors larger."""
    pixels = PIXEL_AT * float(np.mean(ratio[pair.cameras] * np.exp(shift[pair.cameras])))
    distance, J = sampson_derivatives(pair.rotation, pair.direction, *_rays(pair, shift))
    return distance * pixels / pair.scale, J * pixels / pair.scale


def _cost(pair: _Pair, shift: Float[np.ndarray, " C"], ratio: Float[np.ndarray, " C"]) -> float:
    return cauchy(_residual(pair, shift, ratio)[0])


def _normal_equations(
    pair: _Pair, shift: Float[np.ndarray, " C"], ratio: Float[np.ndarray, " C"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Blocks of pose (5) and focal lengths (2), and their gradients."""
    residual, J = _residual(pair, shift, ratio)
    columns = np.zeros((len(residual), 2))
    if pair.cameras[0] == pair.cameras[1]:
        # One camera: its derivative goes to the first column alone, and is not counted twice.
        bumped = shift.copy()
        bumped[pair.cameras[0]] += _STEP
        columns[:, 0] = (_residual(pair, bumped, ratio)[0] - residual) / _STEP
    else:
        for k in range(2):
            bumped = shift.copy()
            bumped[pair.cameras[k]] += _STEP
            columns[:, k] = (_residual(pair, bumped, ratio)[0] - residual) / _STEP
    weight = 1 / (1 + residual**2)
    wJ, wc = J * weight[:, None], columns * weight[:, None]
    return wJ.T @ J, wJ.T @ columns, wc.T @ columns, wJ.T @ residual, wc.T @ residual
