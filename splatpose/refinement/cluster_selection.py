"""Overlapping groups of neighbouring views, from the strength of pairs alone.

Nothing depends on the order of the photos but the choice between equals, for which the caller
gives a rank.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from ..geometry.graphs import spanning_tree, strongest_of_each
from ..sfm.twoview.all_pairs import RelativePoses

SMALLEST, LARGEST = 3, 8
_UNSURE = np.radians(3.0)
"""Uncertainty of a direction at which a pair counts half of what its matches would."""


def strengths(relative: RelativePoses) -> Float[np.ndarray, " E"]:
    """What each pair is worth for a cluster: matches that agree, less where the direction is
    unsure, as without parallax it is."""
    doubt = 1 + (relative.direction_sigma / _UNSURE) ** 2
    return relative.inliers * relative.inlier_share / doubt


def strong_edges(
    pairs: Int[np.ndarray, "E 2"],
    strength: Float[np.ndarray, " E"],
    neighbours: int,
    num_photos: int,
) -> Bool[np.ndarray, " E"]:
    """Each photo's strongest edges, and those of the tree that holds all together."""
    strong = strongest_of_each(pairs, strength, neighbours)
    tree = spanning_tree(pairs, strength, num_photos)
    return strong | np.array([tree[i, j] > 0 for i, j in pairs.tolist()], bool)


def clusters(
    pairs: Int[np.ndarray, "E 2"],
    strength: Float[np.ndarray, " E"],
    strong: Bool[np.ndarray, " E"],
    rank: Int[np.ndarray, " V"],
    size: int,
) -> list[tuple[int, ...]]:
    """Groups of photos such that both photos of every strong edge are together in one of them.

    From the strongest edge that no group holds yet, a group grows by the photo that brings most
    strength of such edges, up to `size` photos. A group too small to check anything takes in the
    photo that it sees best, its edges being in another group or not.

    Args:
        pairs: the edges.
        strength: of each, >= 0.
        strong: edges to be covered.
        rank: of each photo, to decide between equals; all different.
        size: most photos in a group.

    Returns:
        Photo numbers of each group, ascending.
    """
    count = len(rank)
    weight = np.zeros((count, count))
    weight[pairs[:, 0], pairs[:, 1]] = weight[pairs[:, 1], pairs[:, 0]] = strength
    open_ = np.zeros((count, count), bool)
    open_[pairs[strong, 0], pairs[strong, 1]] = open_[pairs[strong, 1], pairs[strong, 0]] = True
    groups = []
    while open_.any():
        i, j = np.nonzero(np.triu(open_))
        low, high = np.minimum(rank[i], rank[j]), np.maximum(rank[i], rank[j])
        first = np.lexsort((high, low, -weight[i, j]))[0]
        members = [int(i[first]), int(j[first])]
        while len(members) < size:
            known = weight[:, members]
            gain = (known * open_[:, members]).sum(1)
            total = known.sum(1)
            gain[members] = total[members] = 0
            if not gain.any() and (len(members) >= SMALLEST or not total.any()):
                break
            members.append(int(np.lexsort((rank, -total, -gain))[0]))
        groups.append(tuple(sorted(members)))
        open_[np.ix_(members, members)] = False
    return groups
