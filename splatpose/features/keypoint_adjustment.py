"""Moves the keypoints of each track onto one point of the scene, by the photos themselves.

Learned detectors place keypoints on the pixel grid of a reduced photo, so that matches are half a
pixel off on average, four times as much as SIFT's. Here one keypoint of a track is kept and the
photos around the others are aligned to it, along a tree of matches that starts at the kept one;
then every keypoint goes to the mean of where its neighbours want it. This is the keypoint
adjustment of Lindenberger et al. (ICCV 2021) with the photos in place of dense features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .matcher import PhotoMatches
from .patch_alignment import align, fit_affinities
from .threads import one_thread_each

MAX_SHIFT = 3.0
"""Farthest that a keypoint may move, in pixels; one that would move farther stays where it was
detected."""
MIN_CORRELATION = 0.8
"""Lowest normalised correlation of two aligned windows."""
MAX_DISAGREEMENT = 0.5
"""Largest distance of a precise match's own alignment from the final positions, in pixels."""
_MAX_ROUNDS = 40


@dataclass(frozen=True)
class RefinedKeypoints:
    """Keypoints after alignment."""

    keypoints: tuple[Float[np.ndarray, "_ 2"], ...]
    """Keypoints of each photo, in the pixels they were given in."""
    precise: tuple[Bool[np.ndarray, " _"], ...]
    """Matches of each pair of photos that the photos themselves confirm."""


@dataclass(frozen=True)
class _Edges:
    """Matches as edges between keypoints numbered through all photos: first all M from the first
    photo to the second, then the same M back."""

    source: Int[np.ndarray, " E"]
    target: Int[np.ndarray, " E"]
    photos: Int[np.ndarray, "E 2"]
    """Source photo and target photo."""
    affine: Float[np.ndarray, "E 2 2"]
    """Local map from the source to the target photo."""


