"""How matches move from photo to photo, before any geometry: stand still, grow, or go their ways.

What only turned in the eyes of two-view geometry may as well have been a camera on a tripod, a
turntable before a background that stands still, writing that lies over all photos, or a zoom. Where
matches lie, and by how much they move, tells these apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .correspondences import REFERENCE_SIDE, MatchTable, keypoint_ids
from .thresholds import INLIERS

_STILL_PX = 2.0
"""Shift up to which something stands still: noise of keypoints, and of a tripod in the wind."""
_MOVING_PX = 5.0
"""Shift from which on something surely moves."""
_COPY_PX = 10.0
"""Median shift up to which two photos are near-copies: one burst, one moment of a video."""
_SPLIT_PX = 40.0
_ALIKE_PX = 8.0
"""A match is no chance if others near it, within the former, shift as it does, within the latter;
or if a third photo confirms it."""
_SUPPORT = 3
_CELLS = 8
_SCALE = 1.02
"""Growth of a photo's content that a hand does not make by stepping back and forth."""
_MAX_PAIRS = 200


@dataclass(frozen=True)
class ImageMotion:
    """Motion of matches over all pairs of photos; shares are 0 to 1, medians over the pairs.

    Pixels are those of a photo whose longer side has 1000.
    """

    shift: float
    """By which matches move, their median in the pair in which it is largest but for a few."""
    still: float
    """Share of a pair's matches that stand still, chance matches left out."""
    moving: float
    """Share of a pair's matches that move, chance matches left out."""
    still_area: float
    """Share of the cells with matches that have any which stand still."""
    mixed: float
    """Share of the cells with such in which others move: something that is seen through."""
    zoom: float
    """Share of matches that a change of size alone explains, in pairs in which it changes by a few
    percent; 0 where it changes in none."""


def near_copies(table: MatchTable, sides: Float[np.ndarray, " V"]) -> Bool[np.ndarray, " P"]:
    """Pairs of photos that show the same thing at the same place, as those of a burst do.

    Args:
        sides: longer side of each photo in pixels.
    """
    xy = _scaled(table, sides)
    close = np.linalg.norm(xy[:, 1] - xy[:, 0], axis=1) < _COPY_PX
    total = np.bincount(table.pair, minlength=len(table.pairs))
    return 2 * np.bincount(table.pair[close], minlength=len(table.pairs)) > total


def image_motion(
    table: MatchTable, sides: Float[np.ndarray, " V"], pairs: Int[np.ndarray, " E"]
) -> ImageMotion | None:
    """What moves between photos; None where too few matches tell.

    Args:
        table: matches before verification, which drops what moves otherwise than the rest.
        sides: longer side of each photo in pixels.
        pairs: rows of the table's pairs of photos that overlap.
    """
    xy = _scaled(table, sides)
    some = [np.flatnonzero(table.pair == p) for p in _spread(pairs).tolist()]
    closed = _in_triangles(keypoint_ids(table), some)
    found = [
        row
        for own, confirmed in zip(some, closed, strict=True)
        if (row := _of_pair(xy[own], confirmed)) is not None
    ]
    if not found:
        return None
    shift, still, moving, area, mixed, growth, explained = np.array(found).T
    return ImageMotion(
        shift=float(np.quantile(shift, 0.9)),
        still=float(np.median(still)),
        moving=float(np.median(moving)),
        still_area=float(np.median(area)),
        mixed=float(np.median(mixed)),
        zoom=_zoomed(growth, explained),
    )


def zoom_share(
    table: MatchTable, sides: Float[np.ndarray, " V"], pairs: Int[np.ndarray, " E"]
) -> float:
    """`ImageMotion.zoom` of verified matches alone, which takes next to no time.

    Args:
        pairs: rows of the table's pairs of photos that overlap.
    """
    xy = _scaled(table, sides)
    found = [growth_of(xy[table.pair == p]) for p in _spread(pairs).tolist()]
    return _zoomed(*np.array(found).T) if found else 0.0


def _spread(pairs: Int[np.ndarray, " E"]) -> Int[np.ndarray, " F"]:
    """At most `_MAX_PAIRS` of them, from all over."""
    if len(pairs) <= _MAX_PAIRS:
        return pairs
    return pairs[np.linspace(0, len(pairs) - 1, _MAX_PAIRS).astype(int)]


