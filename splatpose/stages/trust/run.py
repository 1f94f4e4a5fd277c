"""The trust stage from beginning to end."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from ...events import EventSink, Message, Progress
from ...scene.capture import Capture
from ...scene.depth_maps import DepthAlignment
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import match_table
from .config import TrustConfig
from .evidence import ModelUnderTest
from .storage import save
from .verdict import assess, describe_verdicts

_FOLDS = "halves"
_STEPS = 6
"""Mappings of both halves at most."""


def judge_run(
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
    depth: DepthAlignment | None,
) -> str:
    """See `splatpose.stages.trust.judge_poses`."""
    subject = ModelUnderTest(
        model=poses,
        graph=graph,
        table=match_table(graph),
        groups=np.array([photo.group for photo in capture.photos]),
        sizes=np.array([(photo.width, photo.height) for photo in capture.photos]),
        max_error_px=max_error_px,
        min_matches=min_matches,
        depth=depth,
    )
    done = 0

    def progress(text: str) -> None:
        nonlocal done
        done += 1
        emit(Progress("trust", done, _STEPS, text))

    verdicts = assess(
        subject,
        config,
        folder / _FOLDS,
        [photo.reason for photo in poses.evidence],
        seed=seed,
        progress=progress,
    )
    save(folder, verdicts)
    shutil.rmtree(folder / _FOLDS, ignore_errors=True)
    summary = describe_verdicts(verdicts)
    if verdicts.trusted_share < 1:
        first = f" {verdicts.advice[0]}" if verdicts.advice else ""
        emit(Message("trust", f"{summary}.{first}", "warning"))
    return summary
