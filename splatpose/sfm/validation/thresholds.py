"""Thresholds of validation: when a finished model is doubted. Angles are degrees."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LookalikeThresholds:
    """When pairs that a model denies speak of things that exist twice."""

    strong: int = 80
    """Verified matches that chance and clutter do not give a pair."""
    relative: float = 0.2
    """Share of the matches of the capture's strong pairs (their 90th percentile) that make a pair
    strong where photos have many."""
    denied: float = 0.4
    """Share of a pair's matches that at most agree with the model, for the pair to be denied."""
    imprecise: float = 0.3
    """Share of a denied pair's matches that contradict, of those that agree or contradict, up to
    which the pair is imprecise only and counts nothing."""
    clear: float = 0.7
    """The same share from which on it counts whole."""
    many: float = 0.1
    """Share of all strong pairs from which on the model is one of several that matches allow: right
    models of things that exist once deny up to a thirtieth of them."""
    misplaced: float = 0.6
    """Share of a photo's strong pairs that are denied, for the photo to be the misplaced one."""
    same_rotation: float = 5.0
    """Angle between the rotations by a pair's matches and by the model, for them to be the same."""
    fewest: int = 3
    """Denied pairs that make up a structure; one or two are mishaps."""


@dataclass(frozen=True)
class OverlapThresholds:
    """When two photos must see the same points, and when the lack of matches says something."""

    max_angle: float = 20.0
    """Angle between the rays to a point: under larger ones, features are not the same any more."""
    max_scale: float = 1.5
    """Ratio of the distances to a point, likewise."""
    margin: float = 0.03
    """Share of the longer side: so near to the border, features are not found."""
    near: float = 0.05
    """Share of the longer side within which points tell a projected point's surface."""
    behind: float = 1.1
    """Ratio to the depth of the surface from which on a point may be hidden behind it."""
    same_place: float = 0.0025
    """Share of the longer side within which two tracks are one, with `same_depth`."""
    same_depth: float = 0.03
    """Share of the depth within which two tracks are one, with `same_place`."""
    min_visible: int = 25
    """Points that two photos must both see before the lack of matches says something."""
    min_in_cell: int = 4
    """Points that make a cell count."""
    min_matched_share: float = 0.1
    """Share of the points that are matched: right models match a quarter or more of what two photos
    must share, ninety-nine times of a hundred."""
    min_cells: int = 6
    """Cells that two photos must share, for empty ones to say something."""
    max_empty_share: float = 0.35
    """Share of the cells without a match: what lies in a few places only is what occurs twice."""


@dataclass(frozen=True)
class SplitThresholds:
    """When reconstructions from halves of the matches agree with the model."""

    min_matches: int = 8
    """Matches that a half must have of a pair for the pair to count."""
    share: float = 0.6
    """Share of the matches that a pair needs otherwise which it needs in a half."""
    agreeing: float = 0.97
    """Share of the photos that a half must place as the model does to need no second attempt."""
    majority: float = 0.6
    """Share of the photos that a half must place as the model does for its agreement to count: of
    two parts of about equal size that contradict each other, nobody knows which is right."""
    rival: float = 0.03
    """Score by which a mapping may explain the matches worse than the best and still be its
    rival."""
    clearly: float = 0.01
    """Score by which the other half's model, adjusted, must explain the matches better than what a
    half found alone, for that to have been a poor search."""
    several: int = 2
    """Photos that a rival must place elsewhere to speak against all: others hang on them."""
    several_share: float = 0.05
    """Share of the photos, likewise."""


@dataclass(frozen=True)
class ScaleTieThresholds:
    """When the scale of a part of a model is tied to that of the rest."""

    point_sigma: float = 0.3
    """Standard deviation of the logarithm of the scale by one point alone, for it to tell it."""
    best_point: float = 0.02
    """The least that it counts as: blur and lens displace a keypoint alike in all photos."""
    full_vote: float = 0.1
    """Points surer than that have equal votes where they disagree: who is surest may be false."""
    fewest_points: int = 3
    """Points without which nothing is told: one may be false, and two may agree by chance."""
    common: float = 0.01
    """Standard deviation of the logarithm of the scale that no number of points takes away: errors
    of the lens and of the shutter are common to all of them."""
    of_maps: float = 0.02
    """The same of depth maps, which err by some percent each."""
    held_share: float = 0.2
    """Tracks that a photo shares with the other side over those with its own, for it to belong
    there as well: an open scale is about its place, and does not move it."""
    guess: float = 4.0
    """Percent of the cameras' radius by which an open scale may move a photo, from which on its
    place is called a guess: a photo is wrong from 5 on, and this is a standard deviation."""
    sure: float = 0.015
    """Standard deviation up to which a scale is known, and nobody asks further."""
    sample: int = 300
    """Points that are asked first."""
    usual_square: float = 0.4549
    """Median of the square of what noise of standard deviation 1 gives (chi squared)."""


@dataclass(frozen=True)
class UntriedThresholds:
    """When a model names pairs that were never tried."""

    reach: float = 0.8
    """Distance of two photos over the median depth of what they see, from which on they hardly see
    a point under `OverlapThresholds.max_angle` and `max_scale`: 0.5 for a point at that depth, and
    more because some are farther and models drift."""
    turned: float = 60.0
    """Angle between the axes of two photos, likewise: a point at the border of both."""
    common: int = 5
    """Photos that agreeing pairs join to both, from which on a pair adds nothing: tracks run
    through them."""
    far: int = 32
    """Steps along agreeing pairs from which on all ways count as equally long."""
    asked: int = 24
    """Pairs that each photo is asked about: those a long way apart first, then the nearest."""


LOOKALIKES = LookalikeThresholds()
OVERLAP = OverlapThresholds()
SPLIT = SplitThresholds()
SCALE_TIES = ScaleTieThresholds()
UNTRIED = UntriedThresholds()
