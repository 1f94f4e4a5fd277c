"""Did the camera only turn? Rotation-only fits of verified pairs.

Without translation there is no parallax and nothing can be triangulated, yet an essential matrix
with an arbitrary translation fits such a pair perfectly. So the simpler model is asked first.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import homogeneous
from ...geometry.projection import normalized_from_pixels
from ...scene.camera import Camera
from ..correspondences import REFERENCE_SIDE, MatchTable, sample_rows
from ..twoview.relative_pose import fit_rotations

_FOCAL_RATIOS = np.geomspace(0.5, 3.0, 15)
_MATCHES_A_PAIR = 80
_PAIR_CAP = 500
_MAX_PAIRS = 400


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
