"""Thresholds of structure from motion: their reasons, and what they were set on where known.

Pixels are those of a photo whose longer side has `REFERENCE_SIDE`; angles are degrees.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InlierThresholds:
    """When matches count, whatever is fitted to them."""

    enough_matches: int = 15
    """That agree, for a pair to count as overlapping, and for a pose to count as found: fewer agree
    by chance. COLMAP's default as well."""
    min_share: float = 0.5
    """Of a pair's matches that must agree with its relative pose: verified matches are mostly
    right, so a pose that half of them deny is none."""
    sigmas: float = 3.0
    """Standard deviations of a pair's noise within which a match agrees with it."""
    noise_floor_px: float = 0.35
    """What lens and calibration leave in the best of matches: standard deviations found are no
    smaller."""


@dataclass(frozen=True)
class FocalRatioThresholds:
    """Focal lengths, over the longer side of their photos, that a lens can have."""

    start: tuple[float, float] = (0.4, 4.0)
    """To start from, or to take from a calibration: small sets and internet photos give focal
    lengths that no lens has."""
    result: tuple[float, float] = (0.3, 5.0)
    """Ratios of a finished model, not refused for a lens somewhat wider or longer."""

    def plausible_start(self, ratio: float) -> bool:
        """Whether a reconstruction may start from such a focal length."""
        return bool(self.start[0] <= ratio <= self.start[1])

    def plausible_result(self, ratio: float) -> bool:
        """Whether a finished model may have such a focal length."""
        return bool(self.result[0] <= ratio <= self.result[1])


@dataclass(frozen=True)
class TwoViewThresholds:
    """When the relative pose of a pair counts."""

    ransac_max_error_px: float = 2.0
    """Distance of matches from the essential matrix or homography that RANSAC seeks."""
    max_rotation_sigma: float = 4.0
    """Standard deviation of the rotation about its least certain axis: what is less certain is
    nothing to build on."""
    near_max_noise_px: float = 2.5
    """False matches fit no pose close to a given one better than that."""
    near_max_rotation: float = 10.0
    """From the pose that other pairs give to the one that the pair's own matches lead to."""


@dataclass(frozen=True)
class ViewGraphThresholds:
    """When pairs contradict each other."""

    cycle_sigmas: float = 4.0
    """Standard deviations of its three rotations by which a triangle may fail to close."""
    max_cycle_inflation: float = 8.0
    """Factor of them by errors that all pairs have in common, as a wrong focal length makes."""
    max_cycle_error: float = 12.0
    """Beyond which no triangle closes, however uncertain its pairs are."""
    rotation_floor: float = 0.3
    """Standard deviations of relative rotations count as no smaller in a triangle."""
    min_belief: float = 0.6
    """Probability from which on a pair is built on."""
    min_rotation_residual: float = 2.0
    """A relative rotation that is off the averaged ones by less is never rejected."""
    max_rotation_residual: float = 10.0
    """A relative rotation that is off the averaged ones by more is always rejected."""
    rotation_sigmas: float = 5.0
    """Standard deviations of all pairs' residuals that a relative rotation may be off."""
    own_rotation_sigmas: float = 3.0
    """Standard deviations by its own matches that a relative rotation may be off, if more."""
    min_parallax: float = 1.0
    """Median angle between the rays of a pair's matches, for its direction of translation to say
    something."""
    max_offset_residual: float = 0.5
    """Share of a baseline by which its end may miss the other camera."""
    depth_sigmas: float = 4.0
    """Standard deviations of a pair's noise that a match may be off, and that the angle between its
    rays must exceed, for its depth to count."""
    min_shared_depths: int = 6
    """Keypoints that two pairs share in a photo, for their baselines to be compared."""
    near_px: float = 50.0
    """Within which two keypoints are neighbours, and mostly about equally far."""
    min_near: int = 6
    """Neighbours that tell the ratio of two components' scales."""


@dataclass(frozen=True)
class AbsolutePoseThresholds:
    """When a pose from points counts as found."""

    max_error_px: float
    """Reprojection error of an inlier."""
    min_inlier_ratio: float
    """Inliers over all points."""
    min_inliers: int = InlierThresholds.enough_matches
    trials: tuple[int, int] = (100, 3000)
    """Fewest and most of the RANSAC."""


@dataclass(frozen=True)
class DepthThresholds:
    """When depth maps are asked, and when they are believed."""

    pair_pose: AbsolutePoseThresholds = AbsolutePoseThresholds(
        max_error_px=8.0, min_inlier_ratio=0.85
    )
    """Of a pair's second camera, from depths in the first: maps are right to some percent only.
    False matches follow wrong depths as well as any; true ones follow nearly all."""
    late_pose: AbsolutePoseThresholds = AbsolutePoseThresholds(
        max_error_px=12.0, min_inlier_ratio=0.4
    )
    """Pose of a photo left out, from depths and points of all photos that it matches."""
    max_rotation_sigma: float = 2.0
    """Sigma of a pair's rotation from depths: without relief it is as open as on a plane."""
    same_rotation: float = 10.0
    """By which poses from the depths in either photo of a pair may differ."""
    clearly_better: float = 2.0
    """Ratio of standard deviations that decides between two that differ by more."""
    min_parallax: float = 3.0
    """Pairs with less tell no depths to align a map with, and are asked anew with maps."""
    wide_parallax: float = 10.0
    """More makes a pair no better to align a map with."""
    min_points: int = 30
    """Matches of one pair, to align a map with."""
    sure_inliers: int = 100
    """Pairs with parallax and as many inliers need no map."""
    kept_rotation: float = 4.0
    """A pair's own pose, the more exact one, stays where its rotation differs from the maps' by no
    more, and its direction of translation by no more than `kept_direction`."""
    kept_direction: float = 15.0
    """Angle between the directions of translation by a pair's matches and by maps, for the former
    to stay."""
    weakly_shared: int = 20
    """Photos that share fewer tracks hold each other weakly: maps join the bundle adjustment."""
    min_term_points: int = 20
    """Points of a photo on valid values of its map, to join it."""
    chance: float = 2.0
    """Standard deviations by which matches may change sides by chance (McNemar 1947)."""
    min_shared_tracks: int = 3
    """That two photos must share to hold each other's scale."""
    min_part_points: int = 6
    """Points of a photo in either part that it joins, to compare their depths."""


INLIERS = InlierThresholds()
FOCAL_RATIOS = FocalRatioThresholds()
TWO_VIEW = TwoViewThresholds()
VIEW_GRAPH = ViewGraphThresholds()
DEPTH = DepthThresholds()
