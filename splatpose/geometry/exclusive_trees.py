"""Trees that grow over a graph and never take in two nodes of one kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from jaxtyping import Int


def exclusive_trees(
    edges: Int[np.ndarray, "E 2"], kind: Int[np.ndarray, " N"]
) -> Int[np.ndarray, " N"]:
    """The node that stands for each node's tree: of the trees that an edge joins, the first node's.

    Args:
        edges: in the order in which they may join two trees.
        kind: of each node, counting from 0.
    """
    stamps = np.full(int(kind.max(initial=-1)) + 1, -1)
    return _compiled()(np.ascontiguousarray(edges, np.int64), kind.astype(np.int64), stamps)


@cache
def _compiled() -> Callable[..., np.ndarray]:
    """The loop as machine code: a track at a time, Python takes ten times as long."""
    from ..machine_code import compiled

    return compiled(_grow)


def _grow(edges: np.ndarray, kind: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    count = len(kind)
    parent, last = np.arange(count), np.arange(count)
    # Of each node the next one of its tree.
    after = np.full(count, -1)
    for e in range(len(edges)):
        a, b = edges[e]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a == b:
            continue
        node = a
        while node >= 0:
            stamps[kind[node]] = e
            node = after[node]
        node = b
        while node >= 0 and stamps[kind[node]] != e:
            node = after[node]
        if node < 0:
            parent[b] = a
            after[last[a]] = b
            last[a] = last[b]
    for node in range(count):
        root = node
        while parent[root] != root:
            root = parent[root]
        parent[node] = root
    return parent
