"""Matches of the selected pairs, in a database that an interrupted run leaves usable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Int

from ...events import EventSink, Message, Progress
from ...features.cascade import NEAREST, Cascade, MatchedPair, Pair, joined_by_others
from ...io.colmap_database import (
    PairMatches,
    done_pairs,
    read_graph,
    read_putative,
    verified_pairs,
    write_pairs,
)
from .pairs import suggested_pairs
from .turning import Unaligned
from .ways import append_ways, read_ways

BATCH = 64
"""Pairs that are matched, verified and written together."""
_ROUNDS = 3
"""The selected pairs, and twice what the found ones suggest."""


def match_pairs(
    database: pycolmap.Database,
    cascade: Cascade,
    pairs: Int[np.ndarray, "P 2"],
    record: Path,
    emit: EventSink,
    *,
    most_added: int,
) -> Int[np.ndarray, "Q 2"]:
    """Matches pairs, and those that the found ones suggest, unless the database holds them already.

    Args:
        record: is told the way of each pair.
        most_added: pairs that each photo may add in each of a few further rounds.

    Returns:
        All pairs that were tried.
    """
    tried = pairs
    for _ in range(_ROUNDS):
        _match(database, cascade, tried, record, emit)
        added = suggested_pairs(
            *_found_among(tried, database),
            tried,
            num_photos=database.num_images(),
            most=most_added,
        )
        if not len(added):
            break
        emit(Message("matching", f"{len(added)} more pairs that those which matched suggest."))
        tried = np.concatenate([tried, added])
    if text := cascade.check():
        emit(Message("matching", text, "warning"))
    return tried


def _found_among(
    tried: Int[np.ndarray, "P 2"], database: pycolmap.Database
) -> tuple[Int[np.ndarray, "F 2"], Int[np.ndarray, " F"]]:
    """Pairs that matched, and their matches; an interrupted run may have left those of later
    rounds, which are not asked yet."""
    pairs, matches = verified_pairs(database)
    known = {(i, j) for i, j in tried.tolist()}
    own = np.array([(i, j) in known for i, j in pairs.tolist()], bool)
    return pairs[own], matches[own]


def _match(
    database: pycolmap.Database,
    cascade: Cascade,
    pairs: Int[np.ndarray, "P 2"],
    record: Path,
    emit: EventSink,
) -> None:
    """Matches those of the pairs that the database does not hold yet.

    1. Nearest neighbours settle most of them.
    2. Those that settled pairs join through several other photos are left alone.
    3. The network is asked about the rest: of those that they join through some, about the
       strongest keypoints alone.
    """
    done = done_pairs(database, pairs)
    todo = [(i, j) for i, j in pairs.tolist() if (i, j) not in done]
    write = partial(_write, database, record)
    told = partial(_tell, emit, len(pairs))
    # What is not settled is not written, so that an interrupted run asks again.
    settled = _in_batches(cascade.settle, todo, write, lambda _, found: told(len(done) + found))
    before = np.array(sorted(done), np.int64).reshape(-1, 2)
    ways = zip(before.tolist(), read_ways(record, before), strict=True)
    settled |= {(i, j) for (i, j), way in ways if way == NEAREST}
    rest = [pair for pair in todo if pair not in settled]
    not_asked, joined = joined_by_others(sorted(settled), rest, database.num_images())
    write(not_asked)
    rest = sorted({*rest} - {one.pair for one in not_asked})
    first = len(pairs) - len(rest)
    ask = partial(cascade.ask, joined=joined)
    _in_batches(ask, rest, write, lambda asked, _: told(first + asked))


def _in_batches(
    find: Callable[[Sequence[Pair]], list[MatchedPair]],
    pairs: Sequence[Pair],
    write: Callable[[Sequence[MatchedPair]], None],
    progress: Callable[[int, int], None],
) -> set[Pair]:
    """The pairs that `find` found something in, written batch by batch.

    Args:
        progress: is told how many were asked, and how many were found.
    """
    found: set[Pair] = set()
    for start in range(0, len(pairs), BATCH):
        if batch := find(pairs[start:][:BATCH]):
            write(batch)
            found |= {one.pair for one in batch}
            progress(min(start + BATCH, len(pairs)), len(found))
    return found


def _write(database: pycolmap.Database, record: Path, found: Sequence[MatchedPair]) -> None:
    append_ways(record, [(*one.pair, one.way) for one in found])
    write_pairs(database, [_unverified(one) for one in found])


def _tell(emit: EventSink, total: int, done: int) -> None:
    emit(Progress("matching", done, total, "pairs of photos matched"))


def _unverified(one: MatchedPair) -> PairMatches:
    """For the database, whose geometry only says which matches are worth keeping."""
    geometry = pycolmap.TwoViewGeometry()
    geometry.inlier_matches = one.inliers.astype(np.uint32)
    return PairMatches(*one.pair, one.putative, geometry)


def read_unaligned(raw: Path, record: Path) -> Unaligned:
    """What `match_pairs` wrote."""
    graph, putative = read_graph(raw, ""), read_putative(raw)
    ways = read_ways(record, graph.pairs)
    pairs = [(i, j) for i, j in graph.pairs.tolist()]
    return Unaligned(
        graph.keypoints,
        {
            pair: MatchedPair(pair, putative[pair], graph.verified(row), way)
            for row, (pair, way) in enumerate(zip(pairs, ways, strict=True))
        },
    )
