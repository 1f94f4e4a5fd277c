"""Between poses and training: how far every photo's pose can be trusted, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...events import EventSink
from ...scene.verdicts import Verdicts
from .config import TrustConfig

if TYPE_CHECKING:
    from ...scene.capture import Capture
    from ...scene.depth_maps import DepthAlignment
    from ...scene.matches import MatchGraph
    from ...scene.sparse_model import SparseModel
    from ...scene.splats import TrainedSplats


def judge_poses(
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    config: TrustConfig,
    folder: Path,
    emit: EventSink,
    *,
    max_error_px: float,
    min_matches: int,
    seed: int,
    depth: DepthAlignment | None = None,
) -> str:
    """Judges every photo's pose and writes the verdicts into `folder`. Changes no pose.

    Args:
        graph: keypoints and matches of the poses.
        poses: what is judged.
        config: how.
        folder: owned by this stage; models of the halves of the matches of an interrupted run in
            it are used again.
        emit: receives progress, and a warning where photos are not trusted.
        max_error_px: distance within which a match counts as explained, as `PosesConfig.max_error_px`.
        min_matches: of a pair that counts as overlapping, as `PosesConfig.min_matches`.
        seed: of the halves.
        depth: what the poses make of depth priors, where there are any.

    Returns:
        One line for a person.
    """
    from .run import judge_run

    return judge_run(
        capture,
        graph,
        poses,
        config,
        folder,
        emit,
        max_error_px=max_error_px,
        min_matches=min_matches,
        seed=seed,
        depth=depth,
    )


def load_verdicts(folder: Path) -> Verdicts:
    """Reads what `judge_poses` wrote."""
    from .storage import load

    return load(folder)


def with_held_out(verdicts: Verdicts, trained: TrainedSplats) -> Verdicts:
    """The verdicts after the training: what held-out photos look like from their poses counts too.

    A photo that its rendering does not resemble, far less than the others resemble theirs, is not
    trusted any more. No verdict becomes better.
    """
    from .rendering import revised

    return revised(verdicts, trained)
