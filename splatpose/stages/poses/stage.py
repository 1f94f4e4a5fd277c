"""Stage 3: from matches to camera poses, the reconstruction that the evidence supports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...events import EventSink
from .config import PosesConfig

if TYPE_CHECKING:
    from ...scene.capture import Capture
    from ...scene.depth_maps import DepthPriors
    from ...scene.matches import MatchGraph
    from ...scene.sparse_model import SparseModel
    from ...sfm.viewgraph.refined_pairs import RefinedPairs


def solve_poses(
    capture: Capture,
    graph: MatchGraph,
    config: PosesConfig,
    folder: Path,
    emit: EventSink,
    *,
    seed: int,
    pairs: RefinedPairs | None = None,
    depth: DepthPriors | None = None,
) -> str:
    """Finds the poses of all photos and writes them, with their evidence, into `folder`.

    Finished reconstructions of an interrupted run in `folder` are used again.

    Args:
        pairs: relative poses that the local stage refined, for one more reconstruction.
        depth: maps of the same photos. They give scales that matches leave open, and never
            override matches.

    Returns:
        One line for a person.

    Raises:
        SplatposeError: a refusal: one photo, no overlap, a camera that only turned, or no
            reconstruction. It says why, and what to photograph next.
    """
    from .solve import solve

    return solve(capture, graph, config, folder, emit, seed=seed, pairs=pairs, depth=depth)


def load_poses(folder: Path) -> SparseModel:
    """Reads the result of `solve_poses`."""
    from .storage import load

    return load(folder)
