"""Settings of the matching stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ...bounds import COUNT, SIDE, Bounds
from ...sfm.thresholds import INLIERS


@dataclass(frozen=True)
class MatchingConfig:
    """How photos are matched."""

    matcher: Literal["auto", "xfeat", "xfeat+sift", "aliked", "sift"] = "auto"
    """xfeat: XFeat + LighterGlue, robust and fast. aliked: ALIKED + LightGlue, slower. sift: needs
    no network weights. xfeat+sift: xfeat, and SIFT keypoints beside it in pairs where they are
    many: more precise and slower. auto: where xfeat's weights are here or can be downloaded,
    xfeat+sift up to `sift_limit` photos and xfeat beyond; else sift."""
    max_keypoints: Annotated[int | None, Bounds(16, 1_000_000)] = None
    """Keypoints kept a photo, the strongest first. Unset: 2048 (xfeat, aliked) or 4096 (sift).
    The SIFT part of xfeat+sift always keeps 4096."""
    working_size: Annotated[int | None, SIDE] = None
    """Longer side at which photos are matched, in pixels. Unset: 1024 (xfeat, aliked) or 1600
    (sift)."""
    exhaustive_limit: Annotated[int, COUNT] = 30
    """Most photos of which every pair is matched; beyond that, similar and neighbouring ones."""
    neighbours: Annotated[int, COUNT] = 8
    """Most similar photos, outside of `window`, that each photo is matched with beyond
    `exhaustive_limit`."""
    window: Annotated[int, COUNT] = 5
    """Photos before and after each photo, in the order of the names, that it is matched with beyond
    `exhaustive_limit`."""
    max_error: Annotated[float, Bounds(0.01, 1000)] = 4.0
    """Largest distance of a verified match to its epipolar line, in pixels at `working_size`."""
    sift_limit: Annotated[int, COUNT] = 30
    """Most photos with which auto takes SIFT keypoints beside xfeat's. Beyond that they cost more,
    and gain little: many photos average the same errors out."""
    sift_neighbours: Annotated[int, COUNT] = 4
    """Pairs of each photo, those with the most verified matches, in which xfeat+sift matches SIFT
    keypoints too."""
    min_inliers: Annotated[int, Bounds(1, 1_000_000)] = INLIERS.enough_matches
    """Fewest verified matches of two photos that count as overlapping."""
    refine: bool = True
    """Align matched keypoints on the photos, to a tenth of a pixel."""
    refine_size: Annotated[int, SIDE] = 1600
    """Longer side at which keypoints are aligned, in pixels."""
    min_precise: Annotated[int, COUNT] = 30
    """Fewest matches of two photos that alignment must confirm before the others are dropped."""
    min_confirmed: Annotated[int, COUNT] = 8
    """Fewest matches that alignment must confirm: photos with fewer do not overlap, whatever
    geometry says."""
    precise_error: Annotated[float, Bounds(0.01, 1000)] = 2.0
    """Largest distance of a match to its epipolar line, in pixels at `working_size`, for pairs of
    photos of which only confirmed matches are kept."""


@dataclass(frozen=True)
class SecondMatchingConfig:
    """Pairs of photos that are matched once there are poses."""

    pairs: Annotated[int, COUNT] = 8
    """Pairs that each photo may add, of those that must see the same points by the poses and were
    never tried; only beyond `matching.exhaustive-limit` photos. 0 for no second round."""
