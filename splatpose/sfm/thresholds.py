"""Thresholds of structure from motion: their reasons, and what they were set on where known.

Pixels are those of a photo whose longer side has `REFERENCE_SIDE`; angles are degrees.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InlierThresholds:
    """When matches count, whatever is fitted to them."""

    enough_matches: int = 15
    """Matches that agree, for a pair to count as overlapping, and for a pose to count as found:
    fewer agree by chance. COLMAP's default as well."""
    min_share: float = 0.5
    """Share of a pair's matches that must agree with its relative pose: verified matches are mostly
    right, so a pose that half of them deny is none."""
    sigmas: float = 3.0
    """Standard deviations of a pair's noise within which a match agrees with it."""
    noise_floor_px: float = 0.35
    """What lens and calibration leave in the best of matches: standard deviations found are no
    smaller."""


@dataclass(frozen=True)
class TrackThresholds:
    """How many tracks a model of many photos, or of very many matches, is built on."""

    of_a_cell: int = 2
    """Tracks that each of 64 cells of a photo keeps, the longest. With some 280 keypoints a photo
    in place of 900, made walks of 250 photos are mapped in a third of the time, and better: long
    tracks are true ones."""
    of_a_pair: int = 40
    """Matches that a pair keeps at least, for two-view geometry."""
    many_matches: int = 30_000
    """Verified matches of few photos from which on mappers are given those of selected tracks, and
    only the final refinement all of them: with fewer, mapping is quick and may need each."""


@dataclass(frozen=True)
class FocalRatioThresholds:
    """Focal lengths, over the longer side of their photos, that a lens can have."""

    start: tuple[float, float] = (0.4, 4.0)
    """Ratios to start from, or to take from a calibration: small sets and internet photos give
    focal lengths that no lens has."""
    result: tuple[float, float] = (0.3, 10.0)
    """Ratios of a finished model, as of EXIF: no lens is wider or longer. Phones zoom to 6.5."""

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
    """Angle from the pose that other pairs give to the one that the pair's own matches lead to."""


@dataclass(frozen=True)
class ViewGraphThresholds:
    """When pairs contradict each other."""

    cycle_sigmas: float = 4.0
    """Standard deviations of its three rotations by which a triangle may fail to close."""
    max_cycle_inflation: float = 8.0
    """Factor of them by errors that all pairs have in common, as a wrong focal length makes."""
    max_cycle_error: float = 12.0
    """Error beyond which no triangle closes, however uncertain its pairs are."""
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
    """Distance within which two keypoints are neighbours, and mostly about equally far."""
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
    """Pose of a pair's second camera, from depths in the first: maps are right to some percent
    only. False matches follow wrong depths as well as any; true ones follow nearly all."""
    late_pose: AbsolutePoseThresholds = AbsolutePoseThresholds(
        max_error_px=12.0, min_inlier_ratio=0.4
    )
    """Pose of a photo left out, from depths and points of all photos that it matches."""
    max_rotation_sigma: float = 2.0
    """Sigma of a pair's rotation from depths: without relief it is as open as on a plane."""
    same_rotation: float = 10.0
    """Angle by which poses from the depths in either photo of a pair may differ."""
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
    """Tracks that two photos must share to hold each other's scale."""
    min_part_points: int = 6
    """Points of a photo in either part that it joins, to compare their depths."""


@dataclass(frozen=True)
class ConsistencyThresholds:
    """When a match agrees with a model, contradicts it, or says nothing."""

    transfer_factor: float = 3.0
    """Thresholds by which the point of one keypoint may project from the other: it is nobody's best
    point for both."""
    contradiction: float = 5.0
    """Thresholds from which on a match contradicts: what is farther off is no matter of noise."""
    contradiction_weight: float = 0.5
    """What the share of contradicted matches takes from a model's score, over what the share of
    explained ones gives it."""
    min_agreeing: int = 10
    """Matches between two groups of photos that agree, for them to be one."""
    outweighs: float = 4.0
    """Contradictions that one agreeing match between two groups outweighs: matches are false in
    many ways, and agree with a wrong model only by chance."""
    pair_cap: int = 200
    """Matches of one pair that count in the balanced share, so that a few heavy pairs do not
    outvote the rest."""


