"""The values that flow from stage to stage.

    images/video -> Capture -> MatchGraph -> Poses -> Views -> Joint -> Splats -> outputs

Conventions everywhere: `cam_from_world`, OpenCV axes (+x right, +y down, +z forward),
quaternions wxyz, the centre of the top-left pixel at (0.5, 0.5). Shapes: V views, P pairs,
K keypoints, M matches, T tracks, O observations, N Gaussians, H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

if TYPE_CHECKING:
    import torch

CameraModel = Literal["SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV"]
"""COLMAP's camera models that splatpose estimates, by COLMAP's names and parameter orders."""

_SINGLE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one physical camera, in pixels of the photo as given (orientation applied)."""

    model: CameraModel
    width: int
    height: int
    params: Float[np.ndarray, " C"]
    """In COLMAP's order for `model`: focal length(s), principal point, distortion."""

    @property
    def K(self) -> Float[np.ndarray, "3 3"]:
        """The 3x3 calibration matrix in pixels, distortion left out."""
        if self.model in _SINGLE_FOCAL:
            f, cx, cy = self.params[:3]
            return np.array([[f, 0, cx], [0, f, cy], [0, 0, 1]], np.float64)
        fx, fy, cx, cy = self.params[:4]
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)

    @property
    def distortion(self) -> Float[np.ndarray, " D"]:
        """Distortion coefficients in COLMAP's order; empty for a pinhole camera."""
        return self.params[3:] if self.model in _SINGLE_FOCAL else self.params[4:]

    def resized(self, width: int, height: int) -> Camera:
        """The same camera for photos scaled to `width` x `height` pixels."""
        sx, sy = width / self.width, height / self.height
        params = self.params.copy()
        if self.model in _SINGLE_FOCAL:
            params[:3] *= (np.sqrt(sx * sy), sx, sy)
        else:
            params[:4] *= (sx, sy, sx, sy)
        return replace(self, width=width, height=height, params=params)


@dataclass(frozen=True)
class CameraGroup:
    """Photos taken with one camera at one zoom and one size: they share intrinsics."""

    label: str
    """For people: make, model and focal length where EXIF has them, else the size."""
    width: int
    height: int
    focal_prior: float | None
    """Focal length in pixels from EXIF, or None where the photos do not say."""


@dataclass(frozen=True)
class Photo:
    """One usable photo. Width and height are those after EXIF orientation is applied."""

    name: str
    """Path relative to the input folder with forward slashes: unique, and stable between runs."""
    path: Path
    width: int
    height: int
    group: int
    """Index into `Capture.groups`."""
    sha256: str
    """Hash of the file's bytes."""


@dataclass(frozen=True)
class SkippedFile:
    """A file that looked like a photo and is not used."""

    name: str
    reason: str


@dataclass(frozen=True)
class Capture:
    """What the user gave us: the usable photos in natural name order, and what was skipped."""

    photos: tuple[Photo, ...]
    groups: tuple[CameraGroup, ...]
    skipped: tuple[SkippedFile, ...] = ()


@dataclass(frozen=True)
class MatchGraph:
    """Keypoints of every photo and geometrically verified matches of pairs of photos.

    A view of the COLMAP database at `database`, whose image ids are photo index + 1 and camera
    ids group index + 1. Pixels are those of the photo as given.
    """

    database: Path
    matcher: str
    """The matcher that ran: "xfeat", "xfeat+sift", "aliked" or "sift"."""
    keypoints: tuple[Float[np.ndarray, "_K 2"], ...]
    """For each photo its keypoints (x, y) in pixels."""
    pairs: Int[np.ndarray, "P 2"]
    """Photo indices (i < j) of the pairs with at least one putative match."""
    num_putative: Int[np.ndarray, " P"]
    """Matches of each pair before geometric verification."""
    offsets: Int[np.ndarray, " P+1"]
    """Pair p owns rows `offsets[p]:offsets[p+1]` of `matches`."""
    matches: Int[np.ndarray, "M 2"]
    """Verified matches: keypoint index in the first and in the second photo of the pair."""
    configuration: Int[np.ndarray, " P"]
    """COLMAP's `TwoViewGeometryConfiguration` of each pair (2 calibrated, 3 uncalibrated,
    4 planar, 5 panoramic, 6 planar or panoramic, 1 degenerate, 0 undefined)."""

    def verified(self, pair: int) -> Int[np.ndarray, "M 2"]:
        """Keypoint indices of the verified matches of pair number `pair`."""
        return self.matches[self.offsets[pair] : self.offsets[pair + 1]]

    @property
    def num_verified(self) -> Int[np.ndarray, " P"]:
        """Verified matches of each pair."""
        return np.diff(self.offsets)


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
    """Share of those that the poses explain within the threshold; NaN if not registered."""
    reprojection_error: float
    """Median reprojection error of its triangulated keypoints in pixels; NaN if not registered."""


