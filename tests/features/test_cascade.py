"""The cascade: what each pair costs, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pytest
import torch
from scenes.poses import CAMERA, arc, cloud

from splatpose.features.cascade import (
    CASCADE,
    NEAREST,
    NETWORK,
    NOT_ASKED,
    WHOLE_NETWORK,
    Cascade,
    MatchedPair,
    joined_by_others,
)
from splatpose.features.matcher import DescriptorThresholds, Features
from splatpose.features.nearest_neighbours import mutual_nearest
from splatpose.geometry.projection import project

POINTS, CLUTTER = 400, 1200
NOISE = 0.5
STRONGEST = (CASCADE.network_keypoints,) * 2


@dataclass
class KnowingMatcher:
    """A network that knows the point behind each keypoint, and finds a share of the matches."""

    points: dict[int, np.ndarray]
    """Number of the point of each keypoint, by the features' width; -1 for clutter."""
    share: float | None = 1.0
    """None finds all among the strongest keypoints, and nothing among all."""
    asked: list[tuple[int, int]] = field(default_factory=list)
    name = "knowing"
    working_size = 1024
    descriptors = DescriptorThresholds(min_cosine=0.8, guided_cosine=0.6)
    pairs_at_once = 1

    def extract(self, photo: np.ndarray) -> Features:
        raise NotImplementedError

    def similarity(self, descriptors: np.ndarray) -> np.ndarray:
        return descriptors

    def match_pairs(self, pairs: list[tuple[Features, Features]]) -> list[np.ndarray]:
        return [self.match(first, second) for first, second in pairs]

    def match(self, first: Features, second: Features) -> np.ndarray:
        self.asked.append((len(first), len(second)))
        a, b = self.points[id_of(first)][: len(first)], self.points[id_of(second)][: len(second)]
        _, i, j = np.intersect1d(a, b, return_indices=True)
        rows = np.stack([i, j], 1)[(a[i] >= 0)]
        if self.share is None:
            return rows if len(first) == CASCADE.network_keypoints else rows[:0]
        return rows[: round(self.share * len(rows))]


def id_of(features: Features) -> int:
    """Photos are told apart by their widths, which nothing else here looks at."""
    return features.width - 800


def photo(
    number: int, rng: np.random.Generator, noise: float, strong: int, jitter: float = 0.3
) -> tuple:
    """Features of a photo, its points described with `noise`, and their numbers; the first `strong`
    points are its strongest keypoints, then come clutter and the other points. `jitter` is the
    standard deviation of a keypoint in pixels."""
    poses, points = arc(8)[[2, 4, 3, 1]], cloud(POINTS)
    words = np.random.default_rng(9).standard_normal((POINTS, 64))
    xy, _ = project(CAMERA, poses[number], points)
    order = rng.permutation(POINTS)
    own = xy[order] + jitter * rng.standard_normal((POINTS, 2))
    described = words[order] + noise * rng.standard_normal((POINTS, 64))
    clutter = rng.uniform(0, 600, (CLUTTER, 2)), rng.standard_normal((CLUTTER, 64))
    few = order < strong
    parts = [
        (own[few], described[few], order[few]),
        (*clutter, np.full(CLUTTER, -1)),
        (own[~few], described[~few], order[~few]),
    ]
    keypoints, descriptors, numbers = (np.concatenate(x) for x in zip(*parts, strict=True))
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    features = Features(
        keypoints.astype(np.float32), descriptors.astype(np.float32), 800 + number, 600
    )
    return features, numbers


@dataclass(frozen=True)
class Outcome:
    """What the cascade made of a pair."""

    asked: list[tuple[int, int]]
    """Keypoints of both photos that the network was given, for each time it was asked."""
    way: str
    found: int
    right: int


