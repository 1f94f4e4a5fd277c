"""Which matches mappers are given where photos are few and matches very many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.poses import Scene, arc, cloud, make_scene

from splatpose.io.colmap_database import read_graph
from splatpose.scene.matches import MatchGraph
from splatpose.sfm.mapping import matches_to_map as module
from splatpose.sfm.mapping.matches_to_map import matches_to_map
from splatpose.sfm.thresholds import TRACKS, TRACKS_OF_FEW


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("rich"), arc(6), cloud(900))


@pytest.fixture
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scene has is plenty."""
    monkeypatch.setattr(module, "TRACKS", replace(TRACKS, many_matches=5000))


def given_of(scene: Scene, path: Path) -> MatchGraph:
    return matches_to_map(scene.graph, np.zeros(len(scene.capture.photos), int), path)


@pytest.mark.usefixtures("plenty")
def test_mappers_are_given_some_matches_of_every_pair(scene: Scene, tmp_path: Path) -> None:
    given = given_of(scene, tmp_path / "some.db")
    assert len(given.matches) < 0.7 * len(scene.graph.matches)
    least = np.minimum(scene.graph.num_verified, TRACKS_OF_FEW.of_a_pair)
    assert (given.num_verified >= least).all()
    held = read_graph(given.database, "")
    np.testing.assert_array_equal(held.num_verified, given.num_verified)
    np.testing.assert_array_equal(held.matches, given.matches)


def test_where_matches_are_not_plenty_mappers_are_given_all(scene: Scene, tmp_path: Path) -> None:
    assert len(scene.graph.matches) < TRACKS.many_matches
    assert given_of(scene, tmp_path / "some.db") is scene.graph
    assert not (tmp_path / "some.db").exists()


@pytest.mark.usefixtures("plenty")
def test_three_photos_need_all_that_they_have(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(3, span_deg=30), cloud(2500))
    assert len(scene.graph.matches) > 5000
    assert given_of(scene, tmp_path / "some.db") is scene.graph
