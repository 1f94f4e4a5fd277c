"""Relative poses of many pairs and the focal lengths of their cameras in one adjustment.

The Sampson distances of matches are minimised over the focal length of every camera and the
relative pose of every pair: a bundle adjustment without points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import homogeneous
from ...geometry.robust import CAUCHY_BEND, cauchy_divisor, cauchy_loss
from ...scene.camera import Camera
from ..correspondences import REFERENCE_SIDE, MatchTable, focal_ratios, pair_samples
from ..lens_thresholds import LENS
from ..thresholds import FOCAL_RATIOS
from ..twoview.all_pairs import RelativePoses
from ..twoview.relative_pose import retract, sampson_derivatives, signed_sampson

GUESS_SIGMA = LENS.typical_focal[1]
"""Standard deviation of the logarithm of a focal length that nobody told."""
MATCHES_A_PAIR = 200
"""Matches of a pair that take part."""
ASSUMED_NOISE_PX = 0.5
"""Standard deviation of Sampson distances, in pixels at `REFERENCE_SIDE`."""
_SCALE = CAUCHY_BEND * ASSUMED_NOISE_PX
"""Where the loss bends, in those pixels."""
_ROUNDS = 10
_STEP = 1e-5
_TOLERANCE = 1e-4


@dataclass
class _Pair:
    x: Float[np.ndarray, "M 2 2"]
    cameras: Int[np.ndarray, " 2"]
    rotation: Float[np.ndarray, "3 3"]
    direction: Float[np.ndarray, " 3"]


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
        known: cameras whose focal length is from EXIF, and is held to within `LENS.exif_sigma`.
    """
    ratio = focal_ratios(cameras)
    pairs = _pairs(relative, table, cameras, camera_index)
    sigma = np.where(known, LENS.exif_sigma, GUESS_SIGMA)
    shift, _ = _adjust(pairs, ratio, np.log(focal_ratios(guesses) / ratio), sigma)
    return _shifted(cameras, shift)


@dataclass(frozen=True)
class AdjustedFocals:
    """Focal lengths with the relative poses that belong to them, and how well they are known."""

    cameras: tuple[Camera, ...]
    relative: RelativePoses
    """With the rotations and directions that belong to these focal lengths."""
    information: Float[np.ndarray, "C C"]
    """Half the second derivative of the pairs' cost by the logarithms of all focal lengths, the
    relative poses following; without what was known before."""
    gradient: Float[np.ndarray, " C"]
    """Half the first derivative of it, which is not zero where a prior holds against it."""


def adjusted_focals(
    relative: RelativePoses,
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    guesses: Sequence[Camera],
) -> AdjustedFocals:
    """As `refine_focal_lengths` where none is known, with all that the adjustment knows."""
    ratio = focal_ratios(cameras)
    pairs = _pairs(relative, table, cameras, camera_index)
    prior = np.log(focal_ratios(guesses) / ratio)
    shift, pairs = _adjust(pairs, ratio, prior, np.full(len(ratio), GUESS_SIGMA))
    nothing = np.zeros((len(ratio), len(ratio))), np.zeros(len(ratio))
    information, gradient, _ = _reduced(pairs, shift, ratio, *nothing, 0.0)
    moved = replace(
        relative,
        rotation=np.array([pair.rotation for pair in pairs]).reshape(-1, 3, 3),
        direction=np.array([pair.direction for pair in pairs]).reshape(-1, 3),
    )
    return AdjustedFocals(tuple(_shifted(cameras, shift)), moved, information, gradient)


def _pairs(
    relative: RelativePoses,
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
) -> list[_Pair]:
    samples = pair_samples(table, relative.row, cameras, camera_index, MATCHES_A_PAIR)
    return [
        _Pair(x, camera_index[relative.pairs[e]], relative.rotation[e], relative.direction[e])
        for e, x in enumerate(samples)
    ]


def _shifted(cameras: Sequence[Camera], shift: Float[np.ndarray, " C"]) -> list[Camera]:
    """Cameras with other focal lengths, unless no lens has those."""
    ratio, factors = focal_ratios(cameras), np.exp(shift)
    least, most = FOCAL_RATIOS.start
    inside = (ratio * factors >= least) & (ratio * factors <= most)
    return [with_focal(c, f) for c, f in zip(cameras, np.where(inside, factors, 1.0), strict=True)]


def with_focal(camera: Camera, factor: float) -> Camera:
    """The same camera with its focal length multiplied."""
    count = len(camera.params) - len(camera.distortion) - 2
    return replace(camera, params=np.r_[camera.params[:count] * factor, camera.params[count:]])


def _adjust(
    pairs: Sequence[_Pair],
    ratio: Float[np.ndarray, " C"],
    prior: Float[np.ndarray, " C"],
    sigma: Float[np.ndarray, " C"],
) -> tuple[Float[np.ndarray, " C"], Sequence[_Pair]]:
    """Change of the logarithm of each focal length, and the pairs at their new poses.

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
        known = np.diag(1 / sigma**2), (shift - prior) / sigma**2
        S, s, blocks = _reduced(pairs, shift, ratio, *known, damping)
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
    return shift, pairs


def _reduced(
    pairs: Sequence[_Pair],
    shift: Float[np.ndarray, " C"],
    ratio: Float[np.ndarray, " C"],
    S: Float[np.ndarray, "C C"],
    s: Float[np.ndarray, " C"],
    damping: float,
) -> tuple[Float[np.ndarray, "C C"], Float[np.ndarray, " C"], list[Float[np.ndarray, "5 3"]]]:
    """Normal equations of the focal lengths alone, and what gives each pair's pose for them.

    Args:
        S, s: what is known besides, which the pairs are added to.
        damping: of the pairs' poses.
    """
    blocks = []
    for pair in pairs:
        A, B, C, a, c = _normal_equations(pair, shift, ratio)
        A = A + (damping * np.trace(A) / 5 + 1e-9) * np.eye(5)
        solved = np.linalg.solve(A, np.c_[B, a])
        np.add.at(S, np.ix_(pair.cameras, pair.cameras), C - B.T @ solved[:, :2])
        np.add.at(s, pair.cameras, c - B.T @ solved[:, 2])
        blocks.append(solved)
    return S, s, blocks


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