@dataclass(frozen=True)
class StepThresholds:
    """When the steps of a walk tell a model that a part of it has another scale."""

    ordered_share: float = 0.8
    """Share of the photos whose best match was taken shortly before or after, for photos to be a
    walk: of photos in no order, one in ten has such a neighbour by chance."""
    best_match_within: int = 2
    """Photos that may lie between, plus one: neighbours that are nearly equal match alike."""
    distinct_times: float = 0.5
    """Share of EXIF times that differ, for them to tell an order: cameras that write whole seconds
    give some photos the same, copies that lost their times all."""
    window: int = 6
    """Steps before and after: a jump must last, and who stands still, stumbles or runs for a few
    photos is outvoted; a change that takes as long is none."""
    fewest: int = 4
    """Steps that must be known of them: the photos between may have no pose."""
    longest_gap: int = 3
    """Photos without a pose across which a step still tells the length of one, plus one."""
    tolerated: float = 1.0
    """Powers of 2 by which steps may jump for nothing: people do walk twice as fast."""
    weight: float = 0.02
    """Score that each further power of 2 costs: a jump by 8 outweighs 2 % of the matches (on a
    stretched walk of 302 photos the wrong model explained 1.9 % more than a better one), one by 2
    nothing."""
    most: float = 0.06
    """Score that a jump costs at most: steps are no match for matches where many speak."""


@dataclass(frozen=True)
class EvidenceThresholds:
    """When the reason of a photo's place says that little speaks for it."""

    weak_share: float = 0.5
    """Share of its matches that agree with its pose."""
    weak_matches: int = 50
    """Verified matches of the photo."""


@dataclass(frozen=True)
class LateRegistrationThresholds:
    """When a photo that mapping left out is registered with the finished model."""

    min_inlier_ratio: float = 0.15
    """Inliers of a late PnP over all its points: a finished model is a better judge than a growing
    one."""
    support: float = 2.0
    """Matches that agree with a late photo's pose over those that contradict it."""
    min_neighbours: int = 2
    """Registered photos that must match, and agree with, a photo placed on the splat's depth."""
    neighbour_matches: int = 8
    """Matches that agree, for a neighbour to count."""
    max_on_tracks: float = 0.5
    """Share of a photo's matches that meet a point: with more, PnP on points had its chance."""
    min_with_model: float = 0.25
    """Share of a photo's matches that are with registered photos: with fewer, it belongs to others
    that were left out, and what matches here is a thing that is in two places."""
    held_out_share: float = 0.2
    """Share of a photo's keypoints whose matches judge its pose."""
    outliers_px: tuple[float, float] = (30.0, 6.0)
    """Matches further off take no part in the first and second refinement."""
    min_share: float = 0.5
    """Share of the matches with registered photos that must agree: less is enough for a photo that
    points place, for more than one thing speaks for it."""
    prediction_px: float = 24.0
    """Distance of matches from where others' depth and pose have them."""
    predicted_share: float = 0.5
    """Share of a neighbour's matches that must be so near."""
    max_rotation: float = 2.5
    """Angle by which poses from two halves of the matches may differ; the pose from all matches is
    twice as certain as their difference."""
    max_position: float = 0.025
    """Distance of poses from two halves, as a share of the cameras' RMS radius."""


INLIERS = InlierThresholds()
TRACKS = TrackThresholds()
TRACKS_OF_FEW = TrackThresholds(of_a_cell=4, of_a_pair=100)
"""The same where photos are few: incremental mapping starts from pairs of a hundred matches."""
FOCAL_RATIOS = FocalRatioThresholds()
TWO_VIEW = TwoViewThresholds()
VIEW_GRAPH = ViewGraphThresholds()
DEPTH = DepthThresholds()
CONSISTENCY = ConsistencyThresholds()
STEPS = StepThresholds()
EVIDENCE = EvidenceThresholds()
LATE = LateRegistrationThresholds()
