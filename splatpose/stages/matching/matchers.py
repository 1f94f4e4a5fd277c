"""Which matcher runs, and the matcher itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...errors import SplatposeError
from ...events import EventSink, Message
from ...features.matcher import Matcher
from ...weights import MATCHER_WEIGHTS, WEIGHTS, announce_download, locate, origins, resolve
from ...weights.download import sha256_of
from .config import MatchingConfig

_DEFAULTS = {"xfeat": (2048, 1024), "aliked": (2048, 1024), "sift": (4096, 1600)}
"""Keypoints a photo and working size in pixels."""


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
        found = origins(locate(WEIGHTS[name], weights_dir) for name in MATCHER_WEIGHTS[wanted])
        text = f"Matching with xfeat{beside}; its network weights: {found}."
        emit(Message("matching", text))
    return replace(config, matcher=wanted)


def create_matcher(
    config: MatchingConfig, weights_dir: Path | None
) -> tuple[Matcher, dict[str, str]]:
    """The matcher that `config` names, and the hashes of its weight files by their names.

    Raises:
        SplatposeError: weights are missing or damaged.
    """
    assert config.matcher not in ("auto", "xfeat+sift")
    count, size = _DEFAULTS[config.matcher]
    count, size = config.max_keypoints or count, config.working_size or size
    files = [resolve(WEIGHTS[name], weights_dir) for name in MATCHER_WEIGHTS[config.matcher]]
    hashes = {file.name: sha256_of(file) for file in files}
    if config.matcher == "sift":
        from ...features.sift import SiftMatcher

        return SiftMatcher(max_keypoints=count, working_size=size), hashes
    if config.matcher == "xfeat":
        from ...features.xfeat import XFeatMatcher

        return XFeatMatcher(*files, max_keypoints=count, working_size=size), hashes
    from ...features.aliked import AlikedMatcher

    return AlikedMatcher(*files, max_keypoints=count, working_size=size), hashes
