"""Databases with only some of the matches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scenes.poses import CAMERA, arc, cloud, make_scene

from splatpose.io.colmap_database import read_cameras, read_graph
from splatpose.io.match_subset import subset_of_matches
from splatpose.scene.camera import Camera


def test_a_subset_has_the_kept_matches_and_only_those(tmp_path: Path) -> None:
    graph = make_scene(tmp_path, arc(4), cloud(80)).graph
    kept = np.random.default_rng(0).random(len(graph.matches)) < 0.5
    other = Camera("SIMPLE_RADIAL", CAMERA.width, CAMERA.height, np.array([650.0, 400, 300, 0.01]))
    subset = subset_of_matches(graph, kept, tmp_path / "few.db", cameras={0: other})
    written = read_graph(tmp_path / "few.db", graph.matcher)
    for found in (subset, written):
        np.testing.assert_array_equal(found.matches, graph.matches[kept])
        np.testing.assert_array_equal(found.pairs, graph.pairs)
        np.testing.assert_array_equal(found.offsets, subset.offsets)
    for pair in range(len(graph.pairs)):
        own = kept[graph.offsets[pair] : graph.offsets[pair + 1]]
        np.testing.assert_array_equal(subset.verified(pair), graph.verified(pair)[own])
    np.testing.assert_allclose(read_cameras(tmp_path / "few.db")[0][0].params, other.params)
    np.testing.assert_allclose(read_cameras(graph.database)[0][0].params[0], 1.2 * CAMERA.width)


def test_pairs_with_too_few_matches_have_none_in_the_database(tmp_path: Path) -> None:
    graph = make_scene(tmp_path, arc(3), cloud(60)).graph
    kept = np.ones(len(graph.matches), bool)
    kept[graph.offsets[0] + 5 : graph.offsets[1]] = False
    subset_of_matches(graph, kept, tmp_path / "few.db", fewest=6)
    written = read_graph(tmp_path / "few.db", "")
    assert written.num_verified.tolist() == [0, *graph.num_verified[1:].tolist()]


def test_a_subset_that_was_written_is_used_again(tmp_path: Path) -> None:
    graph = make_scene(tmp_path, arc(3), cloud(60)).graph
    kept = np.arange(len(graph.matches)) % 2 == 0
    subset_of_matches(graph, kept, tmp_path / "few.db")
    before = (tmp_path / "few.db").stat()
    again = subset_of_matches(graph, kept, tmp_path / "few.db")
    assert (tmp_path / "few.db").stat().st_mtime_ns == before.st_mtime_ns
    np.testing.assert_array_equal(again.matches, graph.matches[kept])
