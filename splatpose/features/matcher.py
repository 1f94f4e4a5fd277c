"""Local features of a photo, and what every matcher can do with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from ..io.arrays import DAMAGED_ARRAYS
from ..io.atomic import replacing

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


@runtime_checkable
class Matcher(Protocol):
    """Extracts features once a photo and then matches pairs of them."""

    name: str
    working_size: int
    """Longer side in pixels to which photos are scaled before features are extracted."""

    def extract(self, photo: UInt8[np.ndarray, "H W 3"]) -> Features:
        """Features of an RGB photo, its keypoints in the photo's own pixels."""
        ...

    def match(self, first: Features, second: Features) -> Int[np.ndarray, "M 2"]:
        """Keypoint indices of putative one-to-one matches."""
        ...

    def similarity(self, descriptors: Shaped[np.ndarray, "K D"]) -> Float[np.ndarray, "K D"]:
        """Descriptors as unit vectors whose dot product says how alike two keypoints are."""
        ...
