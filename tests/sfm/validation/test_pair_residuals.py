"""Evidence of pairs, against its plain definitions."""

from __future__ import annotations

import numpy as np

from splatpose.sfm.correspondences import MatchTable
from splatpose.sfm.validation import pair_residuals
from splatpose.sfm.validation.pair_residuals import strongest_pairs


def counted(pairs: np.ndarray, matches: np.ndarray) -> MatchTable:
    """A table of pairs with so many matches each."""
    pair = np.repeat(np.arange(len(pairs)), matches)
    keypoints = np.zeros((len(pair), 2), np.int64)
    return MatchTable(pairs, pair, pairs[pair], keypoints, np.zeros((len(pair), 2, 2)))


def test_strongest_pairs_are_each_photos_best_and_of_equal_ones_the_first() -> None:
    rng = np.random.default_rng(0)
    pairs = np.stack(np.triu_indices(14, 1), 1)
    pairs = pairs[rng.random(len(pairs)) < 0.8]
    matches = rng.integers(0, 5, len(pairs))
    keep = np.zeros(len(pairs), bool)
    for photo in range(14):
        own = [n for n, pair in enumerate(pairs) if photo in pair]
        best = sorted(own, key=lambda n: -matches[n])[:6]
        keep[best] = True
    assert 0 < keep.sum() < len(pairs)
    np.testing.assert_array_equal(strongest_pairs(counted(pairs, matches)), keep)


def test_medians_of_the_rows_that_name_a_photo() -> None:
    rng = np.random.default_rng(1)
    photos, values = rng.integers(0, 9, (40, 6)), rng.normal(size=40)
    photos[photos == 4] = 5
    found = pair_residuals._median_of_each(photos, values, 11)
    for photo in range(11):
        own = (photos == photo).any(1)
        assert own.any() or np.isnan(found[photo])
        assert not own.any() or found[photo] == np.median(values[own])
