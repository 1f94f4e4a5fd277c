"""Which tracks a reconstruction of many photos, or of very many matches, is built on.

Bundle adjustment costs by the observation, and of a thousand keypoints in a photo a few hundred
hold its pose as well as all do, if they are long tracks and lie all over the photo (as Theia
selects tracks; Cui et al., "Efficient large-scale structure from motion by track selection",
CVIU 2016).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from .correspondences import MatchTable
from .thresholds import TRACKS, TrackThresholds
from .tracks import grown_labels

_CELLS = 8
"""Cells along each side of a photo."""


def select_tracks(
    table: MatchTable, sizes: Int[np.ndarray, "V 2"], most: TrackThresholds = TRACKS
) -> Bool[np.ndarray, " M"]:
    """Matches of the tracks that every photo keeps: in each of its cells the longest ones.

    A pair keeps at least some of its matches, whatever their tracks, for two-view geometry.

    Args:
        sizes: width and height of each photo in pixels.
        most: how many are kept.
    """
    label = grown_labels(table)
    whole = label[:, 0] == label[:, 1]
    photo, keypoint = table.photos.ravel(), table.keypoints.ravel()
    stride = int(keypoint.max(initial=0)) + 1
    _, first = np.unique(photo * stride + keypoint, return_index=True)
    track = label.ravel()[first]
    length = np.bincount(track)
    xy = table.xy.reshape(-1, 2)[first]
    cell = np.clip((_CELLS * xy / sizes[photo[first]]).astype(np.int64), 0, _CELLS - 1)
    place = (photo[first] * _CELLS + cell[:, 0]) * _CELLS + cell[:, 1]
    chosen = np.zeros(len(length), bool)
    chosen[track[_rank(place, -length[track]) < most.of_a_cell]] = True
    kept = whole & chosen[label[:, 0]]
    # The kept matches of a pair come first, so that only pairs with few of them get others.
    return kept | (_rank(table.pair, (~kept).astype(np.int64)) < most.of_a_pair)


def _rank(group: Int[np.ndarray, " N"], order: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Place of each row among those of its group, by ascending `order`; ties in their order."""
    rows = np.lexsort((order, group))
    sorted_group = group[rows]
    starts = np.flatnonzero(np.r_[True, sorted_group[1:] != sorted_group[:-1]])
    counts = np.diff(np.r_[starts, len(rows)])
    rank = np.empty(len(rows), np.int64)
    rank[rows] = np.arange(len(rows)) - np.repeat(starts, counts)
    return rank
