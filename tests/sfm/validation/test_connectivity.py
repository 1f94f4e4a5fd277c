"""What ties photos together: bridges, neighbours, spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scenes.poses import Scene, arc, cloud, make_scene
from scenes.trust import PIXELS, subject_of

from splatpose.geometry.graphs import component_labels, spanning_forest
from splatpose.sfm.correspondences import MatchTable, match_table, with_matches
from splatpose.sfm.match_consistency import Explanation, explain
from splatpose.sfm.validation.connectivity import PLENTY, find_bridges, find_ties, spread


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


def flooded(edges: np.ndarray, start: int, allowed: np.ndarray) -> np.ndarray:
    """Photos that edges lead to."""
    reached = np.zeros(len(allowed), bool)
    reached[start] = True
    while True:
        near = reached[edges].any(1) & allowed[edges].all(1)
        before = reached.sum()
        reached[edges[near]] = True
        if reached.sum() == before:
            return reached


def plain_cuts(pairs: np.ndarray, votes: np.ndarray, placed: np.ndarray, least: int) -> list:
    """Part, pairs, agreeing and contradicted matches of each weak cut, by taking edges away."""
    held = votes[:, 0] >= least
    forest = pairs[held][spanning_forest(pairs[held], votes[held, 0], len(placed))[0]]
    everyone = np.ones(len(placed), bool)
    parts = [flooded(forest, photo, everyone) for photo in range(len(placed))]
    sizes = [part.sum() if placed[photo] else 0 for photo, part in enumerate(parts)]
    found = []
    for edge in range(len(forest)):
        i, main = min(forest[edge]), parts[min(forest[edge])]
        if main.sum() < max(sizes):
            continue
        side = flooded(np.delete(forest, edge, axis=0), i, everyone)
        if 2 * side.sum() > main.sum():
            side = main & ~side
        across = (side[pairs].sum(1) == 1) & placed[pairs].all(1)
        agreeing, contradicted = votes[across].sum(0)
        if (across & held).sum() < PLENTY or contradicted > agreeing:
            part = tuple(np.flatnonzero(side).tolist())
            found.append((part, (across & held).sum(), agreeing, contradicted))
    return sorted(found)


def test_cuts_are_what_taking_edges_away_leaves() -> None:
    rng = np.random.default_rng(0)
    met = 0
    for _ in range(60):
        count = int(rng.integers(2, 14))
        pairs = np.stack(np.triu_indices(count, 1), 1)
        pairs = pairs[rng.random(len(pairs)) < rng.uniform(0.2, 0.9)]
        placed = rng.random(count) < 0.9
        votes = rng.integers(0, 6, (len(pairs), 2)) * placed[pairs].all(1)[:, None]
        # The component with most photos is one alone.
        label = component_labels(pairs[votes[:, 0] >= 2], count)[placed]
        sizes = np.sort(np.bincount(label, minlength=2))
        if not placed.any() or sizes[-1] == sizes[-2]:
            continue
        pair = np.repeat(np.arange(len(pairs)), votes.sum(1))
        rank = np.arange(len(pair)) - np.searchsorted(pair, pair)
        keypoints = np.zeros((len(pair), 2), np.int64)
        table = MatchTable(pairs, pair, pairs[pair], keypoints, np.zeros((len(pair), 2, 2)))
        agrees = rank < votes[pair, 0]
        told = Explanation(placed, agrees, ~agrees, 0.0, 0.0, 0.0, 1.0, 1.0)
        ties = find_ties(table, told, placed, 2)
        found = sorted((c.part, c.pairs, c.agreeing, c.contradicted) for c in ties.cuts)
        assert found == plain_cuts(pairs, votes, placed, 2)
        met += len(found)
    assert met > 50


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
