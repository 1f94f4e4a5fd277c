"""The focal length of each photo by itself, and the fewest lenses that the photos can be of.

Photos of one camera need not be of one lens: EXIF does not tell a digital zoom, a crop, or the zoom
of most phones. Matches do, before anything is mapped: here every photo is a camera of its own in
the adjustment of all pairs' relative poses. Its information, all photos' focal lengths together,
says which photos cannot share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.robust import CAUCHY_BEND
from ...scene.camera import Camera
from ..correspondences import MatchTable, focal_ratios
from ..lens_thresholds import LENS_GROUPS
from ..thresholds import INLIERS
from ..twoview.all_pairs import RelativePoses, relative_poses
from .focal_adjustment import ASSUMED_NOISE_PX, AdjustedFocals, adjusted_focals

_PASSES = 3
_TINY = 1e-9


@dataclass(frozen=True)
class PhotoFocals:
    """What matches say of the focal length of each photo: a quadratic misfit.

    It is in squared standard deviations over its least value, and within a group focal lengths may
    vary by `LENS_GROUPS.breathing` for nothing.
    """

    log_ratio: Float[np.ndarray, " V"]
    """Logarithm of its focal length over the longer side, where the misfit was expanded."""
    information: Float[np.ndarray, "V V"]
    """Half the second derivative of the misfit by all of them."""
    gradient: Float[np.ndarray, " V"]
    """Half the first derivative of the misfit there."""
    relative: RelativePoses | None = None
    """Relative poses of the pairs with these focal lengths."""

    @property
    def asked(self) -> Bool[np.ndarray, " V"]:
        """Photos whose matches say anything of their own focal length."""
        return np.diag(self.information) > 1 / LENS_GROUPS.max_sigma**2

    def misfit(self, group: Int[np.ndarray, " V"]) -> tuple[float, Float[np.ndarray, " G"]]:
        """Misfit where photos of a group share a focal length, and the logarithm of each group's,
        over the longer side."""
        member = np.eye(int(group.max()) + 1)[group]
        target = self.information @ self.log_ratio - self.gradient
        A, b = member.T @ self.information @ member, member.T @ target
        mean = np.linalg.solve(A + _TINY * np.eye(len(A)), b)
        apart = self.log_ratio @ (target - self.gradient)
        return float(apart - b @ mean), mean


def photo_focals(
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    *,
    min_matches: int,
    seed: int,
) -> PhotoFocals:
    """Asks the matches of some pairs of every photo for its focal length.

    Args:
        table: the pairs to ask.
        cameras: whose lenses all photos have but for the focal length, which is a guess.
    """
    guesses = [cameras[index] for index in camera_index.tolist()]
    own = np.arange(len(guesses))
    one = np.unique(camera_index, return_inverse=True)[1]
    found: Sequence[Camera] = guesses
    relative = said = None
    for number in range(_PASSES):
        # Those of a wrong focal length are not quite the poses to adjust further.
        if relative is None or number < _PASSES - 1:
            relative = relative_poses(table, found, own, min_matches=min_matches, seed=seed)
        adjusted = adjusted_focals(relative, table, found, own, guesses)
        found, relative = adjusted.cameras, adjusted.relative
        said = _said(adjusted)
        # No groups can gain what they must: the usual case, and it need not be exact.
        if said.misfit(one)[0] < LENS_GROUPS.min_gain:
            break
    assert said is not None, "there is at least one pass"
    return said


def _said(adjusted: AdjustedFocals) -> PhotoFocals:
    """The adjustment's cost in squared standard deviations of what matches really vary by."""
    noise = max(float(np.median(adjusted.relative.noise)), INLIERS.noise_floor_px)
    scale = (CAUCHY_BEND * ASSUMED_NOISE_PX / (LENS_GROUPS.correlated * noise)) ** 2
    L, g = scale * adjusted.information, scale * adjusted.gradient
    # The photos' own variation is marginalised: (L^-1 + v 1)^-1.
    loose = np.eye(len(L)) + LENS_GROUPS.breathing**2 * L
    log_ratio = np.log(focal_ratios(adjusted.cameras))
    marginal = np.linalg.solve(loose, L), np.linalg.solve(loose, g)
    return PhotoFocals(log_ratio, *marginal, adjusted.relative)


def pairs_to_ask(
    table: MatchTable, asked: Bool[np.ndarray, " V"], min_matches: int
) -> Int[np.ndarray, " E"]:
    """Rows of some pairs of every photo that is asked, spread over the counts of its matches: those
    with most matches have the least parallax."""
    counts = np.bincount(table.pair, minlength=len(table.pairs))
    enough = np.flatnonzero(counts >= min_matches)
    chosen: set[int] = set()
    for photo in np.flatnonzero(asked).tolist():
        own = enough[(table.pairs[enough] == photo).any(1)]
        own = own[np.argsort(-counts[own], kind="stable")]
        strong = own[: max(LENS_GROUPS.pairs, len(own) // 2)]
        if not len(strong):
            continue
        places = np.unique(np.linspace(0, len(strong) - 1, LENS_GROUPS.pairs).astype(int))
        chosen.update(strong[places].tolist())
    return np.array(sorted(chosen), np.int64)


def fewest_groups(
    focals: PhotoFocals, camera_index: Int[np.ndarray, " V"]
) -> Int[np.ndarray, " V"]:
    """A group for each photo: photos of one camera part only where focal lengths call for it.

    Groups are divided in two, the one that gains most first, while the gain is more than chance
    and the focal lengths are apart by more than focusing moves them. Photos that say nothing stay
    with most of their camera's.
    """
    group = np.unique(camera_index, return_inverse=True)[1]
    asked = focals.asked
    before, _ = focals.misfit(group)
    while True:
        offers = [_divided(focals, group, g, asked) for g in range(int(group.max()) + 1)]
        cost, best = min(offers, key=lambda offer: offer[0])
        if before - cost < LENS_GROUPS.min_gain:
            break
        before, group = cost, best
    for photo in np.flatnonzero(~asked).tolist():
        alike = asked & (camera_index == camera_index[photo])
        if alike.any():
            group[photo] = np.bincount(group[alike]).argmax()
    return np.unique(group, return_inverse=True)[1]


def _divided(
    focals: PhotoFocals, group: Int[np.ndarray, " V"], number: int, asked: Bool[np.ndarray, " V"]
) -> tuple[float, Int[np.ndarray, " V"]]:
    """The best way to divide a group in two: its misfit, infinite where both are alike."""
    own = np.flatnonzero((group == number) & asked)
    new = int(group.max()) + 1
    order = own[np.argsort(focals.log_ratio[own], kind="stable")]
    best: tuple[float, Int[np.ndarray, " V"]] = (np.inf, group)
    for cut in range(1, len(order)):
        trial = group.copy()
        trial[order[cut:]] = new
        best = min(best, (_cost(focals, trial, number, new), trial), key=lambda offer: offer[0])
    improved = np.isfinite(best[0])
    while improved:
        improved = False
        for photo in own.tolist():
            trial = best[1].copy()
            trial[photo] = number + new - trial[photo]
            if (trial[own] == number).any() and (trial[own] == new).any():
                cost = _cost(focals, trial, number, new)
                if cost < best[0] - _TINY:
                    best, improved = (cost, trial), True
    return best


def _cost(focals: PhotoFocals, group: Int[np.ndarray, " V"], a: int, b: int) -> float:
    cost, mean = focals.misfit(group)
    return cost if abs(mean[a] - mean[b]) >= LENS_GROUPS.min_apart else np.inf
