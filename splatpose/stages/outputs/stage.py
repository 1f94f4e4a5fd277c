"""Stage 6: the run's results as files that other tools read, and the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...events import EventSink
from .config import OutputsConfig

if TYPE_CHECKING:
    from ...scene.capture import Capture
    from ...scene.depth_maps import DepthAlignment
    from ...scene.matches import MatchGraph
    from ...scene.sparse_model import SparseModel
    from ...scene.splats import TrainedSplats
    from ...scene.verdicts import Verdicts
    from ...scene.views import Views


def write_outputs(
    out: Path,
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    views: Views,
    trained: TrainedSplats,
    *,
    verdicts: Verdicts | None = None,
    depth: DepthAlignment | None = None,
    report_extras: dict[str, Any],
    emit: EventSink,
    config: OutputsConfig | None = None,
) -> str:
    """Writes what the user gets into `out` and returns a one-line summary.

    splat.ply, sparse/0 (COLMAP), sparse_pc.ply, transforms.json (nerfstudio), trajectory.tum,
    previews/, report.html and, last, report.json. Everything is written aside first, so that an
    earlier run's results stay whole until new ones replace them, and nothing of them is left then.

    Args:
        out: the run folder; must exist.
        capture: the photos.
        graph: their verified matches.
        poses: cameras and sparse points.
        views: what the Gaussians were trained on.
        trained: the Gaussians, and what was measured.
        verdicts: on every photo's pose.
        depth: what became of the depth priors, where there were any.
        report_extras: goes into report.json as it is: what only the pipeline knows (command,
            seed, config, and per stage its seconds, peak memory and summary).
        emit: receives warnings.
        config: how to write.

    Raises:
        SplatposeError: there is no finite Gaussian.
        OSError: the disk is full or not writable.
    """
    from .write import write_all

    return write_all(
        out,
        capture,
        graph,
        poses,
        views,
        trained,
        verdicts=verdicts,
        depth=depth,
        report_extras=report_extras,
        config=config or OutputsConfig(),
        emit=emit,
    )
