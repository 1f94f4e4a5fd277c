"""Graphs of photos or pairs: trees, components, blocks, and values from differences along edges.

Edges are pairs of nodes, each given once, in either direction.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.sparse import coo_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.sparse.linalg import splu

from .groups import groups_of


def component_labels(pairs: Int[np.ndarray, "E 2"], num_nodes: int) -> Int[np.ndarray, " N"]:
    """The number of each node's connected component, in the order of their first nodes."""
    weight = np.ones(len(pairs))
    graph = coo_array((weight, (pairs[:, 0], pairs[:, 1])), shape=(num_nodes, num_nodes))
    return connected_components(graph, directed=False)[1]


def components(pairs: Int[np.ndarray, "E 2"], num_nodes: int) -> list[list[int]]:
    """Nodes of each connected component, ascending, in the order of their first nodes."""
    label = component_labels(pairs, num_nodes)
    return [np.flatnonzero(label == k).tolist() for k in range(label.max(initial=-1) + 1)]


def in_largest_component(
    pairs: Int[np.ndarray, "E 2"], keep: Bool[np.ndarray, " E"], num_nodes: int
) -> Bool[np.ndarray, " E"]:
    """Which of the kept edges belong to the component with the most nodes."""
    label = component_labels(pairs[keep], num_nodes)
    return keep & (label[pairs[:, 0]] == np.bincount(label).argmax())


def spanning_tree(
    pairs: Int[np.ndarray, "E 2"], trust: Float[np.ndarray, " E"], num_nodes: int
) -> csr_array:
    """The tree of the most trusted edges, as an undirected graph to walk along."""
    # Zero would mean no edge at all.
    cost = 1 / np.maximum(trust, 1e-9)
    graph = coo_array((cost, (pairs[:, 0], pairs[:, 1])), shape=(num_nodes, num_nodes)).tocsr()
    tree = minimum_spanning_tree(graph)
    return csr_array(tree + tree.T)


def spanning_forest(
    pairs: Int[np.ndarray, "E 2"], weight: Int[np.ndarray, " E"], num_nodes: int
) -> tuple[Int[np.ndarray, " F"], Int[np.ndarray, " N"]]:
    """The maximum spanning forest (Kruskal 1956); of equal edges the first ones are in it.

    Returns:
        Its edges, the heaviest first, and for each node the one that stands for its tree.
    """
    root = np.arange(num_nodes)
    edges = []
    for e in np.argsort(-weight, kind="stable").tolist():
        i, j = root[pairs[e]]
        if i != j:
            root[root == j] = i
            edges.append(e)
    return np.array(edges, np.int64), root


def widest_paths(
    pairs: Int[np.ndarray, "E 2"], weight: Int[np.ndarray, " E"], num_nodes: int
) -> Int[np.ndarray, " E"]:
    """For each edge the width of the widest path between its nodes: its lightest edge's weight.

    That path runs along the maximum spanning forest; an edge of the forest is its own.
    """
    root = np.arange(num_nodes)
    width = np.zeros((num_nodes, num_nodes), weight.dtype)
    for e in spanning_forest(pairs, weight, num_nodes)[0]:
        i, j = root[pairs[e]]
        first, second = root == i, root == j
        width[np.ix_(first, second)] = width[np.ix_(second, first)] = weight[e]
        root[second] = i
    return width[pairs[:, 0], pairs[:, 1]]


def biconnected_blocks(linked: Bool[np.ndarray, "N N"]) -> list[Int[np.ndarray, " B"]]:
    """Largest sets of at least two nodes that no single node separates (Hopcroft & Tarjan 1973).

    Args:
        linked: symmetric adjacency.
    """
    count = len(linked)
    order, low = np.full(count, -1), np.zeros(count, np.int64)
    blocks: list[Int[np.ndarray, " B"]] = []
    trail: list[tuple[int, int]] = []
    clock = 0
    for root in range(count):
        if order[root] >= 0:
            continue
        order[root] = low[root] = clock
        clock += 1
        stack = [(root, -1, 0, iter(np.flatnonzero(linked[root]).tolist()))]
        while stack:
            node, parent, place, others = stack[-1]
            step = next(others, None)
            if step is None:
                stack.pop()
                if stack:
                    low[parent] = min(low[parent], low[node])
                    if low[node] >= order[parent]:
                        blocks.append(np.unique(np.array(trail[place:])))
                        del trail[place:]
            elif step in (parent, node):
                continue
            elif order[step] < 0:
                stack.append((step, node, len(trail), iter(np.flatnonzero(linked[step]).tolist())))
                trail.append((node, step))
                order[step] = low[step] = clock
                clock += 1
            elif order[step] < order[node]:
                trail.append((node, step))
                low[node] = min(low[node], order[step])
    return blocks


def strongest_of_each(
    pairs: Int[np.ndarray, "E 2"], weight: Real[np.ndarray, " E"], count: int
) -> Bool[np.ndarray, " E"]:
    """Edges that are among the `count` heaviest of one of their nodes; of equal ones the first."""
    keep = np.zeros(len(pairs), bool)
    for ends in groups_of(pairs.ravel()):
        own = ends // 2
        keep[own[np.argsort(-weight[own], kind="stable")[:count]]] = True
    return keep


def values_from_differences(
    pairs: Int[np.ndarray, "E 2"],
    weight: Float[np.ndarray, " E"],
    difference: Float[np.ndarray, "E D"],
    num_nodes: int,
    *,
    ridge: float,
) -> Float[np.ndarray, "N D"]:
    """Weighted least squares of x_j - x_i = difference over the edges (i, j).

    The normal equations' matrix is the graph's Laplacian, which leaves the mean of each component
    free: the ridge sets it.

    Args:
        ridge: added to the diagonal, as a share of the largest weight.
    """
    i, j = pairs.T
    rows, columns = np.r_[i, j, i, j], np.r_[i, j, j, i]
    values = np.r_[weight, weight, -weight, -weight]
    laplacian = coo_array((values, (rows, columns)), shape=(num_nodes, num_nodes))
    right = np.zeros((num_nodes, difference.shape[1]))
    np.add.at(right, j, weight[:, None] * difference)
    np.add.at(right, i, -weight[:, None] * difference)
    top = max(float(weight.max(initial=0.0)), 1e-12)
    return splu((laplacian + ridge * top * eye_array(num_nodes)).tocsc()).solve(right)


def common_neighbors(edges: Int[np.ndarray, "E 2"], num_nodes: int) -> csr_array:
    """At (i, j) how many nodes edges join to both i and j; each edge is to be given once."""
    ends = np.concatenate([edges, edges[:, ::-1]])
    one = np.ones(len(ends), np.int64)
    joined = csr_array((one, (ends[:, 0], ends[:, 1])), shape=(num_nodes, num_nodes))
    return csr_array(joined @ joined)
