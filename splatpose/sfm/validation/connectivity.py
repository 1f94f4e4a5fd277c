"""What holds the parts of a model together.

Two parts that one pair of photos joins are only as right as that pair. The best supported tree over
the photos names the cuts worth looking at: each of its edges, taken away, leaves two parts, and
all matches between them are asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import depth_first_order

from ...geometry.graphs import component_labels, spanning_forest
from ..correspondences import MatchTable
from ..match_consistency import Explanation


@dataclass(frozen=True)
class Cut:
    """Two parts of the photos, and what lies between them."""

    part: tuple[int, ...]
    """Photos of the smaller part."""
    between: tuple[int, int]
    """The two photos with the most matches across: first that of the smaller part."""
    pairs: int
    """Pairs across with enough matches that agree with the model."""
    agreeing: int
    contradicted: int
    """Matches across."""
    photos: int
    """Photos of the larger part that these pairs are with."""


@dataclass(frozen=True)
class Ties:
    """How each photo is held by the others."""

    neighbours: Int[np.ndarray, " V"]
    """Photos with which it shares enough matches that agree."""
    weakest: tuple[Cut | None, ...]
    """Weakest cut of each photo between it and the main part; None where nothing cuts it off
    that has less than plenty."""
    cuts: tuple[Cut, ...]
    """All of them, the weakest first."""


PLENTY = 3
"""Pairs across a cut from which on it is no weak one."""


def find_ties(
    table: MatchTable,
    explanation: Explanation,
    registered: Bool[np.ndarray, " V"],
    min_matches: int,
) -> Ties:
    """Cuts of the registered photos along the best supported tree.

    Args:
        min_matches: that agree, for a pair to hold its photos together.
    """
    count = len(registered)
    agree = np.bincount(table.pair[explanation.explained], minlength=len(table.pairs))
    deny = np.bincount(table.pair[explanation.contradicted], minlength=len(table.pairs))
    links = agree >= min_matches
    neighbours = np.bincount(table.pairs[links].ravel(), minlength=count)
    placed = registered[table.pairs].all(1)
    across = np.stack([links, agree, deny], axis=1)[placed].astype(np.int64)
    cuts = [
        _cut(side, table, agree, deny, links, registered)
        for side in _weak_sides(
            _main_tree(table.pairs, np.where(links, agree, 0), registered),
            table.pairs[placed],
            across,
        )
    ]
    cuts.sort(key=lambda cut: (cut.pairs, cut.agreeing))
    weakest: list[Cut | None] = [None] * count
    for cut in reversed(cuts):
        for photo in cut.part:
            weakest[photo] = cut
    return Ties(neighbours, tuple(weakest), tuple(cuts))


def find_bridges(
    table: MatchTable,
    explanation: Explanation,
    registered: Bool[np.ndarray, " V"],
    strong: int,
) -> Float[np.ndarray, " V"]:
    """What joins the group of each registered photo to the others: matches of its strongest pair.

    Photos of a group are joined by pairs with at least `strong` verified matches most of which
    agree with the model. The main group is the one with more than half of the photos; its photos
    have `strong`, photos without a pose NaN. Things that look alike in two places match too, in
    pairs that are weaker than those of one place, and a model that joins the places explains them.
    """
    verified = np.bincount(table.pair, minlength=len(table.pairs))
    agree = np.bincount(table.pair[explanation.explained], minlength=len(table.pairs))
    placed = registered[table.pairs].all(1)
    joins = placed & (verified >= strong) & (2 * agree >= verified)
    group = component_labels(table.pairs[joins], len(registered))
    bridge = np.full(len(registered), np.nan)
    for label in np.unique(group[registered]):
        own = (group == label) & registered
        if 2 * own.sum() > registered.sum():
            bridge[own] = strong
            continue
        out = placed & (own[table.pairs[:, 0]] != own[table.pairs[:, 1]])
        bridge[own] = min(verified[out].max(initial=0), strong - 1)
    return bridge


@dataclass(frozen=True)
class _Tree:
    """A tree over some of the photos, hung up on one of them."""

    edges: Int[np.ndarray, "F 2"]
    order: Int[np.ndarray, " N"]
    """Photos such that each is followed by all that hang on it."""
    parent: Int[np.ndarray, " V"]
    depth: Int[np.ndarray, " V"]
    """Steps from the first photo; -1 outside of the tree."""

    def sums(self, values: Int[np.ndarray, "V K"]) -> Int[np.ndarray, "V K"]:
        """Of each photo its values and those of all that hang on it."""
        total = values.copy()
        for photo in self.order[:0:-1].tolist():
            total[self.parent[photo]] += total[photo]
        return total

    def along_paths(
        self, ends: Int[np.ndarray, "P 2"], values: Int[np.ndarray, "P K"]
    ) -> Int[np.ndarray, "V K"]:
        """Of the edge from each photo to its parent the values of all paths that it is on."""
        total = np.zeros((len(self.parent), values.shape[1]), np.int64)
        a, b = ends.T
        while len(a):
            deeper = self.depth[a] >= self.depth[b]
            node = np.where(deeper, a, b)
            apart = a != b
            np.add.at(total, node[apart], values[apart])
            a, b = np.where(deeper, self.parent[a], a), np.where(deeper, b, self.parent[b])
            a, b, values = a[apart], b[apart], values[apart]
        return total


def _main_tree(
    pairs: Int[np.ndarray, "P 2"], weight: Int[np.ndarray, " P"], registered: Bool[np.ndarray, " V"]
) -> _Tree:
    """The tree of the heaviest edges, of the component with most registered photos."""
    count = len(registered)
    held = weight > 0
    forest, home = spanning_forest(pairs[held], weight[held], count)
    main = home == np.bincount(home[registered], minlength=1).argmax()
    edges = pairs[held][forest]
    edges = np.sort(edges[main[edges[:, 0]]], axis=1)
    # By their first photos; of these, the heaviest first.
    edges = edges[np.argsort(edges[:, 0], kind="stable")]
    graph = coo_array((np.ones(len(edges)), tuple(edges.T)), shape=(count, count)).tocsr()
    order, parent = depth_first_order(graph, int(np.argmax(main)), directed=False)
    depth = np.full(count, -1)
    depth[order[0]] = 0
    for photo in order[1:].tolist():
        depth[photo] = depth[parent[photo]] + 1
    return _Tree(edges, order, parent, depth)


def _weak_sides(
    tree: _Tree, pairs: Int[np.ndarray, "P 2"], values: Int[np.ndarray, "P 3"]
) -> Iterator[Bool[np.ndarray, " V"]]:
    """For each edge of the tree that has less than plenty across the photos on its smaller side.

    Args:
        values: of each pair of photos whether it holds them, and its matches that agree with the
            model and that contradict it.
    """
    inside = tree.depth[pairs] >= 0
    both = inside.all(1)
    across = tree.along_paths(pairs[both], values[both])
    outside = np.zeros_like(across)
    np.add.at(outside, pairs[inside & ~both[:, None]], values[~both & inside.any(1)])
    outside, size = tree.sums(outside), tree.sums(np.ones((len(tree.parent), 1), np.int64))[:, 0]
    total = len(tree.order)
    place = np.empty(len(tree.parent), np.int64)
    place[tree.order] = np.arange(total)
    for i, j in tree.edges.tolist():
        child = j if tree.parent[j] == i else i
        own = size[child] if child == i else total - size[child]
        hanging = (child == i) == (2 * own <= total)
        out = outside[child] if hanging else outside[tree.order[0]] - outside[child]
        holding, agreeing, contradicted = (across[child] + out).tolist()
        if holding < PLENTY or contradicted > agreeing:
            side = np.zeros(len(tree.parent), bool)
            side[tree.order[place[child] : place[child] + size[child]]] = True
            yield side if hanging else (tree.depth >= 0) & ~side


def _cut(
    side: Bool[np.ndarray, " V"],
    table: MatchTable,
    agree: Int[np.ndarray, " P"],
    deny: Int[np.ndarray, " P"],
    links: Bool[np.ndarray, " P"],
    registered: Bool[np.ndarray, " V"],
) -> Cut:
    across = (side[table.pairs[:, 0]] != side[table.pairs[:, 1]]) & registered[table.pairs].all(1)
    rows = np.flatnonzero(across)
    strongest = rows[np.argmax(agree[rows])]
    i, j = table.pairs[strongest].tolist()
    held = table.pairs[rows[links[rows]]]
    others = np.unique(held[~side[held]])
    return Cut(
        part=tuple(np.flatnonzero(side).tolist()),
        between=(i, j) if side[i] else (j, i),
        pairs=len(held),
        agreeing=int(agree[rows].sum()),
        contradicted=int(deny[rows].sum()),
        photos=len(others),
    )


def spread(
    table: MatchTable,
    explained: Bool[np.ndarray, " M"],
    sizes: Int[np.ndarray, "V 2"],
    cells: int = 8,
) -> Float[np.ndarray, " V"]:
    """Share of the cells of each photo in which matches that agree lie.

    Args:
        sizes: width and height of each photo.
        cells: along each side.
    """
    photo = table.photos[explained].ravel()
    xy = table.xy[explained].reshape(-1, 2)
    place = np.floor(cells * xy / sizes[photo]).astype(np.int64)
    place = np.clip(place, 0, cells - 1) @ (cells, 1)
    taken = np.zeros((len(sizes), cells**2), bool)
    taken[photo, place] = True
    return taken.mean(axis=1)
