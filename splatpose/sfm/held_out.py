"""What judges and may not be learned from: whole tracks, drawn at random.

Of a keypoint that other matches tell of, nothing is unseen; so a match is held out together with
all that share its track.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from .correspondences import MatchTable, keypoint_ids
from .tracks import Tracks, component_labels, grown_labels

_MOST_OVER = 1.34
"""No pair loses more than this many times the share that is asked for."""


def drawn(
    tracks: Int[np.ndarray, " T"], count: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " D"], Int[np.ndarray, " R"]]:
    """Some of the tracks at random, and the others."""
    order = rng.permutation(tracks)
    return order[:count], order[count:]


def held_out_tracks(tracks: Tracks, share: float, seed: int) -> Bool[np.ndarray, " T"]:
    """A random share of the tracks of three and more observations, for the gate alone.

    Two observations leave a triangulated point hardly any error to show.
    """
    count = np.bincount(tracks.track, minlength=len(tracks))
    long = np.flatnonzero(count >= 3)
    chosen, _ = drawn(long, round(share * len(long)), np.random.default_rng([seed, 0x7AC5]))
    return np.isin(np.arange(len(tracks)), chosen)


def held_out_matches(
    table: MatchTable, rows: Bool[np.ndarray, " M"], share: float, seed: int
) -> tuple[Bool[np.ndarray, " M"], Bool[np.ndarray, " M"]]:
    """Which matches judge and which may be learned from, about `share` of each pair's held out.

    A match that shares a keypoint with one that judges does neither.

    Args:
        rows: matches that are good enough to judge.
        share: of each pair's matches among them; a pair with too few whole tracks spares fewer.
    """
    label, proper = component_labels(table, rows)
    usable = np.flatnonzero((label >= 0) & proper[np.maximum(label, 0)])
    order = usable[np.argsort(label[usable], kind="stable")]
    names, starts = np.unique(label[order], return_index=True)
    ends = np.r_[starts[1:], len(order)].tolist()
    count = np.bincount(table.pair[rows], minlength=len(table.pairs))
    most = np.ceil(_MOST_OVER * share * count).tolist()
    least = np.round(share * count).tolist()
    out = [0] * len(table.pairs)
    rng = np.random.default_rng([seed, 0x10CA])
    chosen = np.zeros(len(proper), bool)
    # In lists: tracks are short, and arrays of few numbers slow.
    pair_of, names, starts = table.pair[order].tolist(), names.tolist(), starts.tolist()
    for place in rng.permutation(len(names)).tolist():
        pairs = pair_of[starts[place] : ends[place]]
        if any(out[p] < least[p] for p in pairs) and all(out[p] < most[p] for p in pairs):
            chosen[names[place]] = True
            for pair in pairs:
                out[pair] += 1
    judging = (label >= 0) & chosen[np.maximum(label, 0)]
    ids = keypoint_ids(table)
    learning = np.asarray(~np.isin(ids, ids[judging]).any(axis=1))
    return judging, learning


def split_matches(table: MatchTable, seed: int) -> Int[np.ndarray, " M"]:
    """Half (0 or 1) of each match, -1 for the few between keypoints of different halves.

    Each track goes to a half at random, whole.
    """
    label = grown_labels(table)
    count = int(label.max(initial=-1)) + 1
    side = np.random.default_rng([seed, 0xF01D]).permutation(count) % 2
    ends = side[label]
    return np.where(ends[:, 0] == ends[:, 1], ends[:, 0], -1)
