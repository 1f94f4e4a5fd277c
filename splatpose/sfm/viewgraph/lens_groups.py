"""Are photos of one camera of several lenses? Asked before anything is mapped, judged by matches
that took no part.

Tracks are split in two halves. One gives every photo a focal length of its own, and the fewest
groups that these fall into; the other judges whether relative poses with a focal length for each
group predict its matches better than those with one for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.epipolar import homogeneous
from ...geometry.robust import CAUCHY_BEND
from ...scene.camera import Camera
from ..correspondences import (
    REFERENCE_SIDE,
    MatchTable,
    focal_ratios,
    overlapping,
    pair_samples,
    sample_rows,
    with_matches,
)
from ..held_out import split_matches
from ..lens_thresholds import LENS_GROUPS
from ..thresholds import FOCAL_RATIOS, INLIERS
from ..twoview.all_pairs import RelativePoses, relative_poses
from ..twoview.relative_pose import signed_sampson
from .focal_adjustment import (
    MATCHES_A_PAIR,
    AdjustedFocals,
    adjusted_focals,
    with_focal,
)
from .photo_focals import fewest_groups, pairs_to_ask, photo_focals

_PASSES = 2
_TINY = 1e-12


@dataclass(frozen=True)
class LensGroups:
    """Photos of some cameras, parted by their focal lengths."""

    cameras: tuple[Camera, ...]
    """First those that were given, each with the focal length of most of its photos; then one for
    each further lens."""
    camera_index: Int[np.ndarray, " V"]
    """Each photo's camera among them."""
    parent: Int[np.ndarray, " C"]
    """The given camera that each is a lens of."""
    gain: float
    """Share of the cost of unseen matches that the further lenses save."""
    sigmas: float
    """Standard deviations of the saving that it is."""


def find_lens_groups(
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    asked: Bool[np.ndarray, " V"],
    *,
    min_matches: int,
    seed: int,
) -> LensGroups | None:
    """Parts the photos of cameras that are several lenses; None where the matches ask for none.

    Args:
        table: all verified matches.
        cameras: as they were estimated on the assumption that each is one lens.
        camera_index: each photo's camera.
        asked: photos whose pairs are asked; others that no such pair holds stay with most.
    """
    if len(np.unique(camera_index)) == len(camera_index):
        return None  # A camera for every photo.
    rows = sample_rows(table, pairs_to_ask(table, asked, 2 * min_matches), 2 * MATCHES_A_PAIR)
    some = with_matches(table, np.isin(np.arange(len(table)), rows))
    half = split_matches(some, seed)
    learned, unseen = with_matches(some, half == 0), with_matches(some, half == 1)
    if not len(overlapping(learned, min_matches)):
        return None
    own = photo_focals(learned, cameras, camera_index, min_matches=min_matches, seed=seed)
    group = fewest_groups(own, camera_index)
    if group.max() == np.unique(camera_index).size - 1:
        return None
    _, log_ratio = own.misfit(group)
    if not all(FOCAL_RATIOS.plausible_start(ratio) for ratio in np.exp(log_ratio).tolist()):
        return None
    split = _as_cameras(cameras, camera_index, group, np.exp(log_ratio))
    assert own.relative is not None, "photo_focals leaves them"
    lenses = _fitted(learned, split.cameras, split.camera_index, own.relative)
    starts = cameras, _middle(cameras, camera_index, own.log_ratio)
    few = {"min_matches": min_matches, "seed": seed}
    ones = [
        _fitted(learned, start, camera_index, relative_poses(learned, start, camera_index, **few))
        for start in starts
    ]
    gain, sigmas = _judged(learned, unseen, ones, camera_index, lenses, split.camera_index)
    if gain < LENS_GROUPS.min_saved or sigmas < LENS_GROUPS.min_sigmas:
        return None
    return LensGroups(lenses.cameras, split.camera_index, split.parent, gain, sigmas)


def _judged(
    learned: MatchTable,
    unseen: MatchTable,
    ones: Sequence[AdjustedFocals],
    camera_index: Int[np.ndarray, " V"],
    lenses: AdjustedFocals,
    lens_index: Int[np.ndarray, " V"],
) -> tuple[float, float]:
    """Share of the cost of unseen matches that further lenses save, and its standard deviations:
    matches of a pair err together, so that pairs are what is counted.

    Args:
        ones: fits with the cameras as they were; the best by what it was fitted to counts.
    """
    noise = max(float(np.median(lenses.relative.noise)), INLIERS.noise_floor_px)
    one = min(ones, key=lambda fit: float(_costs(learned, fit, camera_index, noise).sum()))
    before = _costs(unseen, one, camera_index, noise)
    saved = before - _costs(unseen, lenses, lens_index, noise)
    chance = float(np.sqrt((saved**2).sum()))
    return float(saved.sum() / max(before.sum(), _TINY)), float(saved.sum() / max(chance, _TINY))


def _as_cameras(
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    group: Int[np.ndarray, " V"],
    ratio: Float[np.ndarray, " G"],
) -> LensGroups:
    """The largest group of a camera's photos keeps its number, each other one gets a new one."""
    result, parent = list(cameras), list(range(len(cameras)))
    index = camera_index.copy()
    for number in range(len(cameras)):
        of_camera = camera_index == number
        lenses, counts = np.unique(group[of_camera], return_counts=True)
        by_size = lenses[np.lexsort((lenses, -counts))].tolist()
        for place, lens in enumerate(by_size):
            factor = ratio[lens] / focal_ratios([cameras[number]])[0]
            camera = with_focal(cameras[number], float(factor))
            if place == 0:
                result[number] = camera
                continue
            index[of_camera & (group == lens)] = len(result)
            result.append(camera)
            parent.append(number)
    return LensGroups(tuple(result), index, np.array(parent), 0.0, 0.0)


def _fitted(
    learned: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    relative: RelativePoses,
) -> AdjustedFocals:
    """Focal lengths of cameras together with the relative poses of the pairs."""
    fit = adjusted_focals(relative, learned, cameras, camera_index, cameras)
    for _ in range(_PASSES - 1):
        fit = adjusted_focals(fit.relative, learned, fit.cameras, camera_index, fit.cameras)
    return fit


def _middle(
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    log_ratio: Float[np.ndarray, " V"],
) -> list[Camera]:
    """The cameras with the median focal length of their photos."""
    ratio = focal_ratios(cameras)
    for number in np.unique(camera_index).tolist():
        ratio[number] = np.exp(np.median(log_ratio[camera_index == number]))
    factors = ratio / focal_ratios(cameras)
    return [with_focal(c, float(f)) for c, f in zip(cameras, factors, strict=True)]


def _costs(
    table: MatchTable, fit: AdjustedFocals, camera_index: Int[np.ndarray, " V"], noise: float
) -> Float[np.ndarray, " E"]:
    """Cost of each pair's matches under a fit, Geman-McClure's, which is bounded.

    Args:
        noise: standard deviation of a match's distance in pixels at `REFERENCE_SIDE`.
    """
    relative, ratio = fit.relative, focal_ratios(fit.cameras)
    samples = pair_samples(table, relative.row, fit.cameras, camera_index, MATCHES_A_PAIR)
    cost = np.zeros(len(relative))
    for e, x in enumerate(samples):
        unit = REFERENCE_SIDE * ratio[camera_index[relative.pairs[e]]].mean() / noise
        rays = homogeneous(x[:, 0]), homogeneous(x[:, 1])
        off = signed_sampson(relative.rotation[e], relative.direction[e], *rays) * unit
        cost[e] = float((off**2 / (CAUCHY_BEND**2 + off**2)).sum())
    return cost