@dataclass(frozen=True)
class ClusterEvidence:
    """What refining the relative poses of one cluster of neighbouring views came to.

    Errors are means over the tracks held out of it, large ones clipped, in pixels of a photo whose
    longer side has 1000; NaN where nothing was tried.
    """

    photos: tuple[str, ...]
    kept: Literal["two views", "tracks", "joint"]
    """Whose poses: those of two-view geometry, of a bundle adjustment of the cluster's tracks, or
    of the optimisation together with Gaussians and prior depth."""
    reason: str
    """One sentence for a person."""
    held_out_tracks: int
    match_error_two_views: float
    match_error_tracks: float
    match_error_joint: float
    depth_maps: int
    """Photos whose prior depth took part."""
    steps: int
    seconds: float


@dataclass(frozen=True)
class LocalEvidence:
    """What the local optimisation of relative poses came to."""

    clusters: tuple[ClusterEvidence, ...]
    num_pairs: int
    """Pairs with enough matches."""
    num_refined: int
    """Those whose relative pose is that of a cluster now."""


@dataclass(frozen=True)
class HypothesisEvidence:
    """One candidate reconstruction and how well it explains the matches."""

    name: str
    num_registered: int
    num_points: int
    explained_share: float
    """Share of all verified matches (used or not) that agree within the threshold, cheirality
    included; matches of photos that are not registered count as unexplained."""
    reprojection_error: float
    """Mean over the triangulated observations in pixels."""
    focal_ratio: float
    """Focal length over the longer image side, the least plausible camera's."""
    seconds: float
    chosen: bool
    note: str
    """Why it won or lost."""


SnapshotStage = Literal["initial", "local", "global", "joint"]
"""initial: the chosen hypothesis. local: parts of it refined by themselves. global: after bundle
adjustment of the whole. joint: after the optimisation together with Gaussians."""


@dataclass(frozen=True)
class PoseSnapshot:
    """The model at one moment of its making, in the frame of the `Poses` that hold it."""

    stage: SnapshotStage
    cam_from_world: Float[np.ndarray, "V 4 4"]
    """NaN where a photo had no pose then."""
    points: Float[np.ndarray, "N 3"]
    """Its sparse points; their number and order are the snapshot's own."""


@dataclass(frozen=True)
class Poses:
    """Cameras and sparse points. World frame: right-handed, gravity along +y as far as the
    photos tell, centred, camera centres' RMS radius about 1."""

    names: tuple[str, ...]
    """All V photos of the capture, in its order, registered or not."""
    registered: Bool[np.ndarray, " V"]
    cam_from_world: Float[np.ndarray, "V 4 4"]
    """NaN where a photo is not registered."""
    camera_index: Int[np.ndarray, " V"]
    cameras: tuple[Camera, ...]
    points: Float[np.ndarray, "T 3"]
    point_colors: UInt8[np.ndarray, "T 3"]
    point_errors: Float[np.ndarray, " T"]
    """Mean reprojection error of each track in pixels."""
    observations: Int[np.ndarray, "O 3"]
    """Rows (track, photo, keypoint), grouped by track."""
    observation_xy: Float[np.ndarray, "O 2"]
    """Pixel of each observation in the photo as given."""
    model_dir: Path
    """The same as a COLMAP binary model."""
    evidence: tuple[PhotoEvidence, ...]
    hypotheses: tuple[HypothesisEvidence, ...]
    snapshots: tuple[PoseSnapshot, ...] = ()
    """How the poses came to be, the present ones last; empty where that was not recorded."""


