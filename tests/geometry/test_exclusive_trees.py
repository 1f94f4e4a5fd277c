"""Trees of nodes that exclude each other, against the plain loop over sets."""

from __future__ import annotations

import numpy as np

from splatpose.geometry.exclusive_trees import exclusive_trees


def plain(edges: np.ndarray, kind: np.ndarray) -> np.ndarray:
    tree = np.arange(len(kind))
    for a, b in edges:
        own, other = tree[a], tree[b]
        kinds = [set(kind[tree == node]) for node in (own, other)]
        if own != other and not kinds[0] & kinds[1]:
            tree[tree == other] = own
    return tree


def test_trees_are_those_of_the_plain_loop() -> None:
    rng = np.random.default_rng(0)
    for count, kinds in ((1, 1), (12, 3), (40, 8), (40, 40)):
        for _ in range(10):
            edges, kind = rng.integers(0, count, (3 * count, 2)), rng.integers(0, kinds, count)
            np.testing.assert_array_equal(exclusive_trees(edges, kind), plain(edges, kind))


def test_no_edges_and_no_nodes() -> None:
    nothing = np.zeros((0, 2), np.int64)
    np.testing.assert_array_equal(exclusive_trees(nothing, np.zeros(3, np.int64)), [0, 1, 2])
    assert not len(exclusive_trees(nothing, np.zeros(0, np.int64)))


def test_long_chains_of_one_tree_are_no_deep_recursion() -> None:
    """A chain that is joined from its far end makes the deepest tree."""
    nodes = np.arange(3000)
    edges = np.stack([nodes[:-1], nodes[1:]], 1)[::-1]
    assert not exclusive_trees(edges, nodes).any()
