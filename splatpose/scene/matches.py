"""Keypoints and verified matches of pairs of photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

SIFT_BESIDE = ", sift beside"
"""What the way of a pair ends with that has SIFT's matches beside those of its matcher."""


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
    """Keypoints (x, y) of each photo in pixels."""
    pairs: Int[np.ndarray, "P 2"]
    """Photo indices (i < j) of the pairs with at least one putative match."""
    num_putative: Int[np.ndarray, " P"]
    """Matches of each pair before geometric verification."""
    offsets: Int[np.ndarray, " P+1"]
    """First row of each pair's matches: pair p owns rows `offsets[p]:offsets[p+1]` of `matches`."""
    matches: Int[np.ndarray, "M 2"]
    """Verified matches: keypoint index in the first and in the second photo of the pair."""
    configuration: Int[np.ndarray, " P"]
    """COLMAP's `TwoViewGeometryConfiguration` of each pair (2 calibrated, 3 uncalibrated,
    4 planar, 5 panoramic, 6 planar or panoramic, 1 degenerate, 0 undefined)."""
    ways: tuple[str, ...] = ()
    """How each pair was matched, such as "nearest neighbours", perhaps with `SIFT_BESIDE` at the
    end; "" for pairs of which nobody recorded it, and empty where nobody recorded any."""
    tried: Int[np.ndarray, "Q 2"] | None = None
    """Photo indices (i < j) of all pairs that were matched or known to need none, whatever came
    out; None where nobody recorded it."""

    def verified(self, pair: int) -> Int[np.ndarray, "M 2"]:
        """Keypoint indices of the verified matches of pair number `pair`."""
        return self.matches[self.offsets[pair] : self.offsets[pair + 1]]

    @property
    def num_verified(self) -> Int[np.ndarray, " P"]:
        """Verified matches of each pair."""
        return np.diff(self.offsets)
