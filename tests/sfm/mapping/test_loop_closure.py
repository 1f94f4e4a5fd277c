"""Drifted cameras whose loops are closed, against the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes.loops import BOTH_PASSES, PIXELS, drifted, loop_scene, model_of
from scenes.poses import Scene

from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.similarity import alignment
from splatpose.sfm.correspondences import MatchTable, match_table, with_matches
from splatpose.sfm.mapping.loop_closure import Closed, close_loops
from splatpose.sfm.mapping.retriangulation import with_points
from splatpose.sfm.match_consistency import explain


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return loop_scene(tmp_path_factory.mktemp("loop"))


@pytest.fixture(scope="module")
def table(scene: Scene) -> MatchTable:
    return match_table(scene.graph)


def of_both_passes(table: MatchTable) -> np.ndarray:
    return np.array([pair in BOTH_PASSES for pair in map(tuple, table.photos.tolist())])


def closed(scene: Scene, table: MatchTable, poses: np.ndarray) -> Closed:
    """Loops of a model that was made of neighbours alone."""
    new = of_both_passes(table)
    bare = model_of(scene, scene.graph, poses)
    model = with_points(bare, with_matches(table, ~new), PIXELS)
    explained = explain(model, table, max_error_px=PIXELS).explained & new
    first = explain(model, with_matches(table, ~new), max_error_px=PIXELS)
    explained[~new] = first.explained
    return close_loops(model, table, explained, new, max_error_px=PIXELS, seed=0)


def error(poses: np.ndarray, scene: Scene) -> float:
    """RMS distance of the centres from the true ones, in percent of their radius."""
    truth = centers_of(scene.cam_from_world)
    own = centers_of(alignment(poses, scene.cam_from_world).cam_from_world(poses))
    off = np.sqrt(((own - truth) ** 2).sum(1).mean())
    return 100 * float(off) / rms_radius(truth)


def test_a_drifted_walk_comes_back_to_where_it_began(scene: Scene, table: MatchTable) -> None:
    poses = drifted(scene.cam_from_world)
    found = closed(scene, table, poses)
    assert found.loops >= 10
    assert found.gap_before > 0.02
    assert found.gap_after < 0.2 * found.gap_before
    assert error(found.cam_from_world, scene) < 0.3 * error(poses, scene)


def test_false_loops_are_outvoted(scene: Scene, table: MatchTable) -> None:
    poses = drifted(scene.cam_from_world)
    pair = next(row for row, p in enumerate(table.pairs.tolist()) if tuple(p) in BOTH_PASSES)
    xy = table.xy.copy()
    # Something alike beside: all of its pixels are off alike.
    xy[table.pair == pair, 0] += (40.0, 15.0)
    found = closed(scene, replace(table, xy=xy), poses)
    assert error(found.cam_from_world, scene) < 0.4 * error(poses, scene)


def test_without_drift_nothing_moves(scene: Scene, table: MatchTable) -> None:
    found = closed(scene, table, scene.cam_from_world)
    assert found.loops == 0
    np.testing.assert_array_equal(found.cam_from_world, scene.cam_from_world)
    assert np.isnan(found.gap_before)