@dataclass(frozen=True)
class Views:
    """Registered photos as a Gaussian trainer wants them: undistorted pinhole, resized."""

    names: tuple[str, ...]
    images: tuple[UInt8[np.ndarray, "_H _W 3"], ...]
    """RGB. Sizes may differ between cameras."""
    masks: tuple[Bool[np.ndarray, "_H _W"] | None, ...]
    """True where the undistorted pixel exists in the photo; None when all do."""
    Ks: Float[np.ndarray, "V 3 3"]
    cam_from_world: Float[np.ndarray, "V 4 4"]
    held_out: Bool[np.ndarray, " V"]
    """Photos that Gaussian training must never see before they are measured."""
    points: Float[np.ndarray, "T 3"]
    point_colors: UInt8[np.ndarray, "T 3"]


@dataclass(frozen=True)
class JointEvidence:
    """What the joint optimisation of poses and Gaussians came to, and what decided it.

    Pixels are those of a photo whose longer side has 1000.
    """

    decision: Literal["kept", "rolled back", "not tried"]
    reason: str
    """One sentence for a person."""
    candidate: Literal["joint", "re-solved", "none"]
    """Which poses were judged: those the training ended with, or those of the bundle adjustment
    that set out from them."""
    validation: tuple[str, ...]
    """Photos that judged, and no Gaussian was trained on before; none is a held-out photo."""
    psnr_before: float
    """Mean over the validation photos with the poses as given in dB; NaN if not measured."""
    psnr_after: float
    held_out_tracks: int
    """Tracks that judged, and took no part in the optimisation."""
    match_error_before: float
    """Their mean reprojection error after triangulation, large ones clipped."""
    match_error_after: float
    rotation_change: float
    """Median over the registered photos in degrees."""
    position_change: float
    """Median over the registered photos in percent of the RMS radius of the camera centres."""


@dataclass(frozen=True)
class Joint:
    """Poses and views after the joint optimisation: refined ones, or the given ones."""

    poses: Poses
    views: Views
    evidence: JointEvidence


@dataclass(frozen=True)
class Splats:
    """N Gaussians with their parameters as they are optimised and as .ply files store them."""

    means: Float[torch.Tensor, "N 3"]
    quats: Float[torch.Tensor, "N 4"]
    """wxyz, not necessarily normalised."""
    log_scales: Float[torch.Tensor, "N 3"]
    logit_opacities: Float[torch.Tensor, " N"]
    sh: Float[torch.Tensor, "N K 3"]
    """Spherical-harmonics coefficients, K = (degree + 1)^2, the constant one first."""

    @property
    def sh_degree(self) -> int:
        return round(self.sh.shape[1] ** 0.5) - 1

    def __len__(self) -> int:
        return self.means.shape[0]


@dataclass(frozen=True)
class HeldOutScore:
    """How well the splat predicts one photo it was not trained on."""

    name: str
    psnr: float
    """dB."""
    ssim: float


@dataclass(frozen=True)
class TrainedSplats:
    """What the splats stage leaves: the Gaussians and what was measured on the way."""

    splats: Splats
    held_out: tuple[HeldOutScore, ...]
    """Measured before any held-out photo was trained on."""
    final_pass_on_all: bool
    """Whether a last pass trained on the held-out photos too, after the measurement."""
    backend: str
    steps: int
    curve: tuple[tuple[int, float, float, int], ...]
    """Samples (step, seconds, loss, number of Gaussians)."""
    previews_dir: Path
    """PNG files `NAME.png`: each held-out photo beside its rendering at the measurement."""
