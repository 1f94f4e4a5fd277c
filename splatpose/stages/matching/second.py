"""Once there are poses: pairs of photos that must see the same points, and that nobody tried.

Retrieval misses some, most of all where a walk comes back to a place from which it looks a little
different. Only their photos are searched for keypoints again, which are the same as before.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ...events import Event, EventSink, Message, Progress
from ...features.cascade import Cascade
from ...features.matcher import Features, Matcher
from ...io.atomic import replacing
from ...io.colmap import quiet_colmap
from ...io.colmap_database import (
    PairMatches,
    move_keypoints,
    opened,
    read_graph,
    replace_pairs,
    write_keypoints,
    write_photos,
)
from ...io.second_round import read_evidence, write_evidence
from ...keys import Stage
from ...scene.capture import Capture
from ...scene.matches import MatchGraph
from ...scene.second_round import MoreMatches, SecondRoundEvidence
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import match_table
from ...sfm.match_consistency import explain
from ...sfm.validation.untried_pairs import untried_pairs
from .config import MatchingConfig, SecondMatchingConfig
from .extraction import extract_features, work_folder
from .finish import aligned, verified
from .layout import DATABASE, FEATURES, RAW, RESULT, WAYS
from .match_pairs import match_pairs, read_unaligned
from .matchers import create_matcher
from .memory import plan_memory
from .turning import Unaligned
from .verify import Verifier
from .ways import append_ways, read_ways

_FEWEST = 3
"""Pairs that make a round: one or two change nothing, and are the likeliest to be false."""


def match_named_pairs(
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    config: SecondMatchingConfig,
    folder: Path,
    emit: EventSink,
    *,
    matching: MatchingConfig,
    weights_dir: Path | None,
    max_error_px: float,
    seed: int,
) -> str:
    """Matches pairs that the poses name, and writes the database of both rounds into `folder`.

    Where the poses name hardly any, or hardly any match, no database is written. Work left in the
    folder is continued.

    Args:
        graph: of the first round; `tried` says what it asked.
        poses: that followed from it.
        config: how many pairs.
        matching: how the first round matched; its matcher is resolved.
        weights_dir: as of the first round.
        max_error_px: distance within which a match counts as explained, as
            `PosesConfig.max_error_px`.
        seed: of what is asked of the poses, and of RANSAC.

    Returns:
        One line for a person.
    """
    pairs = _named(graph, poses, config, max_error_px, seed)
    if len(pairs) < _FEWEST:
        return _nothing(folder, len(pairs), 0, _named_text(len(pairs)))
    learned = matching.matcher == "xfeat+sift"
    first = replace(matching, matcher="xfeat") if learned else matching
    matcher, hashes = create_matcher(first, weights_dir)
    known = json.loads((graph.database.parent / RESULT).read_text(encoding="utf-8"))
    if known["weights"] != hashes:
        text = "the matcher's weights are others than those that the photos were matched with"
        emit(Message("second_matching", f"No second round: {text}.", "warning"))
        return _nothing(folder, len(pairs), 0, text)
    work = work_folder(folder / FEATURES, matcher, hashes)
    own = _OwnEvents(emit)
    features = _features(capture, matcher, graph, pairs, work, own)
    with quiet_colmap():
        found = _matched(capture, first, matcher, features, pairs, graph, work, own)
        matched = 0
        if sum(len(one.inliers) > 0 for one in found.pairs.values()) >= _FEWEST:
            kept = plan_memory(capture, features, first.refine_size).photos_kept
            verifier = Verifier(capture, matcher.working_size, first.min_inliers, seed)
            matched = _add(capture, first, graph, found, verifier, kept, folder / DATABASE, own)
    if matched < _FEWEST:
        shutil.rmtree(folder / FEATURES)
        (folder / DATABASE).unlink(missing_ok=True)
        return _nothing(folder, len(pairs), matched, f"{_named_text(len(pairs))}: {matched} match")
    shutil.copyfile(graph.database.parent / WAYS, folder / WAYS)
    append_ways(folder / WAYS, [(*pair, one.way) for pair, one in found.pairs.items()])
    write_evidence(folder, SecondRoundEvidence(len(pairs), matched, "not tried", ""))
    shutil.rmtree(folder / FEATURES)
    return f"{matched} of {len(pairs)} pairs that the poses name match"


def load_more_matches(folder: Path, graph: MatchGraph) -> MoreMatches:
    """Reads what `match_named_pairs` wrote.

    Args:
        graph: of the first round.
    """
    evidence = read_evidence(folder)
    if not (folder / DATABASE).exists():
        return MoreMatches(None, evidence)
    both = read_graph(folder / DATABASE, graph.matcher)
    ways = read_ways(folder / WAYS, both.pairs)
    return MoreMatches(replace(both, ways=ways), evidence)


def second_matching(graph: MatchGraph) -> Stage[MoreMatches]:
    """The stage, whose result extends the matches of the first round."""
    load = partial(load_more_matches, graph=graph)
    return Stage("second_matching", match_named_pairs, load)


class _OwnEvents:
    """What the parts of the matching stage tell, as of this one."""

    def __init__(self, emit: EventSink) -> None:
        self._emit = emit

    def __call__(self, event: Event) -> None:
        if isinstance(event, Message | Progress):
            event = replace(event, stage="second_matching")
        self._emit(event)


def _named(
    graph: MatchGraph,
    poses: SparseModel,
    config: SecondMatchingConfig,
    max_error_px: float,
    seed: int,
) -> Int[np.ndarray, "R 2"]:
    """Pairs that the poses name, ascending."""
    table = match_table(graph)
    explained = explain(poses, table, max_error_px=max_error_px).explained
    tried = graph.pairs if graph.tried is None else graph.tried
    return untried_pairs(poses, table, explained, tried, most=config.pairs, seed=seed)


def _named_text(count: int) -> str:
    pairs = "pair" if count == 1 else "pairs"
    return f"the poses name {count or 'no'} {pairs} of photos that were never tried"


def _nothing(folder: Path, named: int, matched: int, reason: str) -> str:
    write_evidence(folder, SecondRoundEvidence(named, matched, "not tried", reason))
    return reason


def _features(
    capture: Capture,
    matcher: Matcher,
    graph: MatchGraph,
    pairs: Int[np.ndarray, "R 2"],
    work: Path,
    emit: EventSink,
) -> list[Features]:
    """Features of the photos of the pairs; the others have none here."""
    photos = np.unique(pairs).tolist()
    asked = replace(capture, photos=tuple(capture.photos[i] for i in photos))
    found = dict(zip(photos, extract_features(asked, matcher, work, emit), strict=True))
    # A photo that could be searched then and not now, or the other way round, has none to go by.
    found = {i: own for i, own in found.items() if 0 < len(own) <= len(graph.keypoints[i])}
    kind = next((own.descriptors[:0] for own in found.values()), np.zeros((0, 1), np.float32))
    return [
        found.get(i, Features(np.zeros((0, 2)), kind, photo.width, photo.height))
        for i, photo in enumerate(capture.photos)
    ]


def _matched(
    capture: Capture,
    config: MatchingConfig,
    matcher: Matcher,
    features: Sequence[Features],
    pairs: Int[np.ndarray, "R 2"],
    graph: MatchGraph,
    work: Path,
    emit: EventSink,
) -> Unaligned:
    """What the matcher finds in the pairs, at the places that keypoints have since."""
    raw, record = work / RAW, work / WAYS
    with opened(raw) as base:
        if base.num_images() != len(features) or base.num_keypoints() != sum(map(len, features)):
            base.clear_all_tables()
            write_photos(base, capture)
            write_keypoints(base, [f.keypoints for f in features])
            record.unlink(missing_ok=True)
        names = [photo.name for photo in capture.photos]
        cascade = Cascade(matcher, features, names, config.max_error, config.min_inliers)
        match_pairs(base, cascade, pairs, record, emit, most_added=0)
    return replace(read_unaligned(raw, record), keypoints=graph.keypoints)


def _add(
    capture: Capture,
    config: MatchingConfig,
    graph: MatchGraph,
    found: Unaligned,
    verifier: Verifier,
    photos_kept: int,
    path: Path,
    emit: EventSink,
) -> int:
    """Writes the first round's database with the new pairs in it; returns how many are verified.

    Keypoints that matched in the first round stay where they are: points were made of them.
    """
    ready = aligned(capture, config, found, photos_kept, emit)
    fixed = _with_matches(graph)
    keypoints: list[Float[np.ndarray, "_ 2"]] = [
        np.where(held[:, None], before, after)
        for held, before, after in zip(fixed, graph.keypoints, ready.keypoints, strict=True)
    ]
    pairs: list[PairMatches] = []
    for part in verified(verifier, replace(ready, keypoints=keypoints), found, emit):
        pairs += [pair for pair in part if len(pair.geometry.inlier_matches)]
    moved = {i for pair in pairs for i in (pair.first, pair.second)}
    with replacing(path) as temporary:
        shutil.copyfile(graph.database, temporary)
        with opened(temporary) as base:
            move_keypoints(base, {i: keypoints[i] for i in sorted(moved)})
            replace_pairs(base, pairs)
    return len(pairs)


def _with_matches(graph: MatchGraph) -> list[np.ndarray]:
    """For each photo which of its keypoints have verified matches."""
    held = [np.zeros(len(xy), bool) for xy in graph.keypoints]
    for row, (i, j) in enumerate(graph.pairs.tolist()):
        matches = graph.verified(row)
        held[i][matches[:, 0]] = True
        held[j][matches[:, 1]] = True
    return held
