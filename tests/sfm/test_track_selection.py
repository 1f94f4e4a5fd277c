"""Tracks that models of many photos are built on."""

from __future__ import annotations

import numpy as np
import pytest

from splatpose.sfm.correspondences import MatchTable
from splatpose.sfm.thresholds import TRACKS
from splatpose.sfm.track_selection import select_tracks

COUNT, SIDE = 8, 800


@pytest.fixture(scope="module")
def table() -> MatchTable:
    """Eight photos in a row; point p is seen in photos p % 8 and some following ones, at the same
    pixel, and every pair of those matches it."""
    rng = np.random.default_rng(0)
    number = 4000
    first, length = rng.integers(0, COUNT, number), rng.integers(2, 6, number)
    seen = (np.arange(COUNT) >= first[:, None]) & (np.arange(COUNT) < (first + length)[:, None])
    xy = rng.uniform(0, SIDE, (number, 2))
    pairs = np.array([(i, j) for i in range(COUNT) for j in range(i + 1, COUNT)])
    shared = [np.flatnonzero(seen[:, i] & seen[:, j]) for i, j in pairs]
    pair = np.repeat(np.arange(len(pairs)), [len(points) for points in shared])
    points = np.concatenate(shared)
    keypoints = np.stack([points, points], 1)
    where = np.repeat(xy[points][:, None], 2, 1)
    return MatchTable(pairs, pair, pairs[pair], keypoints, where)


def kept_in(table: MatchTable, kept: np.ndarray, photo: int) -> set[int]:
    return set(table.keypoints[kept][table.photos[kept] == photo].tolist())


def length_of(table: MatchTable) -> np.ndarray:
    """Photos that see each point, by the point's number (0 for points that nothing matches)."""
    seen = np.zeros((4000, COUNT), bool)
    seen[table.keypoints.ravel(), table.photos.ravel()] = True
    return seen.sum(1)


def test_every_cell_keeps_its_longest_tracks(table: MatchTable) -> None:
    kept = select_tracks(table, np.full((COUNT, 2), SIDE))
    length = length_of(table)
    every = np.ones(len(table), bool)
    for photo in range(COUNT):
        cells: dict[tuple[int, int], list[int]] = {}
        for point in kept_in(table, every, photo):
            row = np.flatnonzero((table.keypoints == point).all(1))[0]
            x, y = (8 * table.xy[row, 0] / SIDE).astype(int).tolist()
            cells.setdefault((x, y), []).append(point)
        chosen = kept_in(table, kept, photo)
        for points in cells.values():
            best = sorted(length[points])[-TRACKS.of_a_cell :]
            own = sorted(length[[p for p in points if p in chosen]])
            assert own[-len(best) :] == best


def test_far_fewer_tracks_are_kept_and_whole(table: MatchTable) -> None:
    kept = select_tracks(table, np.full((COUNT, 2), SIDE))
    assert kept.mean() < 0.6
    rich = np.bincount(table.pair[kept]) > TRACKS.of_a_pair
    point = table.keypoints[:, 0]
    for number in np.unique(point[kept & rich[table.pair]])[:50]:
        assert kept[(point == number) & rich[table.pair]].all()


def test_a_pair_of_few_matches_keeps_them(table: MatchTable) -> None:
    kept = select_tracks(table, np.full((COUNT, 2), SIDE))
    before, after = (np.bincount(table.pair[rows]) for rows in (slice(None), kept))
    assert (after >= np.minimum(before, TRACKS.of_a_pair)).all()
    assert before.max() > 2 * TRACKS.of_a_pair


def test_matches_between_two_tracks_are_left_out(table: MatchTable) -> None:
    """A keypoint of photo 0 matched to that of another point in photo 3: both points are seen in
    photos 0 to 2, so that the tracks cannot be one."""
    length = length_of(table)
    in_first = kept_in(table, np.ones(len(table), bool), 0)
    first = [p for p in range(4000) if length[p] >= 4 and p in in_first]
    a, b = first[:2]
    pair = int(np.flatnonzero((table.pairs == (0, 3)).all(1))[0])
    at = int(np.searchsorted(table.pair, pair))
    false = MatchTable(
        table.pairs,
        np.insert(table.pair, at, pair),
        np.insert(table.photos, at, [0, 3], axis=0),
        np.insert(table.keypoints, at, [a, b], axis=0),
        np.insert(table.xy, at, np.zeros((2, 2)), axis=0),
    )
    kept = select_tracks(false, np.full((COUNT, 2), SIDE))
    rich = np.bincount(false.pair[kept])[pair] > TRACKS.of_a_pair
    assert rich
    assert not kept[at]
