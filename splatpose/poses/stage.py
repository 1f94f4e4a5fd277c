"""Stage 3: from matches to camera poses, the reconstruction that the evidence supports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..events import EventSink

if TYPE_CHECKING:
    from ..types import Capture, MatchGraph, Poses


@dataclass(frozen=True)
class PosesConfig:
    """How camera poses are found and what counts as evidence for them."""

    max_rounds: int = 3
    """Rounds of two reconstructions each to try until two of them agree, 1 to 3."""
    threshold: float = 1.0
    """Distance within which a match counts as explained, in pixels of a photo whose longer side
    has 1000."""
    min_matches: int = 15
    """Verified matches that a pair of photos needs to count as overlapping."""
    intrinsics: Literal["auto", "simple"] = "auto"
    """auto: principal point and more distortion for a camera where matches that were not used to
    fit it support them; simple: focal length and one distortion coefficient."""
    workers: int = 2
    """Reconstructions that run side by side, in threads. Does not change the result."""


def solve_poses(
    capture: Capture,
    graph: MatchGraph,
    config: PosesConfig,
    folder: Path,
    emit: EventSink,
    *,
    seed: int,
) -> str:
    """Finds the poses of all photos and writes them, with their evidence, into `folder`.

    Finished reconstructions of an interrupted run in `folder` are used again.

    Returns:
        One line for a person.

    Raises:
        SplatposeError: a refusal: one photo, no overlap, a camera that only turned, or no
            reconstruction. It says why, and what to photograph next.
    """
    from .solve import solve

    return solve(capture, graph, config, folder, emit, seed=seed)


def load_poses(folder: Path) -> Poses:
    """Reads the result of `solve_poses`."""
    from .storage import load

    return load(folder)
