"""Graphs against their definitions."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from splatpose.geometry.graphs import (
    biconnected_blocks,
    common_neighbors,
    components,
    in_largest_component,
    spanning_forest,
    spanning_tree,
    strongest_of_each,
    values_from_differences,
    widest_paths,
)


def random_edges(rng: np.random.Generator, count: int, share: float) -> np.ndarray:
    pairs = np.stack(np.triu_indices(count, 1), 1)
    return pairs[rng.random(len(pairs)) < share]


def test_components_are_in_the_order_of_their_first_nodes() -> None:
    pairs = np.array([[4, 1], [2, 5], [5, 3]])
    assert components(pairs, 7) == [[0], [1, 4], [2, 3, 5], [6]]
    assert components(np.zeros((0, 2), np.int64), 2) == [[0], [1]]
    keep = np.array([True, True, False])
    np.testing.assert_array_equal(in_largest_component(pairs, keep, 7), [True, False, False])
    keep[2] = True
    np.testing.assert_array_equal(in_largest_component(pairs, keep, 7), [False, True, True])


def test_both_spanning_trees_weigh_most() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        pairs = random_edges(rng, 9, 0.5)
        weight = rng.permutation(len(pairs)) + 1
        forest, root = spanning_forest(pairs, weight, 9)
        graph = coo_array((-weight, tuple(pairs.T)), shape=(9, 9))
        best = -minimum_spanning_tree(graph.tocsr()).sum()
        assert weight[forest].sum() == best
        assert (np.diff(weight[forest]) < 0).all()
        label = connected_components(graph, directed=False)[1]
        assert ((label[:, None] == label) == (root[:, None] == root)).all()
        tree = spanning_tree(pairs, weight.astype(np.float64), 9)
        inside = np.array([tree[i, j] > 0 for i, j in pairs.tolist()])
        assert set(np.flatnonzero(inside)) == set(forest.tolist())


def test_of_equal_edges_the_first_are_in_the_forest() -> None:
    pairs = np.array([[0, 1], [1, 2], [0, 2]])
    forest, root = spanning_forest(pairs, np.array([5, 5, 5]), 3)
    assert forest.tolist() == [0, 1]
    assert root.tolist() == [0, 0, 0]


def test_exact_differences_give_their_values() -> None:
    rng = np.random.default_rng(3)
    pairs = np.concatenate(
        [random_edges(rng, 8, 0.4), np.stack([np.arange(7), np.arange(1, 8)], 1)]
    )
    values = rng.normal(size=(8, 2))
    difference = values[pairs[:, 1]] - values[pairs[:, 0]]
    weight = rng.uniform(1, 3, len(pairs))
    found = values_from_differences(pairs, weight, difference, 8, ridge=1e-9)
    np.testing.assert_allclose(found - found.mean(0), values - values.mean(0), atol=1e-6)


def test_blocks_are_what_no_node_separates() -> None:
    """Against the definition: removing a node separates what lies in different blocks only."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        count = int(rng.integers(3, 12))
        linked = np.triu(rng.random((count, count)) < 0.25, 1)
        linked |= linked.T
        blocks = biconnected_blocks(linked)
        for i, j in np.argwhere(np.triu(linked)):
            assert sum(i in block and j in block for block in blocks) == 1
        cuts = {v for v in range(count) if sum(v in block for block in blocks) > 1}
        parts = connected_components(linked, directed=False)[0]
        for v in range(count):
            rest = np.delete(np.arange(count), v)
            without = connected_components(linked[np.ix_(rest, rest)], directed=False)[0]
            assert (without > parts - (not linked[v].any())) == (v in cuts)


def test_strongest_edges_of_each_node_and_of_equal_ones_the_first() -> None:
    rng = np.random.default_rng(0)
    pairs = random_edges(rng, 14, 0.8)
    weight = rng.integers(0, 5, len(pairs))
    keep = np.zeros(len(pairs), bool)
    for node in range(14):
        own = [e for e, pair in enumerate(pairs) if node in pair]
        keep[sorted(own, key=lambda e: -weight[e])[:3]] = True
    assert 0 < keep.sum() < len(pairs)
    np.testing.assert_array_equal(strongest_of_each(pairs, weight, 3), keep)


def test_widest_paths() -> None:
    rng = np.random.default_rng(2)
    pairs = np.stack(np.triu_indices(9, 1), 1)
    pairs = pairs[rng.random(len(pairs)) < 0.5]
    support = rng.integers(10, 90, len(pairs))
    found = widest_paths(pairs, support, 9)
    for (i, j), weakest in zip(pairs, found, strict=True):
        for level, joined in ((weakest, True), (weakest + 1, False)):
            strong = np.zeros((9, 9), bool)
            strong[tuple(pairs[support >= level].T)] = True
            label = connected_components(strong, directed=False)[1]
            assert (label[i] == label[j]) == joined


def test_common_neighbors() -> None:
    rng = np.random.default_rng(3)
    for share in (0.0, 0.2, 0.7):
        edges = random_edges(rng, 12, share)
        around = [{int(j) for e in edges for j in e if i in e} - {i} for i in range(12)]
        found = common_neighbors(edges, 12).toarray()
        assert all(found[i, j] == len(around[i] & around[j]) for i in range(12) for j in range(12))
