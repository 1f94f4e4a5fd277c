"""The end of the poses stage: photos that were left out, on the depth that Gaussians render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...events import EventSink

if TYPE_CHECKING:
    from ...scene.capture import Capture
    from ...scene.matches import MatchGraph
    from ..poses.config import PosesConfig


def place_left_out(
    capture: Capture,
    graph: MatchGraph,
    config: PosesConfig,
    backend: Literal["auto", "gsplat", "cpu"],
    folder: Path,
    emit: EventSink,
    *,
    seed: int,
) -> str:
    """Adds photos to what `solve_poses` left in `folder`. Poses that are there stay as they are.

    Tried are photos that belong to the model by their matches, most of which meet keypoints
    without a point; without any, nothing is done. Gaussians trained for a moment on the photos
    around them give those keypoints a depth, and are thrown away.

    Args:
        graph: keypoints and matches of the poses.
        config: of the poses; without `splat_steps` nothing is done.
        backend: rasterizer.
        folder: of the poses stage.
        emit: receives progress, and a message where photos were tried.
        seed: of the training, and of the matches that judge.

    Returns:
        What came of it in a few words; empty where nothing was to do.
    """
    from .run import run

    return run(capture, graph, config, backend, folder, emit, seed=seed)
