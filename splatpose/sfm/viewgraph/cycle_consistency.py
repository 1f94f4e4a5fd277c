"""False pairs found by the triangles they do not close.

Going round three photos must lead back to where one started. Where things look alike (two equal
facades, rows of windows), pairs match perfectly and are still false: only such cycles tell. Each
triangle that does not close accuses its edges, the more so the less its other edges are accused
by others (loop statistics of Zach, Klopschitz & Pollefeys, CVPR 2010, solved by mean field).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.rotations import so3_log
from ..thresholds import VIEW_GRAPH

_TRIANGLES_AN_EDGE = 40
_CHI3_QUARTER = 1.10
"""First quartile of the length of a Gaussian vector with three coordinates of unit variance."""
_CLOSES_IF_TRUE = 0.95
_CLOSES_IF_FALSE = 0.1
_PRIOR = 0.8
_EVEN_MATCHES = 20.0
"""Matches with which a pair that nothing else speaks for is as likely false as true."""
_MAX_PRIOR = 0.95
_ROUNDS = 30


def triangles(pairs: Int[np.ndarray, "E 2"], num_photos: int) -> Int[np.ndarray, "T 3"]:
    """Rows of the edges (i, j), (j, k), (i, k) of triangles i < j < k.

    Of an edge with many triangles only some are listed, spread evenly over its third photos.
    """
    edge = np.full((num_photos, num_photos), -1)
    edge[pairs[:, 0], pairs[:, 1]] = edge[pairs[:, 1], pairs[:, 0]] = np.arange(len(pairs))
    found = [np.zeros((0, 3), np.int64)]
    for a, (i, j) in enumerate(pairs):
        third = np.flatnonzero((edge[i] >= 0) & (edge[j] >= 0))
        if len(third) > _TRIANGLES_AN_EDGE:
            third = third[np.linspace(0, len(third) - 1, _TRIANGLES_AN_EDGE).astype(int)]
        found.append(np.stack([np.full(len(third), a), edge[j, third], edge[i, third]], 1))
    rows = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    # An edge list in ascending order has (i, j) < (i, k) < (j, k).
    return rows[:, [0, 2, 1]]


def cycle_errors(
    rotation: Float[np.ndarray, "E 3 3"], triangle: Int[np.ndarray, "T 3"]
) -> Float[np.ndarray, " T"]:
    """Angle in radians by which each triangle fails to close."""
    ij, jk, ik = np.moveaxis(rotation[triangle], 1, 0)
    return np.linalg.norm(so3_log(jk @ ij @ np.swapaxes(ik, 1, 2)), axis=1)


def inlier_probability(
    pairs: Int[np.ndarray, "E 2"],
    rotation: Float[np.ndarray, "E 3 3"],
    sigma: Float[np.ndarray, " E"],
    num_photos: int,
    inliers: Int[np.ndarray, " E"] | None = None,
) -> Float[np.ndarray, " E"]:
    """How likely each edge is true; edges in no triangle keep the prior.

    Args:
        inliers: matches that agree with each edge; the more, the likelier it is to begin with.
        pairs: i < j, in ascending order.
        rotation: of cam_j_from_cam_i.
        sigma: its standard deviation in radians. Errors common to all edges, as a wrong focal
            length makes them, are allowed for by the triangles that close best.
    """
    prior = np.full(len(pairs), _PRIOR)
    if inliers is not None:
        prior = np.minimum(inliers / (inliers + _EVEN_MATCHES), _MAX_PRIOR)
    triangle = triangles(pairs, num_photos)
    if not len(triangle):
        return prior
    expected = np.sqrt(
        (np.maximum(sigma, np.radians(VIEW_GRAPH.rotation_floor))[triangle] ** 2).sum(1)
    )
    angle = cycle_errors(rotation, triangle)
    inflation = np.clip(
        np.quantile(angle / expected, 0.25) / _CHI3_QUARTER, 1.0, VIEW_GRAPH.max_cycle_inflation
    )
    limit = np.minimum(
        VIEW_GRAPH.cycle_sigmas * inflation * expected, np.radians(VIEW_GRAPH.max_cycle_error)
    )
    return _mean_field(triangle, angle <= limit, prior)


def _mean_field(
    triangle: Int[np.ndarray, "T 3"], closes: Bool[np.ndarray, " T"], prior: Float[np.ndarray, " E"]
) -> Float[np.ndarray, " E"]:
    """Probabilities of the edges, each triangle weighing as its other edges are believed."""
    evidence = np.where(
        closes,
        np.log(_CLOSES_IF_TRUE / _CLOSES_IF_FALSE),
        np.log((1 - _CLOSES_IF_TRUE) / (1 - _CLOSES_IF_FALSE)),
    )
    prior_odds = np.log(prior / (1 - prior))
    belief = prior
    for _ in range(_ROUNDS):
        q = belief[triangle]
        odds = prior_odds.copy()
        for own, a, b in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
            np.add.at(odds, triangle[:, own], evidence * q[:, a] * q[:, b])
        # Damped: all edges at once would swing.
        belief = 0.5 * belief + 0.5 / (1 + np.exp(-np.clip(odds, -30, 30)))
    return belief
