"""Mutual nearest neighbours against the obvious search."""

from __future__ import annotations

import numpy as np

from splatpose.features.nearest_neighbours import mutual_nearest


def unit(rng: np.random.Generator, count: int, size: int = 8) -> np.ndarray:
    rows = rng.standard_normal((count, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_pairs_are_each_others_nearest_and_alike_enough() -> None:
    rng = np.random.default_rng(0)
    first, second = unit(rng, 70), unit(rng, 90)
    cosine = first @ second.T
    expected = [
        (i, j)
        for i in range(70)
        for j in range(90)
        if cosine[i, j] == cosine[i].max() == cosine[:, j].max() and cosine[i, j] >= 0.7
    ]
    assert 5 < len(expected) < 60
    assert mutual_nearest(first, second, 0.7).tolist() == [list(pair) for pair in expected]


def test_nothing_matches_nothing() -> None:
    some, none = unit(np.random.default_rng(0), 5), np.zeros((0, 8), np.float32)
    for first, second in ((some, none), (none, some), (none, none)):
        assert mutual_nearest(first, second, 0.0).shape == (0, 2)


def test_what_repeats_is_matched_once_at_most() -> None:
    """Equal descriptors, as on a fence: no keypoint is in two matches."""
    rows = unit(np.random.default_rng(1), 6)
    first, second = np.repeat(rows, 3, axis=0), np.repeat(rows, 4, axis=0)
    found = mutual_nearest(first, second, 0.9)
    assert 0 < len(found) <= 18
    for side in found.T:
        assert len(np.unique(side)) == len(side)
    np.testing.assert_array_equal(found // [3, 4], np.repeat(found[:, :1] // 3, 2, axis=1))
