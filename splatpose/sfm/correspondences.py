"""Verified matches of all pairs as flat arrays, whole or thinned, in pixels or calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from ..geometry.groups import groups_of
from ..geometry.projection import normalized_from_pixels
from ..scene.camera import Camera
from ..scene.matches import MatchGraph

REFERENCE_SIDE = 1000.0
"""Thresholds count pixels of a photo whose longer side has this many."""


@dataclass(frozen=True)
class MatchTable:
    """All verified matches of all pairs, flat."""

    pairs: Int[np.ndarray, "P 2"]
    pair: Int[np.ndarray, " M"]
    """Row of `pairs` of each match."""
    photos: Int[np.ndarray, "M 2"]
    keypoints: Int[np.ndarray, "M 2"]
    xy: Float[np.ndarray, "M 2 2"]
    """Pixels in the first and in the second photo."""

    def __len__(self) -> int:
        return len(self.pair)


def match_table(graph: MatchGraph) -> MatchTable:
    """Flattens the verified matches of a graph."""
    pair = np.repeat(np.arange(len(graph.pairs)), graph.num_verified)
    photos = graph.pairs[pair].reshape(-1, 2).astype(np.int64)
    starts = np.cumsum([0, *(len(k) for k in graph.keypoints)])
    xy = np.concatenate([*graph.keypoints, np.zeros((0, 2))]).astype(np.float64)
    rows = starts[photos] + graph.matches
    return MatchTable(graph.pairs, pair, photos, graph.matches, xy[rows])


def with_matches(table: MatchTable, rows: Bool[np.ndarray, " M"]) -> MatchTable:
    """The table with only some of its matches; the pairs keep their numbers."""
    return replace(
        table,
        pair=table.pair[rows],
        photos=table.photos[rows],
        keypoints=table.keypoints[rows],
        xy=table.xy[rows],
    )


def keypoint_ids(table: MatchTable) -> Int[np.ndarray, "M 2"]:
    """A number for each keypoint of each match, the same wherever the keypoint occurs."""
    stride = int(table.keypoints.max(initial=0)) + 1
    return table.photos * stride + table.keypoints


def distinct_keypoints(table: MatchTable) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
    """Match and side (0 or 1) where each keypoint occurs first; ascending by photo and keypoint."""
    _, first = np.unique(keypoint_ids(table), return_index=True)
    match, side = np.divmod(first, 2)
    return match, side


def overlapping(table: MatchTable, min_matches: int) -> Int[np.ndarray, " E"]:
    """Rows of the pairs that have enough verified matches."""
    return np.flatnonzero(np.bincount(table.pair, minlength=len(table.pairs)) >= min_matches)


def focal_ratios(cameras: Sequence[Camera]) -> Float[np.ndarray, " C"]:
    """Focal length over the longer side of each camera."""
    return np.array([np.sqrt(c.K[0, 0] * c.K[1, 1]) / max(c.width, c.height) for c in cameras])


def pair_samples(
    table: MatchTable,
    pairs: Int[np.ndarray, " E"],
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    most: int,
) -> list[Float[np.ndarray, "_ 2 2"]]:
    """Normalised coordinates of at most `most` evenly spaced matches of each pair."""
    rows = sample_rows(table, pairs, most)
    x = calibrated_matches(table, rows, cameras, camera_index)
    return np.split(x, np.searchsorted(table.pair[rows], pairs)[1:]) if len(pairs) else []


def calibrated_matches(
    table: MatchTable,
    rows: Int[np.ndarray, " M"],
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
) -> Float[np.ndarray, "M 2 2"]:
    """Normalised coordinates of matches in their first and second photo."""
    photos, xy = table.photos[rows], table.xy[rows]
    x = np.zeros((len(rows), 2, 2))
    index = camera_index[photos]
    for ends in groups_of(index.ravel()):
        own = np.divmod(ends, 2)
        x[own] = normalized_from_pixels(cameras[index[own][0]], xy[own])
    return x


def sample_rows(
    table: MatchTable, pairs: Int[np.ndarray, " E"], most: int
) -> Int[np.ndarray, " M"]:
    """Rows of at most `most` evenly spaced matches of each of the given pairs."""
    counts = np.bincount(table.pair, minlength=len(table.pairs))
    starts = np.cumsum(counts) - counts
    rows = [
        starts[p] + np.unique(np.linspace(0, counts[p] - 1, min(most, counts[p])).astype(int))
        for p in pairs
    ]
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)