def outcome(noise: float, *, strong: int = POINTS, share: float | None = 1.0) -> Outcome:
    """Matches two photos whose points are described with `noise`."""
    rng = np.random.default_rng(0)
    features, numbers = zip(*(photo(i, rng, noise, strong) for i in range(2)), strict=True)
    matcher = KnowingMatcher(dict(enumerate(numbers)), share)
    cascade = Cascade(matcher, features, ["0.png", "1.png"], max_error=4.0, min_inliers=15)
    (pair,) = cascade.match([(0, 1)])
    a, b = (own[pair.inliers[:, k]] for k, own in enumerate(numbers))
    right = int(((a == b) & (a >= 0)).sum())
    return Outcome(matcher.asked, pair.way, len(pair.inliers), right)


def test_a_pair_that_nearest_neighbours_settle_never_sees_the_network() -> None:
    easy = outcome(noise=0.2)
    assert easy.asked == []
    assert easy.way == NEAREST
    assert easy.right > 0.95 * POINTS
    assert easy.right > 0.95 * easy.found


def test_a_pair_of_unlike_descriptors_is_asked_about_by_its_strongest_keypoints() -> None:
    hard = outcome(noise=0.75)
    assert hard.asked == [STRONGEST]
    assert hard.way == NETWORK
    assert hard.right > 0.8 * hard.found > 0.8 * 0.5 * POINTS


def test_guided_matching_brings_what_nearest_neighbours_did_not_find() -> None:
    """Many descriptors are too unlike to be matched over the whole photo."""
    rng = np.random.default_rng(0)
    first, second = (photo(i, rng, NOISE, POINTS)[0] for i in range(2))
    nearest = mutual_nearest(first.descriptors, second.descriptors, 0.8)
    found = outcome(noise=NOISE)
    assert found.way == NEAREST
    assert CASCADE.settled_inliers < len(nearest) < 0.7 * POINTS
    assert found.right > 1.4 * len(nearest)
    assert found.right > 0.95 * found.found


def test_a_hint_is_worth_all_keypoints() -> None:
    """Few of the points are among the strongest keypoints."""
    weak = outcome(noise=1.5, strong=CASCADE.hint + 5)
    assert weak.asked == [STRONGEST, (POINTS + CLUTTER,) * 2]
    assert weak.way == WHOLE_NETWORK
    assert weak.right > 0.8 * POINTS


def test_without_a_hint_all_keypoints_are_not_asked() -> None:
    none = outcome(noise=1.5, strong=CASCADE.hint - 5)
    assert none.asked == [STRONGEST]
    assert none.way == NETWORK


def test_the_better_answer_of_the_network_counts() -> None:
    """Asked about all keypoints it finds fewer matches than among the strongest."""
    lost = outcome(noise=1.5, strong=CASCADE.hint + 5, share=None)
    assert lost.asked == [STRONGEST, (POINTS + CLUTTER,) * 2]
    assert lost.way == NETWORK
    assert lost.right >= CASCADE.hint


@pytest.mark.parametrize("strong", [0, POINTS])
def test_photos_of_different_places_do_not_overlap(strong: int) -> None:
    none = outcome(noise=30.0, share=0.02, strong=strong)
    assert none.way == NETWORK
    assert none.found == 0
    assert none.asked == [STRONGEST], "all keypoints would be dear"


def several(
    noises: tuple[float, ...], kind: type[KnowingMatcher] = KnowingMatcher, jitter: float = 0.3
) -> tuple[KnowingMatcher, list[Features]]:
    """Photos of the same points, each described with its noise, and who knows them."""
    rng = np.random.default_rng(0)
    made = [photo(i, rng, noise, POINTS, jitter) for i, noise in enumerate(noises)]
    features, numbers = zip(*made, strict=True)
    return kind(dict(enumerate(numbers))), list(features)


def cascade_of(matcher: KnowingMatcher, features: list[Features]) -> Cascade:
    names = [f"{i}.png" for i in range(len(features))]
    return Cascade(matcher, features, names, max_error=4.0, min_inliers=15)


