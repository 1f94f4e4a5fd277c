"""Did the camera only turn, or only turn and zoom? Fits of verified pairs without translation.

Without translation there is no parallax and nothing can be triangulated, yet an essential matrix
with an arbitrary translation fits such a pair perfectly: turning looks like any motion, zooming
like walking straight on. So the simpler model is asked first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import homogeneous
from ...geometry.projection import normalized_from_pixels
from ...scene.camera import Camera
from ..correspondences import REFERENCE_SIDE, MatchTable, sample_rows
from ..image_motion import growth_of
from ..twoview.relative_pose import fit_rotations, segment_medians

_FOCAL_RATIOS = np.geomspace(0.5, 3.0, 15)
_MATCHES_A_PAIR = 80
_PAIR_CAP = 500
_MAX_PAIRS = 400
_ZOOM_RATIOS = np.geomspace(0.5, 3.0, 7)
_ZOOM_PAIRS = 60
"""Pairs between which size changes, and as many of the others."""
_GROWN = 1.08
"""Change of size between two photos that tells zooming from walking: relief of a tenth of the
distance then moves matches by some pixels."""
_GROWN_SHARE = 0.3
"""Share of all pairs between which size must change: where it does between few, others show
whether the camera moved."""
_ZOOM_ROUNDS = 4
_OFF_AXIS_PX = 80.0
"""Distance from the middle from which on a match tells a change of size."""


def rotation_only_share(
    table: MatchTable,
    cameras: tuple[Camera, ...],
    camera_index: Int[np.ndarray, " V"],
    *,
    known_focal: bool,
    max_error_px: float,
    min_matches: int,
) -> float:
    """Share of the verified matches that one rotation a pair explains.

    An unknown focal length, common to all photos as a ratio to their longer side, is searched
    for: the one that favours rotation most is taken.

    Args:
        known_focal: whether the focal lengths of `cameras` are to be believed.
        max_error_px: threshold, in pixels of a photo whose longer side has `REFERENCE_SIDE`.
        min_matches: pairs with fewer verified matches are left out.

    Returns:
        The share, each pair weighted by its verified matches up to `_PAIR_CAP` of them: chance
        matches between photos that do not overlap fit nothing. 0 if no pair has enough matches.
    """
    rows = _sample(table, min_matches)
    if len(rows) == 0:
        return 0.0
    used, pair = np.unique(table.pair[rows], return_inverse=True)
    photos, xy = table.photos[rows], table.xy[rows]
    weight = np.minimum(np.bincount(table.pair, minlength=len(table.pairs))[used], _PAIR_CAP)
    best = 0.0
    for ratio in (None,) if known_focal else _FOCAL_RATIOS:
        rays = _rays(photos, xy, cameras, camera_index, ratio)
        scale = np.array(
            [(ratio or c.params[0] / max(c.width, c.height)) * REFERENCE_SIDE for c in cameras]
        )[camera_index[photos]].mean(1)
        error = fit_rotations(rays[:, 0], rays[:, 1], pair).residual * scale
        inliers = np.bincount(pair, weights=error <= max_error_px)
        share = inliers / np.bincount(pair)
        best = max(best, float(weight @ share / weight.sum()))
    return best


def _sample(table: MatchTable, min_matches: int) -> Int[np.ndarray, " N"]:
    """Evenly spaced matches of evenly spaced pairs that have enough of them."""
    counts = np.bincount(table.pair, minlength=len(table.pairs))
    pairs = np.flatnonzero(counts >= min_matches)
    if len(pairs) > _MAX_PAIRS:
        pairs = pairs[np.linspace(0, len(pairs) - 1, _MAX_PAIRS).astype(int)]
    return sample_rows(table, pairs, _MATCHES_A_PAIR)


def _rays(
    photos: Int[np.ndarray, "N 2"],
    xy: Float[np.ndarray, "N 2 2"],
    cameras: tuple[Camera, ...],
    camera_index: Int[np.ndarray, " V"],
    ratio: float | None,
) -> Float[np.ndarray, "N 2 3"]:
    rays = np.zeros((len(photos), 2, 3))
    for index, camera in enumerate(cameras):
        own = camera_index[photos] == index
        x = normalized_from_pixels(camera, xy[own])
        if ratio is not None:
            x = x * (camera.params[0] / (ratio * max(camera.width, camera.height)))
        h = homogeneous(x)
        rays[own] = h / np.linalg.norm(h, axis=1, keepdims=True)
    return rays


@dataclass(frozen=True)
class ZoomOnly:
    """How well turning and zooming alone explain photos between which size changes."""

    share: float
    """Of the matches, in pairs between which size changes or in the others, whichever is less; 0
    where it changes between few."""
    factor: float
    """Longest focal length over the shortest one, photo by photo."""


def zoom_only(
    table: MatchTable,
    cameras: tuple[Camera, ...],
    camera_index: Int[np.ndarray, " V"],
    *,
    max_error_px: float,
    min_matches: int,
) -> ZoomOnly:
    """One centre, a focal length for every photo and a rotation a pair: K_j R K_i^-1.

    Unlike walking straight on, that has no place for relief: of a scene that is not flat it
    explains few matches where the camera moved. The common factor of all focal lengths, which zooms
    tell badly, is searched for.

    Args:
        max_error_px: threshold, in pixels of a photo whose longer side has `REFERENCE_SIDE`.
        min_matches: pairs with fewer verified matches are left out.
    """
    rows = _sample(table, min_matches)
    if not len(rows):
        return ZoomOnly(0.0, 1.0)
    used, pair = np.unique(table.pair[rows], return_inverse=True)
    rays = _rays(table.photos[rows], table.xy[rows], cameras, camera_index, 1.0)
    xy = rays[:, :, :2] / rays[:, :, 2:] * REFERENCE_SIDE
    starts = np.searchsorted(pair, np.arange(1, len(used)))
    growth = np.log([growth_of(own)[0] for own in np.split(xy, starts)])
    size = _sizes(table.pairs[used], growth, len(camera_index))
    grown = np.abs(growth) >= np.log(_GROWN)
    if grown.mean() < _GROWN_SHARE:
        return ZoomOnly(0.0, 1.0)
    some = np.sort(np.r_[_spread(np.flatnonzero(grown)), _spread(np.flatnonzero(~grown))])
    keep = np.isin(pair, some)
    ends, own = table.pairs[used[some]], np.unique(pair[keep], return_inverse=True)[1]
    best = ZoomOnly(0.0, 1.0)
    for ratio in _ZOOM_RATIOS:
        error, sizes = _zoomed(xy[keep], own, ends, size, ratio)
        share = np.bincount(own, weights=error <= max_error_px) / np.bincount(own)
        parts = [share[part] for part in (grown[some], ~grown[some]) if part.any()]
        factor = float(np.exp(np.ptp(sizes[np.unique(ends)])))
        found = ZoomOnly(float(min(part.mean() for part in parts)), factor)
        best = max(best, found, key=lambda zoom: zoom.share)
    return best


def _spread(pairs: Int[np.ndarray, " E"]) -> Int[np.ndarray, " F"]:
    """At most `_ZOOM_PAIRS` of them, from all over."""
    places = np.linspace(0, len(pairs) - 1, min(_ZOOM_PAIRS, len(pairs)))
    return pairs[places.astype(int)]


def _zoomed(
    xy: Float[np.ndarray, "N 2 2"],
    pair: Int[np.ndarray, " N"],
    ends: Int[np.ndarray, "E 2"],
    size: Float[np.ndarray, " V"],
    ratio: float,
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " V"]]:
    """Distance of each match from where the first end goes, in pixels, and sizes.

    Alternates rotations of pairs and focal lengths of photos.

    Args:
        xy: matches in pixels from the middle of their photos.
        size: logarithm of each photo's focal length over the usual one, to start from.
        ratio: the usual focal length over the longer side.
    """
    off_axis = np.linalg.norm(xy[:, 1], axis=1) > _OFF_AXIS_PX
    error = np.zeros(len(xy))
    for _ in range(_ZOOM_ROUNDS):
        focal = REFERENCE_SIDE * ratio * np.exp(size[ends])[pair]
        rays = homogeneous((xy / focal[:, :, None]).reshape(-1, 2)).reshape(-1, 2, 3)
        rays /= np.linalg.norm(rays, axis=2, keepdims=True)
        R = fit_rotations(rays[:, 0], rays[:, 1], pair).rotation
        turned = np.einsum("nij,nj->ni", R[pair], rays[:, 0])
        seen = turned[:, :2] / np.maximum(turned[:, 2:], 1e-3) * focal[:, 1:]
        error = np.linalg.norm(seen - xy[:, 1], axis=1)
        off = np.linalg.norm(xy[:, 1], axis=1) / np.maximum(np.linalg.norm(seen, axis=1), 1.0)
        # Where matches are in the middle alone, size stays as it is.
        change = segment_medians(np.where(off_axis, np.log(off), 0.0), pair)
        size = size + _sizes(ends, change, len(size))
    return error, size


def _sizes(
    ends: Int[np.ndarray, "E 2"], growth: Float[np.ndarray, " E"], count: int
) -> Float[np.ndarray, " V"]:
    """Logarithms of photos' sizes whose differences are those of pairs, by least squares."""
    rows = np.arange(len(ends))
    J = np.zeros((len(ends), count))
    J[rows, ends[:, 1]] += 1
    J[rows, ends[:, 0]] -= 1
    return np.linalg.lstsq(J, growth, rcond=None)[0]