def _zoomed(growth: Float[np.ndarray, " E"], explained: Float[np.ndarray, " E"]) -> float:
    """Mean share of matches that growth alone explains, where most pairs grow."""
    zoomed = np.abs(np.log(growth)) > np.log(_SCALE)
    return float(explained[zoomed].mean()) if zoomed.mean() > 0.5 else 0.0


def _scaled(table: MatchTable, sides: Float[np.ndarray, " V"]) -> Float[np.ndarray, "M 2 2"]:
    """Both ends of every match, in pixels of photos of the reference size."""
    return table.xy * (REFERENCE_SIDE / sides[table.photos])[:, :, None]


def _of_pair(
    xy: Float[np.ndarray, "M 2 2"], closed: Bool[np.ndarray, " M"]
) -> tuple[float, ...] | None:
    """The figures of `ImageMotion` for one pair, its growth apart from what that explains."""
    motion = xy[:, 1] - xy[:, 0]
    shift = np.linalg.norm(motion, axis=1)
    sound = closed | _in_company(xy[:, 0], motion)
    still, moving = sound & (shift < _STILL_PX), sound & (shift > _MOVING_PX)
    total = int(still.sum() + moving.sum())
    if sound.sum() < INLIERS.enough_matches:
        return None
    cells = np.clip(xy[:, 0] * _CELLS / REFERENCE_SIDE, 0, _CELLS - 1).astype(int) @ [1, _CELLS]
    occupied, at_rest = np.unique(cells[sound]), np.unique(cells[still])
    mixed = np.isin(at_rest, np.unique(cells[moving]))
    growth, explained = growth_of(xy[sound])
    return (
        float(np.median(shift[sound])),
        still.sum() / max(1, total),
        moving.sum() / max(1, total),
        len(at_rest) / len(occupied),
        float(mixed.mean()) if len(at_rest) else 0.0,
        growth,
        explained,
    )


def _in_triangles(
    ids: Int[np.ndarray, "M 2"], some: Sequence[Int[np.ndarray, " _"]]
) -> list[Bool[np.ndarray, " _"]]:
    """Which of some matches a third photo confirms, where both ends match the same keypoint.

    Args:
        ids: both keypoints of all matches.
        some: rows that are asked about.
    """
    from scipy.sparse import coo_array

    nodes, inverse = np.unique(ids, return_inverse=True)
    a, b = inverse.reshape(-1, 2).T
    one = coo_array((np.ones(len(a), np.int32), (a, b)), (len(nodes), len(nodes))).tocsr()
    both = (one + one.T).tocsr()
    return [np.asarray(both[a[own]].multiply(both[b[own]]).sum(axis=1)) > 0 for own in some]


def _in_company(xy: Float[np.ndarray, "M 2"], motion: Float[np.ndarray, "M 2"]) -> np.ndarray:
    """Which matches move as others near them do: chance matches go each its own way."""
    from scipy.spatial import KDTree

    where = np.concatenate([xy / _SPLIT_PX, motion / _ALIKE_PX], 1)
    tree = KDTree(where)
    return np.array([len(near) > _SUPPORT for near in tree.query_ball_point(where, 1.0)], bool)


def growth_of(xy: Float[np.ndarray, "M 2 2"]) -> tuple[float, float]:
    """Factor by which a photo's content grows about some point, and the share of matches that this
    alone explains."""
    weight = np.ones(len(xy))
    scale, error = 1.0, np.zeros(len(xy))
    for _ in range(10):
        first, second = (np.average(xy[:, side], axis=0, weights=weight) for side in (0, 1))
        x, y = xy[:, 0] - first, xy[:, 1] - second
        scale = (weight[:, None] * x * y).sum() / max((weight[:, None] * x * x).sum(), 1e-9)
        offset = second - scale * first
        error = np.linalg.norm(xy[:, 1] - scale * xy[:, 0] - offset, axis=1)
        weight = 1 / (1 + (error / _STILL_PX) ** 2)
    return float(max(scale, 1e-3)), float((error < 2 * _STILL_PX).mean())