def all_pairs(matcher: KnowingMatcher, features: list[Features]) -> list[MatchedPair]:
    return cascade_of(matcher, features).match(list(combinations(range(len(features)), 2)))


def test_answers_do_not_depend_on_the_number_of_threads() -> None:
    """Easy pairs and hard ones at once, one after the other and three at a time."""
    before, answers = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            answers.append(all_pairs(*several((0.2, 0.2, 0.9, 0.9))))
    finally:
        torch.set_num_threads(before)
    assert {one.way for one in answers[0]} >= {NEAREST, NETWORK}
    assert [one.pair for one in answers[0]] == list(combinations(range(4), 2))
    for one, other in zip(*answers, strict=True):
        assert (one.pair, one.way) == (other.pair, other.way)
        np.testing.assert_array_equal(one.putative, other.putative)
        np.testing.assert_array_equal(one.inliers, other.inliers)


class AloneMatcher(KnowingMatcher):
    """Without learned descriptors."""

    name = "alone"
    descriptors = None  # pyright: ignore[reportAssignmentType]


def test_a_matcher_without_learned_descriptors_matches_every_pair_by_itself() -> None:
    matcher, features = several((0.2, 0.2, 0.2), AloneMatcher)
    found = all_pairs(matcher, features)
    assert [one.way for one in found] == ["alone"] * 3
    assert matcher.asked == [(POINTS + CLUTTER,) * 2] * 3
    for one in found:
        assert 0.9 * POINTS < len(one.inliers) <= len(one.putative) == POINTS


def test_as_many_pairs_are_asked_about_at_a_time_as_the_matcher_likes() -> None:
    sizes: list[int] = []

    class BatchMatcher(KnowingMatcher):
        pairs_at_once = 4

        def match_pairs(self, pairs: list[tuple[Features, Features]]) -> list[np.ndarray]:
            sizes.append(len(pairs))
            return super().match_pairs(pairs)

    batched = all_pairs(*several((0.9,) * 4, BatchMatcher))
    assert sorted(sizes) == [2, 4]
    for one, other in zip(batched, all_pairs(*several((0.9,) * 4)), strict=True):
        assert (one.pair, one.way) == (other.pair, other.way)
        np.testing.assert_array_equal(one.inliers, other.inliers)


def test_keypoints_of_photos_larger_than_working_size_may_be_farther_off() -> None:
    """Photos of 800 pixels that were matched at 200 have keypoints four times as coarse."""
    found = {}
    for working_size in (1024, 200):
        matcher, features = several((0.2, 0.2), jitter=3.0)
        matcher.working_size = working_size
        found[working_size] = len(all_pairs(matcher, features)[0].inliers)
    assert found[200] > 0.8 * POINTS
    assert found[1024] < 0.6 * found[200]


def test_a_photo_without_keypoints_has_no_matches_and_costs_no_other_pair() -> None:
    matcher, features = several((0.2, 0.2, 0.2))
    features[2] = features[2].strongest(0)
    found = all_pairs(matcher, features)
    assert [len(one.inliers) > 300 for one in found] == [True, False, False]
    assert [one.inliers.shape[1] for one in found] == [2, 2, 2]


class OddMatcher(KnowingMatcher):
    """A library that cannot bear photos 0 and 1."""

    def match(self, first: Features, second: Features) -> np.ndarray:
        if {id_of(first), id_of(second)} == {0, 1}:
            raise ValueError("a matrix of the wrong shape")
        return super().match(first, second)


def test_a_pair_that_the_network_cannot_bear_is_told_and_costs_itself_only() -> None:
    matcher, features = several((0.9, 0.9, 0.9, 0.9), OddMatcher)
    cascade = cascade_of(matcher, features)
    found = cascade.match(list(combinations(range(4), 2)))
    assert [len(one.inliers) > 100 for one in found] == [False] + [True] * 5
    told = cascade.check()
    assert told == "0.png with 1.png could not be matched (ValueError: a matrix of the wrong shape)"


