"""SIFT keypoints beside those of a learned matcher, in one database.

Where texture is rich SIFT gives several tracks for each that learned keypoints give, as precise
ones, and poses gain from all of them. Pairs of photos come from the learned matches, which are more
robust: SIFT is asked only about the few that see most of the same, so that its cost grows with the
number of photos. A pair in which it finds little, as on blank walls, stays as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ...events import EventSink, Message, Progress
from ...features.cascade import Cascade, MatchedPair
from ...features.matcher import Features, Matcher, PhotoMatches
from ...geometry.graphs import strongest_of_each
from ...io.atomic import replacing
from ...io.colmap_database import (
    append_keypoints,
    opened,
    read_graph,
    read_putative,
    replace_pairs,
)
from ...scene.capture import Capture
from ...scene.matches import MatchGraph
from .config import MatchingConfig
from .verify import Verifier

_BATCH = 16
_MIN_SHARE = 0.5
"""Verified matches of the second kind over those of the first below which a pair stays as it is."""


@dataclass(frozen=True)
class Second:
    """A second kind of features of all photos."""

    matcher: Matcher
    features: Sequence[Features]


def join_second(
    capture: Capture,
    config: MatchingConfig,
    path: Path,
    second: Second,
    emit: EventSink,
    *,
    working_size: int,
    seed: int,
) -> list[tuple[int, int]]:
    """Adds keypoints and matches of a second kind to a finished database.

    Args:
        capture: the photos.
        config: its `sift_neighbours` says how many pairs are asked.
        path: the database. Its keypoints keep their indices, those of the second kind follow.
        second: features of the second kind.
        emit: is told progress, and why nothing was added.
        working_size: longer side in pixels at which the first kind was matched.
        seed: of RANSAC.

    Returns:
        The pairs in which the second kind found enough; without any, the database is as it was.
    """
    graph = read_graph(path, "")
    asked = nearest_pairs(graph, config.sift_neighbours)
    answers = _matches(capture, config, graph.pairs[asked], second, emit)
    chosen = [
        (row, one)
        for row, one in zip(asked.tolist(), answers, strict=True)
        if len(one.inliers) >= _MIN_SHARE * graph.num_verified[row]
    ]
    if not chosen:
        name = second.matcher.name
        emit(Message("matching", f"{name} sees little in every pair here and is left out."))
        return []
    added = [f.keypoints.astype(np.float64) for f in second.features]
    keypoints = [np.concatenate(both) for both in zip(graph.keypoints, added, strict=True)]
    shifts = [len(xy) for xy in graph.keypoints]
    verified = [_joined(graph.verified(row), one.inliers, one.pair, shifts) for row, one in chosen]
    verifier = Verifier(capture, working_size, config.min_inliers, seed)
    pairs = verifier.verify(keypoints, verified, config.precise_error)
    verifier.tolerance.check()
    if text := verifier.tolerance.told("could not be verified"):
        emit(Message("matching", text, "warning"))
    putative = read_putative(path)
    pairs = [
        replace(
            pair,
            putative=_joined(putative[own.pair], own.putative, own.pair, shifts)[2],
        )
        for pair, (_, own) in zip(pairs, chosen, strict=True)
    ]
    with replacing(path) as temporary:
        shutil.copyfile(path, temporary)
        with opened(temporary) as base:
            append_keypoints(base, added)
            replace_pairs(base, pairs)
    return [(pair.first, pair.second) for pair in pairs]


def nearest_pairs(graph: MatchGraph, neighbours: int) -> Int[np.ndarray, " R"]:
    """Rows of `graph.pairs`, ascending: for each photo the `neighbours` pairs with the most
    verified matches, of those that have any. Ties go to the earlier pair."""
    matched = np.flatnonzero(graph.num_verified)
    best = strongest_of_each(graph.pairs[matched], graph.num_verified[matched], neighbours)
    return matched[best]


def _matches(
    capture: Capture,
    config: MatchingConfig,
    pairs: Int[np.ndarray, "P 2"],
    second: Second,
    emit: EventSink,
) -> list[MatchedPair]:
    """Matches of the second kind alone."""
    names = [photo.name for photo in capture.photos]
    cascade = Cascade(second.matcher, second.features, names, config.max_error, config.min_inliers)
    found: list[MatchedPair] = []
    for start in range(0, len(pairs), _BATCH):
        found += cascade.match([(i, j) for i, j in pairs[start:][:_BATCH].tolist()])
        text = f"pairs of photos matched with {second.matcher.name} too"
        emit(Progress("matching", len(found), len(pairs), text))
    if text := cascade.check():
        emit(Message("matching", f"{second.matcher.name}: {text}", "warning"))
    return found


def _joined(
    first: Int[np.ndarray, "_ 2"],
    second: Int[np.ndarray, "_ 2"],
    pair: tuple[int, int],
    shifts: Sequence[int],
) -> PhotoMatches:
    """Matches of both kinds, with the indices that keypoints have in the joint database."""
    return *pair, np.concatenate([first, second + [shifts[i] for i in pair]])
