"""Thresholds of lenses: what is asked of them, and what is known of them. Angles are degrees."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LensThresholds:
    """When a camera gets a richer model."""

    min_tracks: int = 60
    """Tracks of a model, to be split into halves that test each other."""
    min_photos: int = 3
    """Photos of a camera, to be asked."""
    min_photos_center: int = 8
    """Photos of a camera, to free its principal point: with fewer, a turn of the cameras hides a
    shift of it from all tracks alike, so that unseen tracks do not test it."""
    min_gain_a_parameter: float = 0.0025
    """Share of the cost of unseen tracks that each further parameter must save."""
    min_gain_third: float = 0.01
    """Share that a third radial term must save: it is for lenses that distort strongly (1.9 % was
    seen), and 0.3 and 0.7 % of photos of ordinary ones made no pose better."""
    min_gain_center: float = 0.01
    """Share that a principal point must save. Where photos look one way a turn of the cameras
    nearly hides its shift, and what the photos' own flaws gain by a wrong one (up to 0.9 % was
    seen) is no noise of the tracks."""
    min_sigmas: float = 3.0
    """Standard deviations of the saving that it must be."""
    max_principal_shift: float = 0.1
    """Share of the longer side by which a principal point may be off the middle, unless what
    speaks for it is overwhelming."""
    overwhelming_gain: float = 0.1
    """Share of the cost of unseen tracks from which on a principal point may be anywhere: photos
    cropped to one corner saved 48 %."""
    overwhelming_sigmas: float = 8.0
    """Standard deviations of the saving, likewise; those saved 51."""
    systematic: float = 2.0
    """By which a focal length from matches alone is farther off than they say: what is the same in
    all photos, as lens terms that no model has, does not average out."""
    exif_sigma: float = 0.04
    """Of the logarithm of a focal length by EXIF: it is rounded to a millimetre, of a lens focused
    at infinity and a sensor that is used to its edges."""
    exif_outlier: float = 4.0
    """Standard deviations from which on matches contradict EXIF: it is of another lens or zoom."""
    typical_focal: tuple[float, float] = (0.9, 0.5)
    """Focal length over the longer side of photos of which nothing is known, and the standard
    deviation of its logarithm: lenses of phones and cameras, from wide to long."""
    min_shift: float = 0.005
    """Share by which EXIF must move a focal length, to be asked: where matches tell it, it stays as
    they have it."""
    open_typical: float = 0.25
    """Standard deviation of a focal length by matches alone, as a share of it, from which on what
    lenses are like is asked: at 0.12, unordered photos of a camera each became worse by it."""
    min_shift_typical: float = 0.06
    """Share likewise by which what lenses are like must move it, which says little: moving those of
    unordered photos by 3 to 5 % made their poses no better."""
    noise_factor: float = 2.0
    """By which bundle adjustment is too sure of itself: it takes errors of keypoints for
    independent, which they are not."""
    max_aspect: float = 0.015
    """Logarithm of the ratio of both focal lengths: pixels are square."""


@dataclass(frozen=True)
class LensGroupThresholds:
    """When photos of one camera are of several lenses."""

    many_photos: int = 100
    """Photos from which on only those are asked that a model gives reason to ask."""
    denied_share: float = 0.15
    """Share of a photo's matches that contradict a model, from which on focal lengths are asked
    photo by photo: of photos of one lens at most 8 % did, but for a photo in some captures that
    something else speaks against as well."""
    denied_matches: int = 30
    """Matches that it must be."""
    min_explained: float = 0.7
    """Share of all matches that a model explains, below which focal lengths are asked as well: two
    lenses alternating lead to two models in one, whose matches with each other are a little off."""
    min_pull: float = 0.02
    """Change of the logarithm of a focal length that a photo's own points must call for. In real
    photos of one lens none did by more than 1.2 %."""
    pull_sigmas: float = 4.0
    """Standard deviations of it that it must be."""
    told_center: float = 0.004
    """Standard deviation of a principal point by one photo's points, over the longer side, up to
    which they tell it: a flat wall leaves it open, and pose and lens make up for each other."""
    min_crop_shift: float = 0.015
    """Share of the longer side by which a photo's own points must have its principal point off its
    camera's: in real photos of one lens at most 1.1 % were seen."""
    pairs: int = 6
    """Pairs of each photo that are asked."""
    breathing: float = 0.02
    """Standard deviation of the logarithm of a focal length that focusing makes."""
    correlated: float = 2.0
    """Factor of standard deviations for what matches have in common: keypoints, and the lens."""
    max_sigma: float = 0.2
    """Standard deviation of the logarithm of a photo's focal length, all others known, beyond which
    its matches do not say which lens it is of."""
    min_gain: float = 25.0
    """Squared standard deviations that each further lens must explain."""
    min_apart: float = 0.06
    """Difference of the logarithms of two lenses' focal lengths."""
    min_saved: float = 0.1
    """Share of the cost of unseen matches that further lenses must save."""
    min_sigmas: float = 3.0
    """Standard deviations of the saving that it must be."""


LENS = LensThresholds()
LENS_GROUPS = LensGroupThresholds()
