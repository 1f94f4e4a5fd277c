"""Keypoints of every photo, and geometrically verified matches of pairs of photos.

Every photo's features and every batch of pairs are on disk as soon as they are done, so that an
interrupted run continues where it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ...events import EventSink, Message
from ...features.cascade import NOT_ASKED, Cascade
from ...features.matcher import Features, Matcher
from ...io.atomic import write_json
from ...io.colmap import quiet_colmap
from ...io.colmap_database import (
    opened,
    read_graph,
    write_keypoints,
    write_pairs,
    write_photos,
)
from ...keys import Stage
from ...scene.capture import Capture
from ...scene.matches import SIFT_BESIDE, MatchGraph
from .config import MatchingConfig
from .extraction import extract_features, work_folder
from .finish import aligned, verified
from .join import Second, join_second
from .layout import DATABASE, FEATURES, RAW, RESULT, TRIED, WAYS
from .match_pairs import match_pairs, read_unaligned
from .matchers import create_matcher, resolve_matcher
from .memory import plan_memory
from .pairs import select_pairs
from .turning import Unaligned, match_turned
from .verify import Verifier
from .ways import append_ways, read_tried, read_ways, write_tried

_BYTES_A_KEYPOINT = 150
_BYTES_A_PAIR = 4096
"""The least that a keypoint with its descriptor, compressed, and a pair take on disk."""

Keypoints = Float[np.ndarray, "_ 2"]


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
    if config.matcher == "auto":
        config = resolve_matcher(config, len(capture.photos), weights_dir, emit)
    with quiet_colmap():
        return _fill_database(capture, config, folder, emit, weights_dir=weights_dir, seed=seed)


def load_matches(folder: Path) -> MatchGraph:
    """Reads what `match_photos` wrote."""
    matcher = json.loads((folder / RESULT).read_text(encoding="utf-8"))["matcher"]
    graph = read_graph(folder / DATABASE, matcher)
    ways = read_ways(folder / WAYS, graph.pairs)
    return replace(graph, ways=ways, tried=read_tried(folder / TRIED))


def _fill_database(
    capture: Capture,
    config: MatchingConfig,
    folder: Path,
    emit: EventSink,
    *,
    weights_dir: Path | None,
    seed: int,
) -> str:
    """Writes the database and what is said of it; the matcher is resolved."""
    joint = config.matcher == "xfeat+sift"
    first = replace(config, matcher="xfeat") if joint else config
    matcher, hashes = create_matcher(first, weights_dir)
    work = work_folder(folder / FEATURES, matcher, hashes)
    features = extract_features(capture, matcher, work, emit)
    plan = plan_memory(capture, features, config.refine_size)
    if len(features) > config.exhaustive_limit:
        emit(Message("matching", str(plan)))
    pairs = _select_pairs(matcher, features, config, emit)
    raw, record = work / RAW, work / WAYS
    verifier = Verifier(capture, matcher.working_size, config.min_inliers, seed)
    with opened(raw) as base:
        sizes = [len(f) for f in features]
        if base.num_images() != len(sizes) or base.num_keypoints() != sum(sizes):
            base.clear_all_tables()
            write_photos(base, capture)
            write_keypoints(base, [f.keypoints for f in features])
            record.unlink(missing_ok=True)
        names = [photo.name for photo in capture.photos]
        cascade = Cascade(matcher, features, names, config.max_error, config.min_inliers)
        pairs = match_pairs(base, cascade, pairs, record, emit, most_added=config.neighbours)
    asked = len(pairs) - read_ways(record, pairs).count(NOT_ASKED)
    found = read_unaligned(raw, record)
    found = match_turned(capture, first, matcher, features, found, emit)
    (folder / WAYS).unlink(missing_ok=True)
    append_ways(folder / WAYS, [(*pair, one.way) for pair, one in found.pairs.items()])
    write_tried(folder / TRIED, pairs, found.pairs)
    _finish(capture, config, verifier, found, plan.photos_kept, folder / DATABASE, emit)
    name = matcher.name
    if joint:
        size = matcher.working_size
        joined = _join_sift(capture, config, folder, emit, working_size=size, seed=seed)
        name = config.matcher if joined else name
    write_json(folder / RESULT, {"matcher": name, "weights": hashes})
    shutil.rmtree(folder / FEATURES)
    return _summary(read_graph(folder / DATABASE, name), asked)


def _select_pairs(
    matcher: Matcher, features: Sequence[Features], config: MatchingConfig, emit: EventSink
) -> Int[np.ndarray, "P 2"]:
    pairs = select_pairs(
        [matcher.similarity(f.descriptors) for f in features],
        exhaustive_limit=config.exhaustive_limit,
        neighbours=config.neighbours,
        window=config.window,
    )
    if len(features) > config.exhaustive_limit:
        total = len(features) * (len(features) - 1) // 2
        text = f"Matching {len(pairs)} of {total} pairs: similar photos and neighbours by name."
        emit(Message("matching", text))
    return pairs


def _join_sift(
    capture: Capture,
    config: MatchingConfig,
    folder: Path,
    emit: EventSink,
    *,
    working_size: int,
    seed: int,
) -> list[tuple[int, int]]:
    """Pairs to which SIFT keypoints were worth adding in the database of `folder`."""
    alone = replace(config, matcher="sift", max_keypoints=None, working_size=None)
    sift, _ = create_matcher(alone, None)
    work = work_folder(folder / FEATURES, sift, {})
    second = Second(sift, extract_features(capture, sift, work, emit))
    joined = join_second(
        capture, config, folder / DATABASE, second, emit, working_size=working_size, seed=seed
    )
    ways = read_ways(folder / WAYS, np.array(joined, np.int64).reshape(-1, 2))
    beside = [(*pair, way + SIFT_BESIDE) for pair, way in zip(joined, ways, strict=True)]
    append_ways(folder / WAYS, beside)
    return joined


def _finish(
    capture: Capture,
    config: MatchingConfig,
    verifier: Verifier,
    found: Unaligned,
    photos_kept: int,
    path: Path,
    emit: EventSink,
) -> None:
    """Writes the final database: keypoints aligned on the photos, and verified anew."""
    path.unlink(missing_ok=True)
    ready = aligned(capture, config, found, photos_kept, emit)
    with opened(path) as base:
        write_photos(base, capture)
        write_keypoints(base, ready.keypoints)
        for pairs in verified(verifier, ready, found, emit):
            write_pairs(base, pairs)


def _summary(graph: MatchGraph, tried: int) -> str:
    counts = graph.num_verified[graph.num_verified > 0]
    if not len(counts):
        return f"{graph.matcher}: none of {tried} pairs of photos overlap"
    return (
        f"{graph.matcher}: {len(counts)} of {tried} pairs of photos overlap, "
        f"{int(np.median(counts))} verified matches each (median)"
    )


def _space(capture: Capture, config: MatchingConfig) -> int:
    """Features of all photos, and what pairs of them share, in bytes; no more than it will be."""
    count = len(capture.photos)
    few = count <= config.exhaustive_limit
    pairs = count * (count - 1) // 2 if few else count * config.window
    return count * (config.max_keypoints or 1000) * _BYTES_A_KEYPOINT + pairs * _BYTES_A_PAIR


MATCHING = Stage("matching", match_photos, load_matches, _space)
