"""The cascade: what each pair costs, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from scenes.poses import CAMERA, arc, cloud

from splatpose.features.cascade import (
    CASCADE,
    NEAREST,
    NETWORK,
    WHOLE_NETWORK,
    Cascade,
)
from splatpose.features.matcher import DescriptorThresholds, Features
from splatpose.geometry.projection import project

POINTS, CLUTTER = 400, 1200
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


def photo(number: int, rng: np.random.Generator, noise: float, strong: int) -> tuple:
    """Features of a photo, its points described with `noise`, and their numbers; the first `strong`
    points are its strongest keypoints, then come clutter and the other points."""
    poses, points = arc(8)[[2, 4]], cloud(POINTS)
    words = np.random.default_rng(9).standard_normal((POINTS, 64))
    xy, _ = project(CAMERA, poses[number], points)
    order = rng.permutation(POINTS)
    own = xy[order] + 0.3 * rng.standard_normal((POINTS, 2))
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


def test_guided_matching_brings_what_the_network_did_not_find() -> None:
    """The network finds a quarter of the matches; along the geometry of these are the others."""
    hard = outcome(noise=0.75, share=0.25)
    assert hard.right > 2 * 0.25 * POINTS
    assert hard.right > 0.7 * hard.found


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
