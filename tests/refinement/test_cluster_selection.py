"""Laws of clusters: every strong pair is in one, and the order of photos does not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from splatpose.refinement.cluster_selection import clusters, strengths, strong_edges


def random_graph(seed: int, count: int = 18) -> tuple[np.ndarray, np.ndarray]:
    """Photos in a plane, each joined with those near it; the nearer the stronger."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(0, 4, (count, 2))
    pairs = np.stack(np.triu_indices(count, 1), 1)
    distance = np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1)
    near = distance < 1.8
    return pairs[near], 100 * np.exp(-distance[near])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [3, 5, 8])
def test_every_strong_edge_is_inside_a_cluster(seed: int, size: int) -> None:
    pairs, strength = random_graph(seed)
    strong = strong_edges(pairs, strength, 4, 18)
    groups = clusters(pairs, strength, strong, np.arange(18), size)
    joined = {frozenset(pair) for pair in pairs.tolist()}
    for pair in pairs[strong].tolist():
        assert any(set(pair) <= set(group) for group in groups)
    for group in groups:
        assert 2 <= len(group) <= size
        assert len(set(group)) == len(group)
        # Grown along edges: nobody is in a group without an edge to it.
        assert all(any(frozenset((a, b)) in joined for b in group) for a in group)
    assert len(set(groups)) == len(groups)


def test_each_photo_keeps_its_strongest_edges_and_none_is_cut_off() -> None:
    pairs, strength = random_graph(1)
    strong = strong_edges(pairs, strength, 2, 18)
    for photo in range(18):
        own = np.flatnonzero((pairs == photo).any(1))
        best = own[np.argsort(-strength[own])][:2]
        assert strong[best].all()
    # Two far groups that one weak edge joins: the tree keeps it.
    pairs = np.array([(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5)])
    strength = np.array([9.0, 8, 7, 0.1, 9, 8, 7])
    assert strong_edges(pairs, strength, 1, 6)[3]


@pytest.mark.parametrize("seed", range(4))
def test_clusters_do_not_depend_on_the_order_of_photos(seed: int) -> None:
    pairs, strength = random_graph(seed)
    if seed == 3:  # equals, which only the rank tells apart
        strength = np.round(strength / 30)
    rank = np.random.default_rng(100).permutation(18)
    strong = strong_edges(pairs, strength, 18, 18)
    groups = clusters(pairs, strength, strong, rank, 6)
    name = np.random.default_rng(seed).permutation(18)
    renamed = np.sort(name[pairs], axis=1)
    order = np.lexsort((renamed[:, 1], renamed[:, 0]))
    again = clusters(renamed[order], strength[order], strong[order], rank[np.argsort(name)], 6)
    assert {frozenset(name[list(group)].tolist()) for group in groups} == set(map(frozenset, again))


def test_pairs_without_parallax_count_less(relative) -> None:
    strength = strengths(relative)
    blind = replace(relative, covariance=np.tile(np.eye(6), (len(relative), 1, 1)))
    assert (strengths(blind) < 0.1 * strength).all()
