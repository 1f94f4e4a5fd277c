"""How far every photo's pose can be trusted, and why."""

from __future__ import annotations

from pathlib import Path

from ...events import EventSink, Message, Progress
from ...io.atomic import remove_folder
from ...keys import Stage
from ...scene.capture import Capture
from ...scene.depth_maps import DepthAlignment, DepthPriors
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from .config import TrustConfig
from .evidence import model_under_test
from .rendering import with_held_out
from .storage import load as load_verdicts
from .storage import save
from .verdict import assess, describe_verdicts

__all__ = ["judge_poses", "load_verdicts", "with_held_out"]

_FOLDS = "halves"
_STEPS = 6
"""Mappings of both halves at most."""


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
    maps: DepthPriors | None = None,
) -> str:
    """Judges every photo's pose and writes the verdicts into `folder`. Changes no pose.

    Args:
        graph: keypoints and matches of the poses.
        poses: what is judged.
        config: how.
        folder: owned by this stage; models of the halves of the matches of an interrupted run in
            it are used again.
        emit: receives progress, and a warning where photos are not trusted.
        max_error_px: distance within which a match counts as explained, as
            `PosesConfig.max_error_px`.
        min_matches: of a pair that counts as overlapping, as `PosesConfig.min_matches`.
        seed: of the halves.
        depth: what the poses make of depth priors, where there are any.
        maps: those priors.

    Returns:
        One line for a person.
    """
    subject = model_under_test(
        capture,
        graph,
        poses,
        max_error_px=max_error_px,
        min_matches=min_matches,
        depth=depth,
        maps=maps,
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
    remove_folder(folder / _FOLDS)
    summary = describe_verdicts(verdicts)
    if verdicts.trusted_share < 1:
        first = f" {verdicts.advice[0]}" if verdicts.advice else ""
        emit(Message("trust", f"{summary}.{first}", "warning"))
    return summary


TRUST = Stage("trust", judge_poses, load_verdicts)
