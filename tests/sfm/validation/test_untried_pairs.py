"""Pairs that a model names, and pairs that it refutes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes.loops import BOTH_PASSES, PHOTOS, PIXELS, loop_scene, model_of
from scenes.poses import Scene

from splatpose.geometry.graphs import common_neighbors
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import MatchTable, match_table
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.validation.missing_overlap import measure_overlap
from splatpose.sfm.validation.thresholds import OVERLAP, UNTRIED
from splatpose.sfm.validation.untried_pairs import refuted_pairs, untried_pairs


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return loop_scene(tmp_path_factory.mktemp("blind"), blind=True)


@pytest.fixture(scope="module")
def model(blind: Scene) -> SparseModel:
    return model_of(blind, blind.graph, blind.cam_from_world)


def named(model: SparseModel, table: MatchTable, tried: np.ndarray, most: int = 8) -> np.ndarray:
    explained = explain(model, table, max_error_px=PIXELS).explained
    return untried_pairs(model, table, explained, tried, most=most, seed=0)


def as_set(pairs: np.ndarray) -> set[tuple[int, int]]:
    return {(i, j) for i, j in pairs.tolist()}


def test_both_passes_are_named(blind: Scene, model: SparseModel) -> None:
    table, tried = match_table(blind.graph), blind.graph.pairs
    first, every = (as_set(named(model, table, tried, most=most)) for most in (1, 8))
    assert len(every) >= 12
    assert every <= BOTH_PASSES, "neighbours are joined by others"
    assert first < every
    assert {photo for pair in first for photo in pair} == {i for pair in every for i in pair}
    assert len(first) <= len({photo for pair in every for photo in pair})


def test_it_is_what_looking_at_all_pairs_gives(blind: Scene, model: SparseModel) -> None:
    table, tried = match_table(blind.graph), blind.graph.pairs
    found = named(model, table, tried, most=PHOTOS)
    every = np.stack(np.triu_indices(PHOTOS, 1), 1)
    explained = explain(model, table, max_error_px=PIXELS).explained
    overlap = measure_overlap(model, table, explained, every, 0)
    sees = [set(model.observations[model.observations[:, 1] == i, 0]) for i in range(PHOTOS)]
    common = common_neighbors(tried, PHOTOS).toarray()
    expected = {
        (min(a, b), max(a, b))
        for (a, b), visible in zip(overlap.pairs.tolist(), overlap.visible.tolist(), strict=True)
        if visible >= OVERLAP.min_visible
        and common[a, b] < UNTRIED.common
        and len(sees[a] & sees[b]) < OVERLAP.min_matched_share * visible
    } - as_set(tried)
    # A pair whose two ways differ is told by the more; this is about pairs that are clear.
    assert expected
    assert expected <= as_set(found)


def test_pairs_are_ascending_and_named_once(blind: Scene, model: SparseModel) -> None:
    found = named(model, match_table(blind.graph), blind.graph.pairs)
    np.testing.assert_array_equal(found, np.unique(found, axis=0))
    assert (found[:, 0] < found[:, 1]).all()


def test_tried_pairs_are_not_named_again(blind: Scene, model: SparseModel) -> None:
    table = match_table(blind.graph)
    first = named(model, table, blind.graph.pairs)
    tried = np.concatenate([blind.graph.pairs, first[::2]])
    again = named(model, table, tried)
    assert as_set(again).isdisjoint(as_set(tried))
    every = np.stack(np.triu_indices(PHOTOS, 1), 1)
    assert len(named(model, table, every)) == 0


def test_joined_pairs_are_not_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    scene = loop_scene(tmp_path_factory.mktemp("seen"))
    table = match_table(scene.graph)
    model = model_of(scene, scene.graph, scene.cam_from_world)
    gone = [pair for pair in as_set(scene.graph.pairs) if pair in BOTH_PASSES][::4]
    left = np.array(sorted(as_set(scene.graph.pairs) - set(gone)))
    found = as_set(named(model, table, left))
    assert not found & set(gone), "their tracks join them"


def test_a_photo_without_a_pose_and_a_model_without_points(
    blind: Scene, model: SparseModel
) -> None:
    table = match_table(blind.graph)
    poses = blind.cam_from_world.copy()
    poses[PHOTOS - 1] = np.nan
    found = named(model_of(blind, blind.graph, poses), table, blind.graph.pairs)
    assert len(found) > 5
    assert PHOTOS - 1 not in found
    bare = replace(
        model,
        points=model.points[:0],
        point_colors=model.point_colors[:0],
        point_errors=model.point_errors[:0],
        observations=model.observations[:0],
        observation_xy=model.observation_xy[:0],
    )
    assert len(named(bare, table, blind.graph.pairs)) == 0


def test_pairs_that_match_and_see_nothing_in_common_are_refuted(
    blind: Scene, model: SparseModel
) -> None:
    table = match_table(blind.graph)
    rng = np.random.default_rng(0)
    # Matches of two photos that look the other way from each other, and false ones of neighbours.
    far, near = (2, 14), (7, 9)
    pairs, keypoints, xy = table.pairs, [], []
    for i, j in (far, near):
        rows = [rng.permutation(len(blind.graph.keypoints[k]))[:60] for k in (i, j)]
        keypoints.append(np.stack(rows, 1))
        first, second = (blind.graph.keypoints[k][r] for k, r in ((i, rows[0]), (j, rows[1])))
        xy.append(np.stack([first, second], 1))
    known = [tuple(pair) for pair in pairs.tolist()]
    kept = table.pair != known.index(near)
    both = replace(
        table,
        pairs=np.concatenate([pairs, [far]]),
        pair=np.r_[table.pair[kept], np.full(60, len(pairs)), np.full(60, known.index(near))],
        photos=np.concatenate([table.photos[kept], np.tile(far, (60, 1)), np.tile(near, (60, 1))]),
        keypoints=np.concatenate([table.keypoints[kept], *keypoints]),
        xy=np.concatenate([table.xy[kept], *xy]),
    )
    told = explain(model, both, max_error_px=PIXELS)
    refuted = refuted_pairs(model, both, told, 0)
    assert as_set(both.pairs[refuted]) == {far}
