"""Stage 2: keypoints of every photo, and geometrically verified matches of pairs of photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SplatposeError
from ...events import EventSink, Message
from .config import MatchingConfig

if TYPE_CHECKING:
    from ...scene.capture import Capture
    from ...scene.matches import MatchGraph


def resolve_matcher(
    config: MatchingConfig, num_photos: int, weights_dir: Path | None, emit: EventSink
) -> MatchingConfig:
    """Replaces "auto" by the matcher that will run, and makes sure that its weights are here.

    Args:
        config: the user's wishes.
        num_photos: of the capture.
        weights_dir: folder with weight files, or None for $SPLATPOSE_WEIGHTS.
        emit: is told the choice of "auto" with its reason, and of downloads.

    Raises:
        SplatposeError: the weights of the matcher that was asked for cannot be had.
    """
    from ...weights import MATCHER_WEIGHTS, WEIGHTS, announce_download, resolve

    few = num_photos <= config.sift_limit
    learned = "xfeat+sift" if few else "xfeat"
    wanted = learned if config.matcher == "auto" else config.matcher
    try:
        for name in MATCHER_WEIGHTS[wanted]:
            progress = announce_download(WEIGHTS[name].paths[0], "matching", emit)
            resolve(WEIGHTS[name], weights_dir, progress)
    except SplatposeError as error:
        if config.matcher != "auto":
            raise
        text = (
            f"Matching with sift, because xfeat's network weights cannot be used. {error.message}"
        )
        emit(Message("matching", text, "warning"))
        return replace(config, matcher="sift")
    if config.matcher == "auto":
        beside = ", and with sift beside it for the few photos" if few else ""
        text = f"Matching with xfeat: its network weights are on this machine{beside}."
        emit(Message("matching", text))
    return replace(config, matcher=wanted)


def match_photos(
    capture: Capture,
    config: MatchingConfig,
    folder: Path,
    emit: EventSink,
    *,
    weights_dir: Path | None,
    seed: int,
) -> str:
    """Fills `folder` with a COLMAP database of the capture; work left there is continued.

    Args:
        capture: the photos.
        config: how to match; "auto" is resolved first.
        folder: receives `database.db`, see `splatpose.io.colmap_database`.
        emit: receives progress.
        weights_dir: folder with weight files, or None for $SPLATPOSE_WEIGHTS.
        seed: of RANSAC.

    Raises:
        SplatposeError: weights are missing or damaged.
    """
    from ...io.colmap import quiet_colmap
    from .build import build_database

    if config.matcher == "auto":
        config = resolve_matcher(config, len(capture.photos), weights_dir, emit)
    with quiet_colmap():
        return build_database(capture, config, folder, emit, weights_dir=weights_dir, seed=seed)


def load_matches(folder: Path) -> MatchGraph:
    """Reads what `match_photos` wrote."""
    import json

    from ...io.colmap_database import read_graph
    from .build import DATABASE, RESULT

    matcher = json.loads((folder / RESULT).read_text(encoding="utf-8"))["matcher"]
    return read_graph(folder / DATABASE, matcher)
