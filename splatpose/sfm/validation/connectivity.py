"""What holds the parts of a model together.

Two parts that one pair of photos joins are only as right as that pair. The best supported tree over
the photos names the cuts worth looking at: each of its edges, taken away, leaves two parts, and
all matches between them are asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

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
    cuts = [
        _cut(side, table, agree, deny, links, registered)
        for side in _sides(table.pairs, np.where(links, agree, 0), registered)
    ]
    cuts = [cut for cut in cuts if cut.pairs < PLENTY or cut.contradicted > cut.agreeing]
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


def _sides(
    pairs: Int[np.ndarray, "P 2"], weight: Int[np.ndarray, " P"], registered: Bool[np.ndarray, " V"]
) -> list[Bool[np.ndarray, " V"]]:
    """For each edge of the maximum spanning tree the photos on its smaller side."""
    count = len(registered)
    held = weight > 0
    tree, home = spanning_forest(pairs[held], weight[held], count)
    children: list[list[int]] = [[] for _ in range(count)]
    for i, j in pairs[held][tree].tolist():
        children[i].append(j)
        children[j].append(i)
    if not registered.any():
        return []
    main = np.bincount(home[registered]).argmax()
    sides = []
    for i in range(count):
        for j in children[i]:
            if i < j and home[i] == main:
                side = _reached(children, i, j)
                total = int((home == main).sum())
                sides.append(side if 2 * side.sum() <= total else (home == main) & ~side)
    return sides


def _reached(links: list[list[int]], start: int, without: int) -> Bool[np.ndarray, " V"]:
    """What can be reached in a tree from `start` when its edge to `without` is gone."""
    seen = np.zeros(len(links), bool)
    seen[start] = True
    stack = [start]
    while stack:
        node = stack.pop()
        for other in links[node]:
            if not seen[other] and not (node == start and other == without):
                seen[other] = True
                stack.append(other)
    return seen


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
