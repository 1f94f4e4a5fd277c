"""What is said of every photo: whether its pose can be trusted, why, and what would help.

Light to import: outputs, terminal and viewer read verdicts and none of what found them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["trusted", "weak", "refused"]
"""Trusted: the pose may be relied upon. Weak: there is a pose, and too little or contradictory
evidence for it. Refused: no pose is given."""

NAN = float("nan")


@dataclass(frozen=True)
class PhotoTrust:
    """What speaks for and against one photo's pose. NaN: could not be measured."""

    verified_matches: int = 0
    """Verified matches with all other photos."""
    neighbours: int = 0
    """Registered photos with which the photo shares enough matches that agree with the poses."""
    spread: float = NAN
    """Share of the photo's area over which the matches that agree lie, 0 to 1."""
    held_out_share: float = NAN
    """Share of the matches that took no part in a solve which agree with its poses, 0 to 1."""
    imprecise: float = NAN
    """Median over all photos (those that no half of the matches places elsewhere, where they are at
    least half) of the share of their matches, 0 to 1, that neither agree with poses which they took
    no part in nor contradict the final ones: off by little, as where a rolling shutter or blur
    bends what the camera model takes for straight."""
    reading_motion: float = NAN
    """Median over all photos of the share of the squared errors of their points, 0 to 1, that a
    steady motion while rows or columns are read explains beyond chance: a rolling shutter's, not
    those of blur."""
    center_shift: float = NAN
    """Median over all photos of how far off its camera's principal point a photo's own points
    clearly call for one, in shares of the longer side; 0 for a photo whose points leave it open.
    Crops that move, as of stabilised video, and rolling shutters do, and crops to one side."""
    fold_rotation: float = NAN
    """Rotation in degrees by which models from disjoint halves of the matches differ at the
    photo."""
    fold_position: float = NAN
    """Distance of the photo's centres in models from disjoint halves of the matches, in percent of
    the RMS radius of the centres."""
    folds_agreeing: int = 0
    """Models from disjoint halves of the matches, 0 to 2, that place the photo as the final model
    does."""
    folds_denying: int = 0
    """Models from disjoint halves of the matches that place the photo elsewhere."""
    ways: int = 0
    """Different ways of mapping, of either half of the matches, that place the photo as the final
    model does."""
    rivals: int = 0
    """Mappings of a half of the matches that explain them about as well as its best one, and place
    the photo, or several others, elsewhere than the final model."""
    rival_here: float = 0.0
    """How nearly the best mapping that places the photo itself elsewhere explains the matches as
    well as the best of all: 1 as well, 0 too much worse to be a rival, or none does."""
    cycle_error: float = NAN
    """Median rotation error in degrees of the triangles of relative poses that the photo is in."""
    turn_error: float = NAN
    """Median difference in degrees of the relative rotations of the photo's pairs from the final
    model's."""
    rotation_sigma: float = NAN
    """Standard deviation of the photo's rotation from bundle adjustment, in degrees."""
    position_sigma: float = NAN
    """Standard deviation of the photo's centre from bundle adjustment, in percent of the RMS radius
    of the centres."""
    lens_rotation: float = NAN
    """Standard deviation in degrees by which the photo turns with its lens, within what matches
    leave open of a richer lens than the model has."""
    lens_position: float = NAN
    """Standard deviation by which the photo moves with the lens, likewise, in percent of the RMS
    radius of the centres."""
    drift_rotation: float = NAN
    """Degrees by which the photo would turn if the lens were the richer one that fits best."""
    drift_position: float = NAN
    """Distance by which the photo would move if the lens were the richer one that fits best, in
    percent of the RMS radius of the centres."""
    focal_sigma: float = NAN
    """Standard deviation of the focal length of the photo's camera, as a share of it, other numbers
    of the lens being as open."""
    focal_drift: float = NAN
    """Share by which the focal length of the photo's camera would change, up or down, if the lens
    were the richer one that fits best."""
    contradicted_share: float = NAN
    """Share of the photo's matches that the poses contradict, 0 to 1."""
    missing_overlap: float = NAN
    """Share of the photos that the photo must overlap, by the poses, with which it shares no
    matches, 0 to 1."""
    lookalikes: float = NAN
    """Share of the photo's pairs with very many matches that the poses deny, 0 to 1: such pairs
    show the same thing, or things that look the same."""
    lookalikes_near: float = NAN
    """The same of the pairs of the photo and of those that share enough matches with it which
    agree, 0 to 1."""
    lookalikes_shifted: float = NAN
    """Share of these that the poses deny, 0 to 1, only pairs that rotate their photos as the poses
    do: a copy stands beside the original."""
    ties: int = 0
    """Pairs of photos that hold the photo and what hangs on it at the weakest place; counted up to
    3."""
    bridge: float = NAN
    """Matches of the strongest pair that joins the photo's group to other groups, where photos of a
    group are joined by pairs with very many matches; counted up to as many, which photos of the
    main group have."""
    scale_sigma: float = NAN
    """How far the photo may be from its place because the scale of its part of the model is not
    known, a standard deviation in percent of the RMS radius of the centres; at most what the whole
    length of the part would make."""
    scale_hinge: str = ""
    """Name of the photo through which that part hangs on the rest; empty where the scale is
    known."""
    scale_points: int = 0
    """Points that are seen well from both that part and the rest."""
    depth_residual: float = NAN
    """Relative disagreement of the photo's prior depth with the triangulated points."""
    held_out_psnr: float = NAN
    """PSNR in dB of the rendering from the photo's pose, where it was held out of the training."""


@dataclass(frozen=True)
class PhotoVerdict:
    """The verdict on one photo."""

    name: str
    level: Level
    reason: str
    """One sentence for a person."""
    advice: str | None
    """What to photograph next for this photo's sake; None where nothing is needed."""
    evidence: PhotoTrust
    probability: float = NAN
    """That the pose is right, within 5 degrees and 5 % of the radius, 0 to 1; NaN without one."""


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on a run."""

    photos: tuple[PhotoVerdict, ...]
    """All V photos of the capture, in its order."""
    advice: tuple[str, ...]
    """What to photograph next, the most useful first; empty where nothing is needed."""
    notes: tuple[str, ...]
    """What holds for the model as a whole, for example that two halves of the matches agree."""
    lacking: str = ""
    """The one test that most of the weak photos fail where they pass all others, as a clause; empty
    where they fail several, or different ones."""

    def count(self, level: Level) -> int:
        """Number of photos with this verdict."""
        return sum(photo.level == level for photo in self.photos)

    @property
    def trusted_share(self) -> float:
        """Share of all photos that are trusted, 0 to 1."""
        return self.count("trusted") / len(self.photos) if self.photos else 0.0
