"""What each stage found, for the report: photos, clusters, hypotheses, the joint optimisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PlacedBy = Literal["mapping", "late", "splat", "none"]
"""The mapping of the chosen hypothesis, registration into its finished model, or depth rendered
from a splat of that."""


@dataclass(frozen=True)
class PhotoEvidence:
    """Why a photo was or was not given a pose."""

    name: str
    registered: bool
    reason: str
    """One sentence for a person."""
    verified_matches: int
    """Verified matches of this photo with all others."""
    inlier_share: float
    """Share of the photo's verified matches that the poses explain within the threshold, 0 to 1;
    NaN if not registered."""
    reprojection_error: float
    """Median reprojection error of the photo's triangulated keypoints in pixels; NaN if not
    registered."""
    placed_by: PlacedBy = "none"
    """What gave the photo its pose; "none" without one, and where it was not recorded."""


@dataclass(frozen=True)
class ClusterEvidence:
    """What refining the relative poses of one cluster of neighbouring views came to.

    Errors are means over the tracks held out of it, large ones clipped, in pixels of a photo whose
    longer side has 1000; NaN where nothing was tried.
    """

    photos: tuple[str, ...]
    """Names of the photos in the cluster."""
    kept: Literal["two views", "tracks", "joint"]
    """Origin of the relative poses that were kept: two-view geometry, a bundle adjustment of the
    cluster's tracks, or the optimisation together with Gaussians and prior depth."""
    reason: str
    """One sentence for a person."""
    held_out_tracks: int
    """Tracks that judged, and took no part in any of the solves."""
    match_error_two_views: float
    """Error of the held-out tracks with the relative poses of two-view geometry."""
    match_error_tracks: float
    """Error of the held-out tracks after the bundle adjustment."""
    match_error_joint: float
    """Error of the held-out tracks after the optimisation with Gaussians."""
    depth_maps: int
    """Photos whose prior depth took part."""
    steps: int
    """Steps of the optimisation with Gaussians."""
    seconds: float
    """Seconds that the cluster took."""


@dataclass(frozen=True)
class LocalEvidence:
    """What the local optimisation of relative poses came to."""

    clusters: tuple[ClusterEvidence, ...]
    """All clusters, in the order in which they were chosen."""
    num_pairs: int
    """Pairs of photos with enough matches."""
    num_refined: int
    """Pairs of photos whose relative pose a cluster replaced."""


@dataclass(frozen=True)
class HypothesisEvidence:
    """One candidate reconstruction and how well it explains the matches."""

    name: str
    num_registered: int
    num_points: int
    explained_share: float
    """Share of all verified matches (used or not) that agree within the threshold, cheirality
    included, 0 to 1; matches of photos that are not registered count as unexplained."""
    reprojection_error: float
    """Mean reprojection error of the triangulated observations in pixels."""
    focal_ratio: float
    """Focal length over the longer image side, of the least plausible camera."""
    seconds: float
    chosen: bool
    note: str
    """Why the hypothesis won or lost."""
    step_jump: float = float("nan")
    """Largest jump of the step from photo to photo that lasts, as a factor of at least 1, where
    what is seen is farther or nearer by as much; NaN where the photos are no walk, or too few."""
    confirmed: bool = False
    """Whether it is the chosen one and an independent one agrees."""


@dataclass(frozen=True)
class JointEvidence:
    """What the joint optimisation of poses and Gaussians came to, and what decided it.

    Pixels are those of a photo whose longer side has 1000.
    """

    decision: Literal["kept", "rolled back", "not tried"]
    """Whether the refined poses replaced the given ones."""
    reason: str
    """One sentence for a person."""
    candidate: Literal["joint", "re-solved", "none"]
    """Poses that were judged: those the training ended with, or those of the bundle adjustment that
    set out from them."""
    validation: tuple[str, ...]
    """Photos that judged, and no Gaussian was trained on before; none is a held-out photo."""
    psnr_before: float
    """Mean PSNR in dB over the validation photos with the poses as given; NaN if not measured."""
    psnr_after: float
    """Mean PSNR in dB over the validation photos with the refined poses."""
    held_out_tracks: int
    """Tracks that judged, and took no part in the optimisation."""
    match_error_before: float
    """Mean reprojection error in pixels of the held-out tracks after triangulation with the poses
    as given, large errors clipped."""
    match_error_after: float
    """Mean reprojection error in pixels of the held-out tracks with the refined poses."""
    rotation_change: float
    """Median change of rotation over the registered photos in degrees."""
    position_change: float
    """Median shift of the centre over the registered photos, in percent of the RMS radius of the
    camera centres."""