def refine_keypoints(
    keypoints: Sequence[Float[np.ndarray, "_ 2"]],
    matches: Sequence[PhotoMatches],
    photo: Callable[[int], UInt8[np.ndarray, "H W"]],
) -> RefinedKeypoints:
    """Aligns matched keypoints.

    Args:
        keypoints: for each photo, in pixels of the grey photos that `photo` returns.
        matches: verified matches of pairs of photos.
        photo: the grey photo of an index.
    """
    first_of = np.cumsum([0, *map(len, keypoints)])
    position = np.concatenate([np.zeros((0, 2)), *keypoints]).astype(np.float64)
    edges = _edges(position, first_of, matches)
    position = _along_trees(edges, position, photo)
    position = _towards_neighbours(edges, position, photo)
    forth = np.arange(len(edges.source) // 2)
    moved, correlation = _align_edges(edges, forth, position, photo)
    off = np.linalg.norm(moved - position[edges.target[forth]], axis=1)
    precise = (correlation >= MIN_CORRELATION) & (off <= MAX_DISAGREEMENT)
    bounds = np.cumsum([len(pairs) for _, _, pairs in matches])[:-1]
    return RefinedKeypoints(
        tuple(np.split(position, first_of[1:-1])),
        tuple(np.split(precise, bounds)) if len(matches) else (),
    )


def _edges(
    position: Float[np.ndarray, "N 2"],
    first_of: Int[np.ndarray, " V1"],
    matches: Sequence[PhotoMatches],
) -> _Edges:
    none = np.zeros(0, np.int64)
    nothing = (none, none, np.zeros((0, 2), np.int64), np.zeros((0, 2, 2)))

    def both_ways(task: PhotoMatches) -> tuple[tuple, tuple]:
        first, second, pairs = task
        if not len(pairs):
            return nothing, nothing
        a, b = first_of[first] + pairs[:, 0], first_of[second] + pairs[:, 1]
        photos = np.broadcast_to([first, second], (len(pairs), 2))
        forth = (a, b, photos, fit_affinities(position[a], position[b]))
        return forth, (b, a, photos[:, ::-1], fit_affinities(position[b], position[a]))

    found = one_thread_each(both_ways, matches)
    parts = [nothing, *(forth for forth, _ in found), *(back for _, back in found)]
    return _Edges(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _along_trees(
    edges: _Edges, position: Float[np.ndarray, "N 2"], photo: Callable[[int], np.ndarray]
) -> Float[np.ndarray, "N 2"]:
    """Keeps one keypoint of each track and aligns the others to it, neighbour by neighbour."""
    position = position.copy()
    settled = np.zeros(len(position), bool)
    tried = np.zeros(len(edges.source), bool)
    deformation = ((edges.affine - np.eye(2)) ** 2).sum((1, 2))
    for _ in range(_MAX_ROUNDS):
        chosen = _next_edges(edges, settled, tried, deformation)
        if not len(chosen):
            seeds = _seeds(edges, settled, tried)
            if not len(seeds):
                break
            settled[seeds] = True
            continue
        tried[chosen] = True
        moved, correlation = _align_edges(edges, chosen, position, photo)
        target = edges.target[chosen]
        good = _acceptable(moved, position[target], correlation, MAX_SHIFT)
        position[target[good]] = moved[good]
        settled[target[good]] = True
    return position


def _towards_neighbours(
    edges: _Edges, position: Float[np.ndarray, "N 2"], photo: Callable[[int], np.ndarray]
) -> Float[np.ndarray, "N 2"]:
    """Each keypoint to the mean of itself and of where its matches' alignments put it."""
    moved, correlation = _align_edges(edges, np.arange(len(edges.source)), position, photo)
    good = _acceptable(moved, position[edges.target], correlation, 2 * MAX_DISAGREEMENT)
    total, count = position.copy(), np.ones(len(position))
    np.add.at(total, edges.target[good], moved[good])
    np.add.at(count, edges.target[good], 1)
    return total / count[:, None]


def _acceptable(
    moved: Float[np.ndarray, "C 2"],
    start: Float[np.ndarray, "C 2"],
    correlation: Float[np.ndarray, " C"],
    limit: float,
) -> Bool[np.ndarray, " C"]:
    return (correlation >= MIN_CORRELATION) & (np.linalg.norm(moved - start, axis=1) <= limit)


def _next_edges(
    edges: _Edges,
    settled: Bool[np.ndarray, " N"],
    tried: Bool[np.ndarray, " E"],
    deformation: Float[np.ndarray, " E"],
) -> Int[np.ndarray, " C"]:
    """For each keypoint that has a settled neighbour, the least deformed edge to try next."""
    fresh = np.flatnonzero(~tried & settled[edges.source] & ~settled[edges.target])
    order = fresh[np.lexsort((fresh, deformation[fresh], edges.target[fresh]))]
    return order[np.unique(edges.target[order], return_index=True)[1]]


def _seeds(
    edges: _Edges, settled: Bool[np.ndarray, " N"], tried: Bool[np.ndarray, " E"]
) -> Int[np.ndarray, " S"]:
    """The best connected keypoint of each track, or part of a track, without a settled one."""
    rest = ~tried & ~settled[edges.source] & ~settled[edges.target]
    source, target = edges.source[rest], edges.target[rest]
    size = len(settled)
    graph = coo_array((np.ones(len(source)), (source, target)), shape=(size, size))
    track = connected_components(graph, directed=False)[1]
    nodes, degree = np.unique(source, return_counts=True)
    order = nodes[np.lexsort((nodes, -degree, track[nodes]))]
    return order[np.unique(track[order], return_index=True)[1]]


def _align_edges(
    edges: _Edges,
    chosen: Int[np.ndarray, " C"],
    position: Float[np.ndarray, "N 2"],
    photo: Callable[[int], np.ndarray],
) -> tuple[Float[np.ndarray, "C 2"], Float[np.ndarray, " C"]]:
    """Where the photos put the targets of the chosen edges, and how well they agree there."""
    moved, correlation = np.zeros((len(chosen), 2)), np.zeros(len(chosen))
    if not len(chosen):
        return moved, correlation
    pairs, which = np.unique(edges.photos[chosen], axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    bounds = np.searchsorted(which.ravel()[order], np.arange(1, len(pairs)))

    def align_pair(task: tuple[np.ndarray, np.ndarray]) -> None:
        (first, second), rows = task
        part = chosen[rows]
        moved[rows], correlation[rows] = align(
            photo(int(first)),
            photo(int(second)),
            position[edges.source[part]],
            position[edges.target[part]],
            edges.affine[part],
        )

    one_thread_each(align_pair, list(zip(pairs, np.split(order, bounds), strict=True)))
    return moved, correlation
