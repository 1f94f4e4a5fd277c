"""Settings of the poses stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ...bounds import WORKERS, Bounds
from ...keys import UNKEYED
from ...sfm.thresholds import INLIERS


@dataclass(frozen=True)
class PosesConfig:
    """How camera poses are found and what counts as evidence for them."""

    max_rounds: Annotated[int, Bounds(1, 3)] = 3
    """Rounds of two reconstructions each to try until two of them agree, 1 to 3."""
    max_error_px: Annotated[float, Bounds(0.01, 1000)] = 1.0
    """Distance within which a match counts as explained, in pixels of a photo whose longer side
    has 1000."""
    min_matches: Annotated[int, Bounds(1, 1_000_000)] = INLIERS.enough_matches
    """Verified matches that a pair of photos needs to count as overlapping."""
    intrinsics: Literal["auto", "simple"] = "auto"
    """auto: principal point and more distortion for a camera where matches that were not used to
    fit it support them; simple: focal length and one distortion coefficient."""
    depth_pairs: bool = False
    """Where there are depth maps, one more reconstruction in which they give the poses of pairs
    whose matches say little. More photos of sparse captures find a place, but often at wrong
    scales."""
    workers: Annotated[int, WORKERS] = field(default=2, metadata=UNKEYED)
    """Reconstructions that run side by side, in threads. Does not change the result."""
