"""SIFT keypoints that join those of another matcher in a finished database."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.matching import make_capture, transform, wall_homography, wall_photos

from splatpose.events import Event, Message
from splatpose.features.sift import SiftMatcher
from splatpose.io.photos import read_photo
from splatpose.scene.capture import Capture
from splatpose.scene.matches import MatchGraph
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.join import Second, join_second, nearest_pairs
from splatpose.stages.matching.stage import load_matches, match_photos

PHOTOS = 5
FILES = ["database.db", "matching.json", "tried.npy", "ways.csv"]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return make_capture(tmp_path_factory.mktemp("wall"), wall_photos(PHOTOS))


def matched(capture: Capture, folder: Path, max_keypoints: int) -> MatchGraph:
    """A finished database with so many keypoints a photo."""
    folder.mkdir()
    config = MatchingConfig(matcher="sift", max_keypoints=max_keypoints)
    match_photos(capture, config, folder, lambda event: None, weights_dir=None, seed=0)
    return load_matches(folder)


def second(capture: Capture, max_keypoints: int) -> Second:
    matcher = SiftMatcher(max_keypoints=max_keypoints, working_size=1600)
    return Second(matcher, [matcher.extract(read_photo(p.path)) for p in capture.photos])


def join(
    capture: Capture, graph: MatchGraph, other: Second, events: list[Event], neighbours: int = 1
) -> bool:
    config = MatchingConfig(matcher="xfeat+sift", sift_neighbours=neighbours)
    return join_second(
        capture, config, graph.database, other, events.append, working_size=1024, seed=0
    )


def test_each_photo_names_its_best_pairs(capture: Capture, tmp_path: Path) -> None:
    graph = matched(capture, tmp_path / "m", 800)
    counts = dict(zip(map(tuple, graph.pairs.tolist()), graph.num_verified, strict=True))
    for neighbours in (1, 2):
        rows = nearest_pairs(graph, neighbours)
        chosen = {tuple(p) for p in graph.pairs[rows].tolist()}
        assert (np.diff(rows) > 0).all()
        assert len(chosen) <= neighbours * PHOTOS
        for photo in range(PHOTOS):
            own = [p for p in counts if photo in p and counts[p]]
            best = sorted(own, key=lambda p: -counts[p])[:neighbours]
            assert set(best) <= chosen
    some = nearest_pairs(graph, PHOTOS)
    np.testing.assert_array_equal(some, np.flatnonzero(graph.num_verified > 0))


def test_both_kinds_are_in_the_database(capture: Capture, tmp_path: Path) -> None:
    graph = matched(capture, tmp_path / "m", 150)
    other = second(capture, 800)
    assert join(capture, graph, other, [])
    joint = load_matches(tmp_path / "m")
    for both, own, more in zip(joint.keypoints, graph.keypoints, other.features, strict=True):
        np.testing.assert_array_equal(both[: len(own)], own)
        np.testing.assert_allclose(both[len(own) :], more.keypoints, atol=1e-3)
    asked = set(nearest_pairs(graph, 1).tolist())
    assert 0 < len(asked) < len(graph.pairs)
    np.testing.assert_array_equal(joint.pairs, graph.pairs)
    for row, (i, j) in enumerate(graph.pairs.tolist()):
        before, after = graph.verified(row), joint.verified(row)
        if row not in asked:
            np.testing.assert_array_equal(after, before)
            assert joint.num_putative[row] == graph.num_putative[row]
            continue
        added = after[:, 0] >= len(graph.keypoints[i])
        np.testing.assert_array_equal(added, after[:, 1] >= len(graph.keypoints[j]))
        assert added.sum() >= 100
        assert (~added).sum() >= 0.9 * len(before)
        assert joint.num_putative[row] >= len(after)
        there = transform(wall_homography(i, j, PHOTOS), joint.keypoints[i][after[added, 0]])
        off = np.linalg.norm(there - joint.keypoints[j][after[added, 1]], axis=1)
        assert np.median(off) < 0.5
        assert (off < 2).mean() > 0.95


def test_pairs_in_which_the_second_kind_sees_little_stay_as_they_are(
    capture: Capture, tmp_path: Path
) -> None:
    graph = matched(capture, tmp_path / "m", 400)
    other = second(capture, 800)
    blind = replace_features(other, 0, 30)
    assert join(capture, graph, blind, [], neighbours=PHOTOS)
    joint = load_matches(tmp_path / "m")
    for row, pair in enumerate(graph.pairs.tolist()):
        same = np.array_equal(joint.verified(row), graph.verified(row))
        assert same == (0 in pair), pair


def replace_features(kind: Second, photo: int, count: int) -> Second:
    """Features of which one photo has the first few only."""
    own = kind.features[photo]
    few = replace(own, keypoints=own.keypoints[:count], descriptors=own.descriptors[:count])
    features = [few if i == photo else f for i, f in enumerate(kind.features)]
    return Second(kind.matcher, features)


def test_where_the_second_kind_sees_little_everywhere_nothing_changes(
    capture: Capture, tmp_path: Path
) -> None:
    graph = matched(capture, tmp_path / "m", 800)
    events: list[Event] = []
    assert not join(capture, graph, second(capture, 60), events)
    after = load_matches(tmp_path / "m")
    for own, kept in zip(graph.keypoints, after.keypoints, strict=True):
        np.testing.assert_array_equal(kept, own)
    for name in ("pairs", "num_putative", "offsets", "matches", "configuration"):
        np.testing.assert_array_equal(getattr(after, name), getattr(graph, name))
    (message,) = [e for e in events if isinstance(e, Message)]
    assert "left out" in message.text


def test_photos_without_matches_are_no_error(tmp_path: Path) -> None:
    blank = [np.full((96, 128, 3), 60 * (i + 1), np.uint8) for i in range(2)]
    capture = make_capture(tmp_path / "blank", blank)
    graph = matched(capture, tmp_path / "m", 100)
    assert not join(capture, graph, second(capture, 100), [])
    assert load_matches(tmp_path / "m").num_verified.sum() == 0


def test_the_stage_joins_sift_to_xfeat(shared: Path, tmp_path: Path) -> None:
    capture = make_capture(tmp_path / "three", wall_photos(3))
    graphs = {}
    for matcher in ("xfeat", "xfeat+sift"):
        config = replace(MatchingConfig(max_keypoints=200), matcher=matcher)
        folder = tmp_path / matcher
        folder.mkdir()
        match_photos(
            capture, config, folder, lambda event: None, weights_dir=shared / "weights", seed=0
        )
        assert sorted(p.name for p in folder.iterdir()) == FILES
        result = json.loads((folder / "matching.json").read_text())
        assert result["matcher"] == matcher
        assert set(result["weights"]) == {"xfeat.pt", "lighterglue_l3.pt"}
        graphs[matcher] = load_matches(folder)
    alone, joint = graphs["xfeat"], graphs["xfeat+sift"]
    np.testing.assert_array_equal(joint.pairs, alone.pairs)
    assert joint.num_verified.sum() > 1.5 * alone.num_verified.sum()
    for both, own in zip(joint.keypoints, alone.keypoints, strict=True):
        np.testing.assert_array_equal(both[: len(own)], own)
