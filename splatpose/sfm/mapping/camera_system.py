"""The normal matrix of all cameras of a bundle adjustment, and its inverse.

Points are eliminated (Schur complement), lenses stay; the seven directions in which the world moves
and grows as a whole are taken out (Triggs et al., Bundle Adjustment: A Modern Synthesis, 2000,
sections 6 and 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import blas, lapack
from scipy.sparse import bsr_array

from ...geometry.gauge import gauge_basis

_NUMBERS = 6
"""Of a view, and at most of a lens."""
_LEAST_SHARE = 1e-12
"""Of what is known of a point in the direction in which most is known: with less it is taken to be
free in a direction, which then tells nothing of the cameras. A ridge on all points would hold the
cameras as well."""
_AT_ONCE = 50_000
"""Observations whose derivatives are in sparse matrices at one time."""


@dataclass(frozen=True)
class Linearised:
    """Derivatives of O residuals in two coordinates each.

    They are by the twist of a view (see `geometry.twists`), by the numbers of a lens that is free
    (zero where it has fewer), and by the point of a track.
    """

    track: Int[np.ndarray, " O"]
    view: Int[np.ndarray, " O"]
    lens: Int[np.ndarray, " O"]
    by_view: Float[np.ndarray, "O 2 6"]
    by_lens: Float[np.ndarray, "O 2 6"]
    by_point: Float[np.ndarray, "O 2 3"]


def normal_matrix(
    system: Linearised, weight: Float[np.ndarray, " O"], num_views: int, num_lenses: int
) -> bsr_array:
    """Normal matrix of the twists of all views, then the numbers of all lenses, six of each.

    Every product is one of blocks, so that it costs as much as tracks have pairs of observations.
    """
    size = _NUMBERS * (num_views + num_lenses)
    total = bsr_array((size, size), blocksize=(_NUMBERS, _NUMBERS))
    for rows in _whole_tracks(system.track):
        total = total + _of_tracks(system, weight, num_views, rows, size)
    return total


def _whole_tracks(track: Int[np.ndarray, " O"]) -> list[Int[np.ndarray, " _"]]:
    """The observations in parts that are small in memory and do not cut a track."""
    order = np.argsort(track, kind="stable")
    starts = np.flatnonzero(np.diff(track[order])) + 1
    wanted = np.searchsorted(starts, np.arange(_AT_ONCE, len(track), _AT_ONCE))
    return np.split(order, np.unique(starts[wanted[wanted < len(starts)]]))


def _of_tracks(
    system: Linearised,
    weight: Float[np.ndarray, " O"],
    num_views: int,
    rows: Int[np.ndarray, " P"],
    size: int,
) -> bsr_array:
    """What some tracks with all of their observations add to the normal matrix."""
    count = len(rows)
    root = np.sqrt(weight[rows])[:, None, None]
    own = np.arange(count + 1)
    blocks = np.stack([system.by_view[rows] * root, system.by_lens[rows] * root], axis=1)
    unknown = np.stack([system.view[rows], num_views + system.lens[rows]], axis=1)
    J = bsr_array((blocks.reshape(-1, 2, 6), unknown.ravel(), 2 * own), shape=(2 * count, size))
    seen, track = np.unique(system.track[rows], return_inverse=True)
    Q = bsr_array((system.by_point[rows] * root, track, own), shape=(2 * count, 3 * len(seen)))
    P = bsr_array(Q.T @ Q)
    P.sort_indices()
    known, axes = np.linalg.eigh(P.data)
    free = known <= _LEAST_SHARE * known[:, 2:]
    # P^-1 = L L^T, without what is free.
    L = axes * np.where(free, 0.0, 1 / np.sqrt(np.where(free, 1.0, known)))[:, None]
    G = bsr_array(J.T @ Q)
    H = bsr_array((G.data @ L[G.indices], G.indices, G.indptr), shape=G.shape)
    return bsr_array(J.T @ J - H @ H.T)


def camera_covariance(
    normal: bsr_array,
    cam_from_world: Float[np.ndarray, "V 4 4"],
    unit: float,
    prior: Float[np.ndarray, " N"],
) -> Float[np.ndarray, "S S"] | None:
    """Lower triangle of the covariance of the twists of all views, translations in `unit`.

    The gauge is that of inner constraints: no common motion of all cameras is in it, and no view is
    certain because it was chosen to be fixed. None where the matrix is singular beyond the gauge.

    Args:
        normal: as `normal_matrix` has it.
        unit: of translation, a length that weighs as much as a radian.
        prior: what is known beforehand of each number that `normal` has, in these units: the
            inverse of its variance.
    """
    size = _NUMBERS * len(cam_from_world)
    twist = np.tile([1.0, 1, 1, unit, unit, unit], len(cam_from_world))
    units = np.r_[twist, np.ones(normal.shape[0] - size)]
    diagonal = normal.diagonal()
    # A number that nothing depends on, as the sixth of a lens that has one.
    used = np.flatnonzero((np.arange(len(diagonal)) < size) | (diagonal > 0))
    S = np.asfortranarray(normal.tocsr()[used][:, used].toarray())
    S *= units[used]
    S *= units[used, None]
    S[np.diag_indices(len(S))] += prior[used]
    gauge = np.zeros((len(used), 7))
    gauge[:size] = np.linalg.qr(gauge_basis(cam_from_world).reshape(-1, 7) / twist[:, None])[0]
    top = float(S.diagonal().max())
    # All of these work in place: there is one large matrix.
    S = blas.dsyrk(top, gauge, beta=1.0, c=S, lower=1, overwrite_c=1)
    factor, failed = lapack.dpotrf(S, lower=1, overwrite_a=1)
    if failed:
        return None
    covariance, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    covariance = blas.dsyrk(-1 / top, gauge, beta=1.0, c=covariance, lower=1, overwrite_c=1)
    return covariance[:size, :size]
