"""What ties photos together: bridges, neighbours, spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scenes.poses import Scene, arc, cloud, make_scene
from scenes.trust import PIXELS, subject_of

from splatpose.sfm.correspondences import match_table, with_matches
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.validation.connectivity import find_bridges, find_ties, spread


def test_ties_name_the_bridge(tmp_path: Path) -> None:
    blocked = frozenset((i, j) for i in range(3) for j in range(3, 7) if (i, j) != (2, 3))
    scene = make_scene(tmp_path, arc(7), cloud(), blocked=blocked)
    subject = subject_of(scene)
    explanation = explain(subject.model, subject.table, max_error_px=PIXELS)
    ties = find_ties(subject.table, explanation, subject.model.registered, 15)
    cut = ties.cuts[0]
    assert (cut.part, cut.between, cut.pairs) == ((0, 1, 2), (2, 3), 1)
    assert cut.contradicted < 0.1 * cut.agreeing
    assert [c is None for c in ties.weakest] == [False] * 3 + [True] * 4
    np.testing.assert_array_equal(ties.neighbours, [2, 2, 3, 4, 3, 3, 3])


def test_nothing_ties_photos_that_match_all_around(scene: Scene) -> None:
    subject = subject_of(scene)
    explanation = explain(subject.model, subject.table, max_error_px=PIXELS)
    ties = find_ties(subject.table, explanation, subject.model.registered, 15)
    assert not ties.cuts
    np.testing.assert_array_equal(ties.neighbours, 6)


def test_groups_that_weak_pairs_join_have_bridges(tmp_path: Path) -> None:
    """Each pair between the first three photos and the others has fewer matches than is plenty."""
    scene = make_scene(tmp_path, arc(7), cloud())
    subject = subject_of(scene)
    table = subject.table
    explanation = explain(subject.model, table, max_error_px=PIXELS)
    registered = subject.model.registered
    verified = np.bincount(table.pair)
    strong = int(verified.min())
    np.testing.assert_array_equal(find_bridges(table, explanation, registered, strong), strong)

    across = (table.pairs[:, 0] < 3) & (table.pairs[:, 1] >= 3)
    rank = np.arange(len(table.pair)) - np.searchsorted(table.pair, table.pair)
    keep = ~across[table.pair] | (rank < 20)
    weak = with_matches(table, keep)
    seen = explain(subject.model, weak, max_error_px=PIXELS)
    expected = [20.0] * 3 + [float(strong)] * 4
    np.testing.assert_array_equal(find_bridges(weak, seen, registered, strong), expected)

    three_and_three = registered & (np.arange(7) != 6)
    bridges = find_bridges(weak, seen, three_and_three, strong)
    np.testing.assert_array_equal(bridges[:6], 20.0, "no group holds more than half")
    assert np.isnan(bridges[6])


def test_spread_counts_cells(scene: Scene) -> None:
    table = match_table(scene.graph)
    sizes = np.tile([[800, 600]], (7, 1))
    everywhere = spread(table, np.ones(len(table), bool), sizes)
    assert (everywhere > 0.3).all()
    left = (table.xy[..., 0] < 400).all(1)
    assert (spread(table, left, sizes) <= 0.5).all()
    np.testing.assert_array_equal(spread(table, np.zeros(len(table), bool), sizes), 0)
