"""Which photos get a third chance, and which others tell their depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable, keypoint_ids
from ..thresholds import LATE


def left_out(model: SparseModel, table: MatchTable, min_matches: int) -> list[int]:
    """Photos without a pose whose matches are with the model, but not with its points.

    Photos of a camera of which no photo is registered are not among them: its intrinsics are
    guessed.

    Args:
        min_matches: with a registered photo, for it to count as a neighbour.
    """
    count = len(model.names)
    known = model.registered[table.photos]
    mixed = known.any(axis=1) & ~known.all(axis=1)
    side = np.argmin(known[mixed], axis=1)
    every = np.arange(len(side))
    photo, other = table.photos[mixed][every, side], table.photos[mixed][every, 1 - side]
    matches = np.bincount(photo, minlength=count)
    on_tracks = _on_tracks(model, table)[mixed][every, 1 - side]
    pairs = np.bincount(photo * count + other, minlength=count**2).reshape(count, count)
    used = np.isin(model.camera_index, model.camera_index[model.registered])
    wanted = (
        ~model.registered
        & used
        & ((pairs >= min_matches).sum(axis=1) >= LATE.min_neighbours)
        & (np.bincount(photo, on_tracks, minlength=count) <= LATE.max_on_tracks * matches)
        & (matches >= LATE.min_with_model * np.bincount(table.photos.ravel(), minlength=count))
    )
    found = np.flatnonzero(wanted)
    return found[np.argsort(-matches[found], kind="stable")].tolist()


def _on_tracks(model: SparseModel, table: MatchTable) -> Bool[np.ndarray, "M 2"]:
    """Whether each keypoint of each match belongs to a point of the model."""
    stride = int(table.keypoints.max(initial=0)) + 1
    inside = model.observations[model.observations[:, 2] < stride]
    return np.isin(keypoint_ids(table), inside[:, 1] * stride + inside[:, 2])


def around(
    photos: Sequence[int], registered: Bool[np.ndarray, " V"], table: MatchTable, min_matches: int
) -> Bool[np.ndarray, " V"]:
    """Registered photos that match the given ones, and those that match these."""
    strong = table.pairs[np.bincount(table.pair, minlength=len(table.pairs)) >= min_matches]
    near = np.isin(np.arange(len(registered)), photos)
    for _ in range(2):
        near[strong[near[strong].any(axis=1)]] = True
        near &= registered | np.isin(np.arange(len(registered)), photos)
    return near & registered
