"""Pairs that poses name, matched with the features of the first round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.matching import make_capture, texture

from splatpose.events import Progress
from splatpose.scene.camera import Camera
from splatpose.scene.capture import Capture
from splatpose.scene.matches import MatchGraph
from splatpose.scene.second_round import MoreMatches
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.mapping.retriangulation import with_points
from splatpose.stages.matching.config import MatchingConfig, SecondMatchingConfig
from splatpose.stages.matching.second import load_more_matches, match_named_pairs
from splatpose.stages.matching.stage import load_matches, match_photos

WIDTH, HEIGHT, FOCAL = 320, 240, 300.0
AT = (0, 100, 200, 300, 400, 350, 250, 150, 50)
"""Where the photos stand along a wall, in its pixels: there and back."""
MATCHING = MatchingConfig("sift", exhaustive_limit=0, neighbours=0, window=1)


def true_poses() -> np.ndarray:
    poses = np.tile(np.eye(4), (len(AT), 1, 1))
    poses[:, :3, 3] = [(-x - WIDTH / 2, -HEIGHT / 2, FOCAL) for x in AT]
    return poses


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Capture, MatchGraph, SparseModel]:
    """Photos, the first round's matches of neighbours, and the true poses."""
    root = tmp_path_factory.mktemp("wall")
    wall = texture(max(AT) + WIDTH, HEIGHT, seed=3)
    capture = make_capture(root / "photos", [wall[:, x : x + WIDTH] for x in AT], FOCAL)
    folder = root / "matching"
    folder.mkdir()
    match_photos(capture, MATCHING, folder, lambda event: None, weights_dir=None, seed=0)
    graph = load_matches(folder)
    names = [photo.name for photo in capture.photos]
    camera = Camera("SIMPLE_RADIAL", WIDTH, HEIGHT, np.array([FOCAL, WIDTH / 2, HEIGHT / 2, 0.0]))
    bare = SparseModel.of_cameras(names, true_poses(), np.zeros(len(AT), np.int64), (camera,))
    return capture, graph, with_points(bare, match_table(graph), 3.0)


def second(
    first: tuple[Capture, MatchGraph, SparseModel], folder: Path, emit=lambda event: None
) -> tuple[MoreMatches, str]:
    folder.mkdir(exist_ok=True)
    capture, graph, poses = first
    text = match_named_pairs(
        capture,
        graph,
        poses,
        SecondMatchingConfig(),
        folder,
        emit,
        matching=MATCHING,
        weights_dir=None,
        max_error_px=3.0,
        seed=0,
    )
    return load_more_matches(folder, graph), text


@pytest.fixture(scope="module")
def finished(
    first: tuple[Capture, MatchGraph, SparseModel], tmp_path_factory: pytest.TempPathFactory
) -> tuple[MoreMatches, str, list, Path]:
    events: list = []
    folder = tmp_path_factory.mktemp("second") / "a"
    return *second(first, folder, events.append), events, folder


def as_set(pairs: np.ndarray) -> set[tuple[int, int]]:
    return {(i, j) for i, j in pairs.tolist()}


def test_the_first_round_is_extended(
    first: tuple[Capture, MatchGraph, SparseModel], finished: tuple[MoreMatches, str, list, Path]
) -> None:
    _, graph, _ = first
    more, text, events, folder = finished
    both = more.graph
    assert both is not None
    assert graph.tried is not None
    assert as_set(graph.tried) == {(i, i + 1) for i in range(len(AT) - 1)}
    new = as_set(both.pairs) - as_set(graph.pairs)
    assert {(1, 7), (0, 8)} <= new
    assert all(abs(AT[i] - AT[j]) <= 250 for i, j in new)
    assert more.evidence.matched == len(new)
    assert more.evidence.decision == "not tried"
    assert text.startswith(f"{len(new)} of {more.evidence.named} pairs")
    every = both.pairs.tolist()
    for row, pair in enumerate(graph.pairs.tolist()):
        np.testing.assert_array_equal(both.verified(every.index(pair)), graph.verified(row))
    held = {(i, k) for r, p in enumerate(graph.pairs) for i, k in _keypoints(p, graph.verified(r))}
    assert len(held) > 300
    for photo, keypoint in held:
        same = both.keypoints[photo][keypoint] == graph.keypoints[photo][keypoint]
        assert same.all(), "points were made of it"
    # The wall is flat: a match is off by where the photos stand.
    for pair in sorted(new):
        matches = both.verified(every.index(list(pair)))
        a, b = (both.keypoints[i][matches[:, k]] for k, i in enumerate(pair))
        off = a - b - (AT[pair[1]] - AT[pair[0]], 0)
        assert np.median(np.abs(off)) < 0.5
    assert len(both.ways) == len(both.pairs)
    assert all(both.ways)
    assert {event.stage for event in events} == {"second_matching"}
    assert not (folder / "features").exists()


def _keypoints(pair: np.ndarray, matches: np.ndarray) -> list[tuple[int, int]]:
    return [(int(pair[k]), int(m[k])) for m in matches for k in (0, 1)]


def test_an_interrupted_run_goes_on_to_the_same(
    first: tuple[Capture, MatchGraph, SparseModel],
    finished: tuple[MoreMatches, str, list, Path],
    tmp_path: Path,
) -> None:
    def interrupt(event) -> None:
        if isinstance(event, Progress) and event.text == "pairs of photos matched":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        second(first, tmp_path / "b", interrupt)
    again, text = second(first, tmp_path / "b")
    expected = finished[0]
    assert text == finished[1]
    assert str(again.evidence) == str(expected.evidence)
    assert again.graph is not None
    assert expected.graph is not None
    np.testing.assert_array_equal(again.graph.pairs, expected.graph.pairs)
    np.testing.assert_array_equal(again.graph.matches, expected.graph.matches)
    for a, b in zip(again.graph.keypoints, expected.graph.keypoints, strict=True):
        np.testing.assert_array_equal(a, b)


def test_where_nothing_is_named_nothing_is_written(
    first: tuple[Capture, MatchGraph, SparseModel], tmp_path: Path
) -> None:
    capture, graph, poses = first
    every = replace(graph, tried=np.stack(np.triu_indices(len(AT), 1), 1))
    more, text = second((capture, every, poses), tmp_path / "c")
    assert more.graph is None
    assert more.evidence.named == 0
    assert text == "the poses name no pairs of photos that were never tried"
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["second_round.json"]


def test_with_other_weights_there_is_no_second_round(
    first: tuple[Capture, MatchGraph, SparseModel], tmp_path: Path
) -> None:
    capture, graph, poses = first
    (tmp_path / "matching.json").write_text('{"matcher": "sift", "weights": {"x": "0"}}')
    moved = replace(graph, database=tmp_path / "database.db")
    events: list = []
    more, text = second((capture, moved, poses), tmp_path / "d", events.append)
    assert more.graph is None
    assert more.evidence.named >= 3
    assert "weights are others" in text
    assert [event.level for event in events] == ["warning"]
