"""Pairs of photos that see the same points by a model and that nobody tried to match, and pairs
that match and see nothing in common.

Retrieval misses pairs, most of all where a walk comes back to a place: what hangs on neither pair
nor track there drifts. A model places both passes side by side, near enough to say which photos
must see the same.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import KDTree

from ...geometry.centers import centers_of
from ...geometry.graphs import common_neighbors, strongest_of_each
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable
from ..match_consistency import Explanation
from ..step_lengths import median_depths
from ..thresholds import INLIERS
from .missing_overlap import measure_overlap
from .thresholds import LOOKALIKES, OVERLAP, UNTRIED

_MOST_NEAR = 256
"""Nearest photos of each that are looked at."""


def untried_pairs(
    model: SparseModel,
    table: MatchTable,
    explained: Bool[np.ndarray, " M"],
    tried: Int[np.ndarray, "P 2"],
    *,
    most: int,
    seed: int,
) -> Int[np.ndarray, "R 2"]:
    """Pairs that must see the same points and are not known to: a long way apart in the graph of
    pairs first, as where a walk comes back.

    Two photos that several others join already, or that share tracks, gain nothing by each other.
    What it costs grows with the number of photos: each is compared with those near it.

    Args:
        explained: matches that agree with the model.
        tried: pairs that were matched, whatever came out.
        most: pairs that each photo names.
        seed: of the points that are asked.

    Returns:
        Photo indices i < j, ascending.
    """
    count = len(model.names)
    votes = np.bincount(table.pair[explained], minlength=len(table.pairs))
    joined = table.pairs[votes >= INLIERS.enough_matches]
    pairs, distance = _near(model)
    pairs, distance = _still_open(pairs, distance, joined, tried, count)
    steps = _steps(pairs, joined, count)
    asked = strongest_of_each(pairs, steps - distance, UNTRIED.asked)
    pairs, steps = pairs[asked], steps[asked]
    visible = _visible(model, table, explained, pairs, seed)
    shared = _shared_tracks(model)[pairs[:, 0], pairs[:, 1]] if len(pairs) else np.zeros(0)
    lacking = (visible >= OVERLAP.min_visible) & (shared < OVERLAP.min_matched_share * visible)
    pairs, visible, steps = pairs[lacking], visible[lacking], steps[lacking]
    gain = steps + visible / (1.0 + visible.max(initial=0))
    return pairs[strongest_of_each(pairs, gain, most)]


def refuted_pairs(
    model: SparseModel, table: MatchTable, explanation: Explanation, seed: int
) -> Bool[np.ndarray, " P"]:
    """The other way round: pairs of the table with matches, most of which do not agree with a
    model by which both photos see nothing in common.

    Args:
        explanation: of the table's matches, by the model.
        seed: of the points that are asked.
    """
    count = len(table.pairs)
    matches = np.bincount(table.pair, minlength=count)
    agree = np.bincount(table.pair[explanation.explained], minlength=count)
    denied = (matches > 0) & (agree < LOOKALIKES.denied * matches)
    denied &= explanation.connected[table.pairs].all(1)
    rows = np.flatnonzero(denied)
    visible = _visible(model, table, explanation.explained, table.pairs[rows], seed)
    refuted = np.zeros(count, bool)
    refuted[rows[visible < OVERLAP.min_visible]] = True
    return refuted


def _near(model: SparseModel) -> tuple[Int[np.ndarray, "Q 2"], Float[np.ndarray, " Q"]]:
    """Pairs i < j of photos that are so near each other, and look so alike, that they may see a
    point under a similar angle and from a similar distance; and how far apart, the limit being 1.
    """
    nothing = np.zeros((0, 2), np.int64), np.zeros(0)
    depth = median_depths(model)
    photos = np.flatnonzero(model.registered & (depth > 0))
    if len(photos) < 2:
        return nothing
    poses = model.cam_from_world[photos]
    centers, axes, reach = centers_of(poses), poses[:, 2, :3], UNTRIED.reach * depth[photos]
    number = min(_MOST_NEAR, len(photos))
    distance, other = KDTree(centers).query(centers, k=number, distance_upper_bound=reach.max())
    own = np.repeat(np.arange(len(photos)), number)
    far, other = np.asarray(distance).ravel(), np.asarray(other).ravel()
    own, other, far = (of[np.isfinite(far)] for of in (own, other, far))
    pairs, first = np.unique(np.sort(np.stack([own, other], 1), axis=1), axis=0, return_index=True)
    i, j = pairs.T
    far = far[first] / np.minimum(reach[i], reach[j])
    alike = (axes[i] * axes[j]).sum(1) > np.cos(np.radians(UNTRIED.turned))
    kept = (i != j) & (far < 1) & alike
    return photos[pairs[kept]], far[kept]


def _still_open(
    pairs: Int[np.ndarray, "Q 2"],
    distance: Float[np.ndarray, " Q"],
    joined: Int[np.ndarray, "J 2"],
    tried: Int[np.ndarray, "P 2"],
    count: int,
) -> tuple[Int[np.ndarray, "R 2"], Float[np.ndarray, " R"]]:
    """Those of the pairs that were not tried, and that few photos join."""
    if not len(pairs):
        return pairs, distance
    known = np.sort(tried, axis=1) @ (count, 1)
    common = np.asarray(common_neighbors(joined, count)[pairs[:, 0], pairs[:, 1]]).ravel()
    kept = ~np.isin(pairs @ (count, 1), known) & (common < UNTRIED.common)
    return pairs[kept], distance[kept]


def _steps(
    pairs: Int[np.ndarray, "Q 2"], joined: Int[np.ndarray, "J 2"], count: int
) -> Int[np.ndarray, " Q"]:
    """Length of the shortest way between both photos of each pair along joined ones."""
    if not len(pairs):
        return np.zeros(0, np.int64)
    one = np.ones(len(joined))
    graph = csr_array((one, (joined[:, 0], joined[:, 1])), shape=(count, count))
    sources, row = np.unique(pairs[:, 0], return_inverse=True)
    # Ways that are longer all count alike, so that each photo looks at its surroundings only.
    limit = UNTRIED.far - 1
    ways = dijkstra(graph, directed=False, indices=sources, unweighted=True, limit=limit)
    length = ways[row, pairs[:, 1]]
    return np.where(np.isfinite(length), length, UNTRIED.far).astype(np.int64)


def _visible(
    model: SparseModel,
    table: MatchTable,
    explained: Bool[np.ndarray, " M"],
    pairs: Int[np.ndarray, "Q 2"],
    seed: int,
) -> Int[np.ndarray, " Q"]:
    """Points of one photo of each pair that the other must see, the more of both ways."""
    count = len(model.names)
    overlap = measure_overlap(model, table, explained, pairs, seed)
    visible = np.zeros(len(pairs), np.int64)
    if len(overlap.pairs):
        code = pairs @ (count, 1)
        order = np.argsort(code)
        asked = np.sort(overlap.pairs, axis=1) @ (count, 1)
        np.maximum.at(visible, order[np.searchsorted(code[order], asked)], overlap.visible)
    return visible


def _shared_tracks(model: SparseModel) -> csr_array:
    """At (i, j) the tracks that both photos see."""
    track, photo = model.observations[:, 0], model.observations[:, 1]
    shape = len(model.names), len(model.points)
    seen = csr_array((np.ones(len(track), np.int64), (photo, track)), shape=shape)
    return csr_array(seen @ seen.T)
