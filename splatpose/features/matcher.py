"""Local features of a photo, and what every matcher can do with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from ..io.arrays import DAMAGED_ARRAYS
from ..io.atomic import replacing
from ..scene.capture import Photo

PhotoMatches = tuple[int, int, Int[np.ndarray, "_ 2"]]
"""First photo, second photo, keypoint indices of their matches."""


@dataclass(frozen=True)
class Features:
    """Keypoints of one photo with their descriptors, strongest first."""

    keypoints: Float[np.ndarray, "K 2"]
    """Positions (x, y) in pixels of the photo as given; the top-left pixel's centre is (0.5,
    0.5)."""
    descriptors: Shaped[np.ndarray, "K D"]
    """Descriptors, of unit length for learned features; SIFT's are COLMAP's bytes (norm 512)."""
    width: int
    height: int
    """Size of the photo as given, in pixels."""

    def __len__(self) -> int:
        return len(self.keypoints)

    def strongest(self, count: int) -> Features:
        """The first `count` of them, or all if there are fewer."""
        return self.rows(slice(count))

    def rows(self, rows: slice | Int[np.ndarray, " R"]) -> Features:
        """Some of them."""
        return replace(self, keypoints=self.keypoints[rows], descriptors=self.descriptors[rows])

    def save(self, path: Path) -> None:
        """Writes the features to an .npz file, wholly or not at all."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                keypoints=self.keypoints,
                descriptors=self.descriptors,
                size=np.array([self.width, self.height]),
            )

    @classmethod
    def load(cls, path: Path) -> Features | None:
        """Reads `save`'s file; None where there is none or it is damaged."""
        try:
            with np.load(path) as data:
                width, height = data["size"].tolist()
                return cls(data["keypoints"], data["descriptors"], width, height)
        except (FileNotFoundError, *DAMAGED_ARRAYS):
            return None


@dataclass(frozen=True)
class DescriptorThresholds:
    """Cosines of the angle between two unit descriptors of one point."""

    min_cosine: float
    """Least of nearest neighbours, over the whole photo."""
    guided_cosine: float
    """Least of the best near an epipolar line, where there are few to choose from."""


def error_px(max_error: float, photos: Iterable[Features | Photo], working_size: int) -> float:
    """An error at working size in pixels of photos as given: keypoints of photos larger than that
    are coarser in proportion."""
    size = max(side for photo in photos for side in (photo.width, photo.height))
    return max_error * max(1.0, size / working_size)


@runtime_checkable
class Matcher(Protocol):
    """Extracts features once a photo and then matches pairs of them."""

    name: str
    working_size: int
    """Longer side in pixels to which photos are scaled before features are extracted."""
    pairs_at_once: int
    """Pairs that `match_pairs` is best asked about at a time: each thread its own on CPUs, more on
    GPUs."""

    @property
    def descriptors(self) -> DescriptorThresholds | None:
        """When learned descriptors count as alike; None where `match` itself goes by them alone."""
        ...

    def extract(self, photo: UInt8[np.ndarray, "H W 3"]) -> Features:
        """Features of an RGB photo, its keypoints in the photo's own pixels."""
        ...

    def match(self, first: Features, second: Features) -> Int[np.ndarray, "M 2"]:
        """Keypoint indices of putative one-to-one matches."""
        ...

    def match_pairs(
        self, pairs: Sequence[tuple[Features, Features]]
    ) -> list[Int[np.ndarray, "_ 2"]]:
        """What `match` finds in each of several pairs."""
        ...

    def similarity(self, descriptors: Shaped[np.ndarray, "K D"]) -> Float[np.ndarray, "K D"]:
        """Descriptors as unit vectors whose dot product says how alike two keypoints are."""
        ...
