"""Between matching and poses: relative poses refined in clusters, or left as two views say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...events import EventSink
from ...keys import Stage
from .config import LocalConfig

if TYPE_CHECKING:
    from ...scene.capture import Capture
    from ...scene.depth_maps import DepthPriors
    from ...scene.evidence import LocalEvidence
    from ...scene.matches import MatchGraph
    from ...sfm.viewgraph.refined_pairs import RefinedPairs


def refine_pairs(
    capture: Capture,
    graph: MatchGraph,
    config: LocalConfig,
    folder: Path,
    emit: EventSink,
    *,
    depth: DepthPriors | None,
    backend: Literal["auto", "gsplat", "cpu"],
    min_matches: int,
    seed: int,
) -> str:
    """Optimises clusters of neighbouring views and keeps the poses that unseen matches confirm.

    The local part of NoPe-NeRF++ (arXiv 2511.17322) with Gaussians in place of the field: in each
    cluster poses, Gaussians and the scale and shift of prior depth are optimised together. The
    clusters run in processes that are started afresh, so a script that calls this needs the usual
    `if __name__ == "__main__"`. An interrupted stage goes on with the clusters that are missing.

    Args:
        capture: the photos.
        graph: their matches.
        depth: relative depth of the photos, if there is any.
        config: how; `steps` must not be 0.
        backend: rasterizer.
        folder: owned by this stage.
        emit: receives progress, and a summary as a message.
        min_matches: verified matches that a pair needs, as `PosesConfig.min_matches`.
        seed: of everything random.

    Returns:
        One line for a person.

    Raises:
        SplatposeError: a setting is out of bounds, or a photo cannot be read any more.
    """
    from .refine import refine

    return refine(
        capture, graph, depth, config, backend, folder, emit, min_matches=min_matches, seed=seed
    )


def load_local(folder: Path) -> tuple[RefinedPairs, LocalEvidence]:
    """Reads what `refine_pairs` wrote."""
    from .storage import load

    return load(folder)


LOCAL = Stage("local", refine_pairs, load_local)
