"""Which pairs of photos are matched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatpose.stages.matching.pairs import (
    exhaustive_pairs,
    pool_descriptors,
    retrieval_pairs,
    select_pairs,
    sequence_pairs,
    suggested_pairs,
)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def places(count: int, per_place: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Descriptors of photos of several places, shuffled: photo k shows place k % number."""
    number = count // per_place
    vocabulary = unit(rng.normal(size=(number, 300, 32)))
    photos = []
    for index in range(count):
        seen = vocabulary[index % number][rng.permutation(300)[:200]]
        photos.append(unit(seen + 0.3 / 32**0.5 * rng.normal(size=seen.shape)))
    return photos


def assert_lawful(pairs: np.ndarray, count: int) -> None:
    assert pairs.shape == (len(pairs), 2)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert ((pairs >= 0) & (pairs < max(count, 1))).all()
    np.testing.assert_array_equal(pairs, np.unique(pairs, axis=0).reshape(-1, 2))


@given(st.integers(0, 40))
def test_exhaustive_means_every_pair(count: int) -> None:
    pairs = exhaustive_pairs(count)
    assert_lawful(pairs, count)
    assert len(pairs) == count * (count - 1) // 2


@given(st.integers(0, 60), st.integers(0, 12))
def test_sequence_is_a_band(count: int, window: int) -> None:
    pairs = sequence_pairs(count, window)
    assert_lawful(pairs, count)
    expected = {(i, j) for i in range(count) for j in range(i + 1, min(count, i + window + 1))}
    assert {tuple(p) for p in pairs.tolist()} == expected


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(0, 8), st.integers(0, 2**31))
def test_retrieval_gives_every_photo_its_neighbours(count: int, wanted: int, seed: int) -> None:
    pooled = unit(np.random.default_rng(seed).normal(size=(count, 6)))
    pairs = retrieval_pairs(pooled, wanted)
    assert_lawful(pairs, count)
    assert len(pairs) <= count * wanted
    degree = np.bincount(pairs.ravel(), minlength=count)
    assert (degree >= min(wanted, count - 1)).all()
    similarity = pooled @ pooled.T
    for i in range(count if 0 < wanted < count else 0):
        best = max((j for j in range(count) if j != i), key=lambda j: similarity[i, j])
        assert (min(i, best), max(i, best)) in {tuple(p) for p in pairs.tolist()}


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 5))
def test_retrieval_looks_outside_the_window(count: int, wanted: int, window: int) -> None:
    pooled = unit(np.random.default_rng(count).normal(size=(count, 6)))
    pairs = retrieval_pairs(pooled, wanted, window)
    assert_lawful(pairs, count)
    assert (pairs[:, 1] - pairs[:, 0] > window).all()
    degree = np.bincount(pairs.ravel(), minlength=count)
    order = np.arange(count)
    outside = (np.abs(order[:, None] - order) > window).sum(1)
    assert (degree >= np.minimum(wanted, outside)).all()


def test_few_photos_are_matched_exhaustively() -> None:
    rng = np.random.default_rng(0)
    descriptors = [unit(rng.normal(size=(20, 8))) for _ in range(12)]
    options = {"neighbours": 2, "window": 1}
    assert len(select_pairs(descriptors, exhaustive_limit=12, **options)) == 66
    assert len(select_pairs(descriptors, exhaustive_limit=11, **options)) < 66


def test_many_photos_cost_in_proportion() -> None:
    rng = np.random.default_rng(1)
    options = {"exhaustive_limit": 60, "neighbours": 5, "window": 3}
    for count in (80, 160, 320):
        descriptors = places(count, 8, rng)
        pairs = select_pairs(descriptors, **options)
        assert_lawful(pairs, count)
        assert len(pairs) <= count * (5 + 3)
        band = {(i, j) for i in range(count) for j in range(i + 1, min(count, i + 4))}
        assert band <= {tuple(p) for p in pairs.tolist()}


def test_photos_of_one_place_find_each_other() -> None:
    descriptors = places(96, 8, np.random.default_rng(2))
    pairs = retrieval_pairs(pool_descriptors(descriptors), 7)
    same = pairs[:, 0] % 12 == pairs[:, 1] % 12
    assert same.mean() > 0.95
    assert same.sum() > 0.95 * 12 * 28


def test_selection_is_deterministic_and_takes_photos_without_features() -> None:
    descriptors = places(70, 7, np.random.default_rng(3))
    descriptors[5] = np.zeros((0, 32), np.float32)
    first, second = (
        select_pairs(descriptors, exhaustive_limit=60, neighbours=4, window=2) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert_lawful(first, 70)


def test_no_features_at_all() -> None:
    pooled = pool_descriptors([np.zeros((0, 8), np.float32)] * 3)
    assert pooled.shape[0] == 3
    assert np.isfinite(pooled).all()


@pytest.mark.parametrize("neighbours", [0, 100])
def test_extreme_wishes(neighbours: int) -> None:
    pooled = unit(np.random.default_rng(4).normal(size=(9, 5)))
    pairs = retrieval_pairs(pooled, neighbours)
    assert len(pairs) == (0 if neighbours == 0 else 36)


def test_a_place_seen_again_suggests_what_lies_around_it() -> None:
    """Two passes of one street, photos 0 to 19 and 20 to 39; one pair was found between them."""
    chain = [(i, j) for i in range(40) for j in range(i + 1, i + 6) if i // 20 == j // 20]
    tried = np.array([pair for pair in chain if pair[1] < 40] + [(7, 30)])
    matches = np.array([400 - 50 * (j - i) if j - i < 6 else 120 for i, j in tried])
    added = suggested_pairs(tried, matches, tried, num_photos=40, most=8)
    assert_lawful(added, 40)
    assert {tuple(pair) for pair in added.tolist()} == {(6, 30), (8, 30), (7, 29), (7, 31)}
    weak = np.where(matches == 120, 40, matches)
    assert not len(suggested_pairs(tried, weak, tried, num_photos=40, most=8))


def test_each_photo_suggests_no_more_than_it_may() -> None:
    """Matches at random, between which nothing can be told."""
    every = exhaustive_pairs(60)
    found = every[np.random.default_rng(0).choice(len(every), 90, replace=False)]
    matches = np.arange(100, 190)
    free, few, none = (
        suggested_pairs(found, matches, found, num_photos=60, most=most) for most in (100, 1, 0)
    )
    assert_lawful(few, 60)
    assert len(free) > 100
    assert 30 <= len(few) <= 60
    assert not len(none)
    assert {tuple(pair) for pair in few.tolist()} < {tuple(pair) for pair in free.tolist()}
