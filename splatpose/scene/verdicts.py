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
    """Registered photos with which it shares enough matches that agree with the poses."""
    spread: float = NAN
    """Share of the photo's area over which the matches that agree lie, 0 to 1."""
    held_out_share: float = NAN
    """Share of the matches that took no part in a solve which agree with its poses, 0 to 1."""
    fold_rotation: float = NAN
    """Rotation in degrees by which models from disjoint halves of the matches differ here."""
    fold_position: float = NAN
    """Distance of the centres of those models, in percent of the RMS radius of the centres."""
    folds_agreeing: int = 0
    """Models from disjoint halves of the matches, 0 to 2, that place it as the final model does."""
    folds_denying: int = 0
    """Models from disjoint halves of the matches that place it elsewhere."""
    ways: int = 0
    """Different ways of mapping, of either half, that place it as the final model does."""
    rivals: int = 0
    """Mappings of a half that explain the matches about as well as its best one, and place it, or
    several other photos, elsewhere than the final model."""
    cycle_error: float = NAN
    """Median rotation error of the triangles of relative poses that it is in, in degrees."""
    turn_error: float = NAN
    """Median difference of its pairs' own relative rotations from the final model's, in degrees."""
    rotation_sigma: float = NAN
    """Standard deviation of its rotation from bundle adjustment, in degrees."""
    position_sigma: float = NAN
    """Standard deviation of its centre, in percent of the RMS radius of the centres."""
    contradicted_share: float = NAN
    """Share of its matches that the poses contradict, 0 to 1."""
    missing_overlap: float = NAN
    """Share of the photos that it must overlap, by the poses, with which it shares no matches."""
    lookalikes: float = NAN
    """Share of its pairs with very many matches that the poses deny: such pairs show the same
    thing, or things that look the same."""
    lookalikes_overall: float = NAN
    """The same of all photos' pairs together."""
    lookalikes_shifted: float = NAN
    """The same of all pairs, but only those that turn their photos as the poses do: a copy stands
    beside the original."""
    ties: int = 0
    """Pairs of photos that hold it and what hangs on it at the weakest place; counted up to 3."""
    depth_residual: float = NAN
    """Relative disagreement of its prior depth with the triangulated points."""
    held_out_psnr: float = NAN
    """PSNR in dB of the rendering from its pose, where the photo was held out of the training."""


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


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on a run."""

    photos: tuple[PhotoVerdict, ...]
    """All V photos of the capture, in its order."""
    advice: tuple[str, ...]
    """What to photograph next, the most useful first; empty where nothing is needed."""
    notes: tuple[str, ...]
    """What holds for the model as a whole, for example that two halves of the matches agree."""

    def count(self, level: Level) -> int:
        """Number of photos with this verdict."""
        return sum(photo.level == level for photo in self.photos)

    @property
    def trusted_share(self) -> float:
        """Share of all photos that are trusted, 0 to 1."""
        return self.count("trusted") / len(self.photos) if self.photos else 0.0
