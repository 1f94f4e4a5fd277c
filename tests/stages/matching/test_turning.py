"""Photos that match only when they are turned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.matching import make_capture, texture, transform, wall_homography, wall_photos
from scenes.upright_sift import UprightMatcher

from splatpose.events import Event, Message
from splatpose.features.cascade import CASCADE, Cascade
from splatpose.features.matcher import Features
from splatpose.scene.capture import Capture
from splatpose.stages.matching import turning
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.turning import Unaligned, match_turned

CONFIG = MatchingConfig(matcher="xfeat")
MATCHER = UprightMatcher(max_keypoints=400, working_size=1024)
WIDTH, HEIGHT = 320, 240


def capture_of(folder: Path, photos: list[np.ndarray]) -> tuple[Capture, list, Unaligned]:
    """The photos, their features, and what matches as given."""
    capture = make_capture(folder, photos)
    features = [MATCHER.extract(photo) for photo in photos]
    names = [photo.name for photo in capture.photos]
    cascade = Cascade(MATCHER, features, names, CONFIG.max_error, CONFIG.min_inliers)
    count = len(photos)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    found = {one.pair: one for one in cascade.match(pairs)}
    return capture, features, Unaligned([f.keypoints.astype(float) for f in features], found)


@pytest.mark.parametrize("upside_down", [0, 3])
def test_a_photo_upside_down_finds_the_others(tmp_path: Path, upside_down: int) -> None:
    photos = wall_photos(4)
    photos[upside_down] = np.ascontiguousarray(photos[upside_down][::-1, ::-1])
    capture, features, given = capture_of(tmp_path, photos)
    events: list[Event] = []
    found = match_turned(capture, CONFIG, MATCHER, features, given, events.append)
    other = 1 if upside_down == 0 else 2
    pair = min(upside_down, other), max(upside_down, other)
    assert len(given.pairs[pair].inliers) < 20
    matches = found.pairs[pair].inliers
    assert len(matches) > 40
    assert "turned by 180 degrees" in found.pairs[pair].way
    xy = {i: found.keypoints[i][matches[:, k]] for k, i in enumerate(pair)}
    xy[upside_down] = [WIDTH, HEIGHT] - xy[upside_down]
    expected = transform(wall_homography(*pair, 4), xy[pair[0]])
    off = np.linalg.norm(expected - xy[pair[1]], axis=1)
    assert np.median(off) < 1
    assert (off < 3).mean() > 0.9
    told = [e.text for e in events if isinstance(e, Message)]
    assert told == [
        f"Turned in their plane, these photos match the others: {capture.photos[upside_down].name}."
    ]


def test_keypoints_as_given_keep_their_rows(tmp_path: Path) -> None:
    photos = wall_photos(3)
    photos[2] = np.ascontiguousarray(photos[2][::-1, ::-1])
    capture, features, given = capture_of(tmp_path, photos)
    found = match_turned(capture, CONFIG, MATCHER, features, given, lambda event: None)
    for before, after in zip(given.keypoints, found.keypoints, strict=True):
        np.testing.assert_array_equal(after[: len(before)], before)
    for (i, j), one in found.pairs.items():
        assert (one.inliers < [len(found.keypoints[i]), len(found.keypoints[j])]).all()
        assert all(len(np.unique(column)) == len(column) for column in one.inliers.T)


def test_connected_photos_are_not_turned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture, features, given = capture_of(tmp_path, wall_photos(3))

    def no_extraction(*_: object) -> None:
        raise AssertionError("nothing needs to be turned")

    monkeypatch.setattr(turning, "extract_turned", no_extraction)
    found = match_turned(capture, CONFIG, MATCHER, features, given, lambda event: None)
    assert found.pairs == given.pairs


def test_photos_of_another_place_stay_alone(tmp_path: Path) -> None:
    photos = [*wall_photos(2), texture(WIDTH, HEIGHT, seed=99)]
    capture, features, given = capture_of(tmp_path, photos)
    events: list[Event] = []
    found = match_turned(capture, CONFIG, MATCHER, features, given, events.append)
    assert [len(found.pairs[pair].inliers) for pair in ((0, 2), (1, 2))] == [
        len(given.pairs[pair].inliers) for pair in ((0, 2), (1, 2))
    ]
    assert not [e for e in events if isinstance(e, Message)]


def test_a_photo_that_cannot_be_read_again_is_told_and_stays_out(tmp_path: Path) -> None:
    """It was left out when photos were searched for keypoints, or broke since."""
    photos = wall_photos(4)
    photos[3] = np.ascontiguousarray(photos[3][::-1, ::-1])
    photos.append(texture(WIDTH, HEIGHT, seed=99))
    capture, features, given = capture_of(tmp_path, photos)
    capture.photos[4].path.write_bytes(b"no photo")
    events: list[Event] = []
    found = match_turned(capture, CONFIG, MATCHER, features, given, events.append)
    assert len(found.pairs[2, 3].inliers) > 40, "the others are turned all the same"
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    assert len(warnings) == 1
    assert capture.photos[4].name in warnings[0]

    empty = [*features[:4], features[4].strongest(0)]
    events.clear()
    match_turned(capture, CONFIG, MATCHER, empty, given, events.append)
    assert not [e for e in events if isinstance(e, Message) and e.level == "warning"]


def test_a_pair_that_matches_better_as_given_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = wall_photos(4)
    photos[3] = np.ascontiguousarray(photos[3][::-1, ::-1])
    capture, features, given = capture_of(tmp_path, photos)
    many = np.stack([np.arange(80)] * 2, axis=1)
    better = replace(given.pairs[2, 3], putative=many, inliers=many)
    monkeypatch.setattr(turning, "_CONNECTED", 100)
    start = Unaligned(given.keypoints, {**given.pairs, (2, 3): better})
    found = match_turned(capture, CONFIG, MATCHER, features, start, lambda event: None)
    assert found.pairs[2, 3] is better


class OddMatcher(UprightMatcher):
    """A library that cannot bear the pairs it is asked about."""

    def match(self, first: Features, second: Features) -> np.ndarray:
        raise ValueError("a matrix of the wrong shape")


def test_pairs_that_cannot_be_matched_are_told(tmp_path: Path) -> None:
    photos = wall_photos(4)
    photos[3] = np.ascontiguousarray(photos[3][::-1, ::-1])
    capture, features, given = capture_of(tmp_path, photos)
    odd = OddMatcher(max_keypoints=400, working_size=1024)
    events: list[Event] = []
    settled = replace(CASCADE, settled_inliers=10_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("splatpose.features.cascade.CASCADE", settled)
        with pytest.raises(ValueError, match="wrong shape"):
            match_turned(capture, CONFIG, odd, features, given, events.append)
