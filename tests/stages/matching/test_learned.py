"""The matching stage with learned descriptors, without network weights: SIFT's stand for them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.matching import make_capture, texture, wall_photos

from splatpose.events import Event, Message, Progress
from splatpose.features.cascade import NEAREST, NETWORK
from splatpose.features.matcher import DescriptorThresholds, Features
from splatpose.features.sift import SiftMatcher
from splatpose.scene.capture import Capture
from splatpose.scene.matches import SIFT_BESIDE, MatchGraph
from splatpose.stages.matching import finish, stage
from splatpose.stages.matching.config import MatchingConfig

PHOTOS = 4
"""The last of them is of another place."""


class LearnedMatcher(SiftMatcher):
    """SIFT's descriptors of unit length, and the ratio test in place of a network."""

    name = "xfeat"
    descriptors = DescriptorThresholds(min_cosine=0.8, guided_cosine=0.7)

    def extract(self, photo: np.ndarray) -> Features:
        found = super().extract(photo)
        unit = self.similarity(found.descriptors)
        return Features(found.keypoints, unit, found.width, found.height)


@pytest.fixture(scope="module", autouse=True)
def without_weights() -> Iterator[None]:
    create = stage.create_matcher

    def create_matcher(config: MatchingConfig, weights_dir: Path | None) -> tuple:
        if config.matcher == "xfeat":
            return LearnedMatcher(max_keypoints=300, working_size=1024), {}
        return create(config, weights_dir)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "create_matcher", create_matcher)
        patch.setattr(finish, "BATCH", 3)
        yield


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    photos = [*wall_photos(PHOTOS - 1), texture(320, 240, seed=99)]
    return make_capture(tmp_path_factory.mktemp("wall"), photos)


def run(
    capture: Capture, folder: Path, emit: Callable[[Event], None], matcher: str = "xfeat+sift"
) -> MatchGraph:
    folder.mkdir(exist_ok=True)
    config = MatchingConfig(matcher=matcher)  # pyright: ignore[reportArgumentType]
    stage.match_photos(capture, config, folder, emit, weights_dir=None, seed=0)
    return stage.load_matches(folder)


def ignore(event: Event) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def joint(capture: Capture, tmp_path_factory: pytest.TempPathFactory) -> MatchGraph:
    return run(capture, tmp_path_factory.mktemp("joint"), ignore)


def test_pairs_tell_their_way(capture: Capture, joint: MatchGraph, tmp_path: Path) -> None:
    graph = run(capture, tmp_path / "alone", ignore, "xfeat")
    ways = dict(zip(map(tuple, graph.pairs.tolist()), graph.ways, strict=True))
    assert ways[0, 1] == ways[1, 2] == NEAREST
    assert ways[0, 3] == NETWORK
    assert [way.removesuffix(SIFT_BESIDE) for way in joint.ways] == list(graph.ways)
    beside = dict(zip(map(tuple, joint.pairs.tolist()), joint.ways, strict=True))
    assert beside[0, 1] == NEAREST + SIFT_BESIDE
    assert beside[0, 3] == NETWORK


@pytest.mark.parametrize(
    "stop",
    [
        "pairs of photos matched",
        "pairs of photos verified",
        "pairs of photos matched with sift too",
    ],
)
def test_an_interruption_changes_nothing(
    capture: Capture, joint: MatchGraph, tmp_path: Path, stop: str
) -> None:
    """Pairs without matches were matched too: they are neither asked again nor written twice."""

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.text == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(capture, tmp_path / "part", interrupt)
    resumed = run(capture, tmp_path / "part", ignore)
    assert resumed.ways == joint.ways
    np.testing.assert_array_equal(resumed.pairs, joint.pairs)
    np.testing.assert_array_equal(resumed.matches, joint.matches)
    for own, other in zip(resumed.keypoints, joint.keypoints, strict=True):
        np.testing.assert_array_equal(own, other)


def test_a_full_disk_at_the_end_names_no_way_twice(
    capture: Capture, joint: MatchGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stage, "write_json", full)
        with pytest.raises(OSError, match="No space"):
            run(capture, tmp_path / "part", ignore)
    assert run(capture, tmp_path / "part", ignore).ways == joint.ways


def test_a_pair_that_sift_cannot_bear_is_told(
    capture: Capture, joint: MatchGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    match, calls = SiftMatcher.match, []

    def odd(self: SiftMatcher, first: Features, second: Features) -> np.ndarray:
        if self.name == "sift":
            calls.append(1)
            if len(calls) == 1:
                raise ValueError("a matrix of the wrong shape")
        return match(self, first, second)

    monkeypatch.setattr(SiftMatcher, "match", odd)
    events: list[Event] = []
    graph = run(capture, tmp_path / "odd", events.append)
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    assert warnings == [
        "sift: 000.png with 001.png could not be matched (ValueError: a matrix of the wrong shape)"
    ]
    assert graph.ways[0] == NEAREST
    assert graph.ways[1:] == joint.ways[1:]


class OtherWeights(LearnedMatcher):
    """As many keypoints, in another order."""

    def extract(self, photo: np.ndarray) -> Features:
        found = super().extract(photo)
        return replace(found, keypoints=found.keypoints[::-1], descriptors=found.descriptors[::-1])


def test_a_run_that_goes_on_with_other_weights_mixes_no_matches(
    capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.text == "pairs of photos matched":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(capture, tmp_path / "part", interrupt, "xfeat")
    other = OtherWeights(max_keypoints=300, working_size=1024), {"xfeat.pt": "another hash"}
    monkeypatch.setattr(stage, "create_matcher", lambda config, weights_dir: other)
    expected = run(capture, tmp_path / "whole", ignore, "xfeat")
    resumed = run(capture, tmp_path / "part", ignore, "xfeat")
    np.testing.assert_array_equal(resumed.matches, expected.matches)
    for own, fresh in zip(resumed.keypoints, expected.keypoints, strict=True):
        np.testing.assert_array_equal(own, fresh)