class OddBatchMatcher(OddMatcher):
    """The same, of which one odd pair takes the others of its batch along."""

    pairs_at_once = 4


@pytest.mark.parametrize("kind", [OddMatcher, OddBatchMatcher])
def test_an_odd_pair_is_told_once_and_costs_no_other_of_its_batch(kind: type[OddMatcher]) -> None:
    """Nearest neighbours hint at the pair, so that all its keypoints would be asked about next."""
    matcher, features = several((0.6,) * 4, kind)
    cascade = cascade_of(matcher, features)
    found = cascade.match(list(combinations(range(4), 2)))
    assert [len(one.inliers) > 100 for one in found] == [False] + [True] * 5
    told = cascade.check()
    assert told == "0.png with 1.png could not be matched (ValueError: a matrix of the wrong shape)"


def test_a_network_that_was_asked_about_all_keypoints_is_not_asked_again() -> None:
    matcher, features = several((0.9, 0.9))
    features = [f.strongest(CASCADE.network_keypoints - 1) for f in features]
    matcher.share = 0.1
    (found,) = all_pairs(matcher, features)
    assert CASCADE.hint <= len(found.putative) < CASCADE.network_inliers
    assert matcher.asked == [(CASCADE.network_keypoints - 1,) * 2]


def test_pairs_that_others_join_need_not_be_asked_about() -> None:
    """Photos 0 and 1 are settled with five others, photo 7 with four of these."""
    settled = [(k, i) for k in (0, 1) for i in range(2, 7)] + [(i, 7) for i in range(2, 6)]
    found, _ = joined_by_others(settled, [(0, 1), (0, 7), (1, 7)], 8)
    assert [one.pair for one in found] == [(0, 1)]
    assert found[0].way == NOT_ASKED
    assert not len(found[0].putative)
    assert not len(found[0].inliers)
    assert joined_by_others([], [(0, 1)], 8) == ([], set())


def test_where_photos_settle_with_many_the_strongest_keypoints_of_the_rest_are_enough() -> None:
    """Photos 0 and 1 have two settled neighbours in common, 2 and 3, and six of their own each;
    photo 2 has two settled pairs in all."""
    own = {0: range(4, 10), 1: range(10, 16)}
    settled = [(k, i) for k in (0, 1) for i in (2, 3, *own[k])]
    asked = [(0, 1), (2, 3), (0, 10)]
    assert joined_by_others(settled, asked, 16) == ([], {(0, 1)})
    assert joined_by_others([*settled[:-1]], asked, 16) == ([], set()), "photo 1 has seven"
    apart = [(0, 16) if pair == (0, 2) else pair for pair in settled]
    assert joined_by_others(apart, asked, 17) == ([], set()), "one in common"


def test_pairs_whose_strongest_keypoints_are_enough_are_not_asked_again() -> None:
    matcher, features = several((0.9, 0.9))
    matcher.share = 0.05
    cascade = cascade_of(matcher, features)
    (found,) = cascade.ask([(0, 1)], {(0, 1)})
    assert CASCADE.hint <= len(found.inliers) < CASCADE.network_inliers
    assert len(matcher.asked) == 1
    cascade.ask([(0, 1)])
    assert len(matcher.asked) == 3


def test_settling_and_asking_are_parts_of_matching() -> None:
    matcher, features = several((0.2, 0.2, 0.9))
    cascade = cascade_of(matcher, features)
    pairs = list(combinations(range(3), 2))
    settled = cascade.settle(pairs)
    assert [one.pair for one in settled] == [(0, 1)]
    asked = cascade.ask([pair for pair in pairs if pair != (0, 1)])
    for one, whole in zip([*settled, *asked], cascade.match(pairs), strict=True):
        assert one.pair == whole.pair
        assert one.way == whole.way
        np.testing.assert_array_equal(one.inliers, whole.inliers)
