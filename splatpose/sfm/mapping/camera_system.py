"""The normal matrix of all cameras of a bundle adjustment, and its inverse.

Points are eliminated (Schur complement), lenses stay, and can be held or freed afterwards, each
number for itself; the seven directions in which the world moves
and grows as a whole are taken out (Triggs et al., Bundle Adjustment: A Modern Synthesis, 2000,
sections 6 and 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import get_blas_funcs, get_lapack_funcs
from scipy.sparse import bsr_array, csr_array

from ...geometry.gauge import gauge_basis

_NUMBERS = 6
"""Of a view, and of one block of a lens."""
_LEAST_SHARE = 1e-12
"""Of what is known of a point in the direction in which most is known: with less it is taken to be
free in a direction, which then tells nothing of the cameras. A ridge on all points would hold the
cameras as well."""
_AT_ONCE = 50_000
"""Observations whose derivatives are in sparse matrices at one time."""


@dataclass(frozen=True)
class Linearised:
    """Derivatives of O residuals in two coordinates each.

    They are by the twist of a view (see `geometry.twists`), by the L numbers of a lens that are
    free, a multiple of six (zero where it has fewer), and by the point of a track.
    """

    track: Int[np.ndarray, " O"]
    view: Int[np.ndarray, " O"]
    lens: Int[np.ndarray, " O"]
    by_view: Float[np.ndarray, "O 2 6"]
    by_lens: Float[np.ndarray, "O 2 L"]
    by_point: Float[np.ndarray, "O 2 3"]


def normal_matrix(
    system: Linearised, weight: Float[np.ndarray, " O"], num_views: int, num_lenses: int
) -> bsr_array:
    """Normal matrix of the twists of all views, then the numbers of all lenses, L of each.

    Every product is one of blocks, so that it costs as much as tracks have pairs of observations.
    """
    none = np.zeros((len(weight), 2))
    return normal_equations(system, none, weight, num_views, num_lenses)[0]


def normal_equations(
    system: Linearised,
    residual: Float[np.ndarray, "O 2"],
    weight: Float[np.ndarray, " O"],
    num_views: int,
    num_lenses: int,
) -> tuple[bsr_array, Float[np.ndarray, " N"]]:
    """`normal_matrix`, and the gradient of half the weighted sum of squared residuals by the same
    numbers, points following."""
    size = _NUMBERS * num_views + system.by_lens.shape[2] * num_lenses
    total = bsr_array((size, size), blocksize=(_NUMBERS, _NUMBERS))
    gradient = np.zeros(size)
    for rows in _whole_tracks(system.track):
        own, slope = _of_tracks(system, residual, weight, num_views, rows, size)
        total, gradient = total + own, gradient + slope
    return total, gradient


def _whole_tracks(track: Int[np.ndarray, " O"]) -> list[Int[np.ndarray, " _"]]:
    """The observations in parts that are small in memory and do not cut a track."""
    order = np.argsort(track, kind="stable")
    starts = np.flatnonzero(np.diff(track[order])) + 1
    wanted = np.searchsorted(starts, np.arange(_AT_ONCE, len(track), _AT_ONCE))
    return np.split(order, np.unique(starts[wanted[wanted < len(starts)]]))


def _of_tracks(
    system: Linearised,
    residual: Float[np.ndarray, "O 2"],
    weight: Float[np.ndarray, " O"],
    num_views: int,
    rows: Int[np.ndarray, " P"],
    size: int,
) -> tuple[bsr_array, Float[np.ndarray, " N"]]:
    """What some tracks with all of their observations add to the normal matrix and gradient."""
    count = len(rows)
    root = np.sqrt(weight[rows])[:, None, None]
    own = np.arange(count + 1)
    parts = np.split(system.by_lens[rows], system.by_lens.shape[2] // _NUMBERS, axis=2)
    blocks = np.stack([system.by_view[rows], *parts], axis=1) * root[:, None]
    first = num_views + len(parts) * system.lens[rows]
    unknown = np.stack([system.view[rows], *(first + n for n in range(len(parts)))], axis=1)
    J = bsr_array(
        (blocks.reshape(-1, 2, _NUMBERS), unknown.ravel(), unknown.shape[1] * own),
        shape=(2 * count, size),
    )
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
    r = (residual[rows] * root[:, :, 0]).ravel()
    of_points = np.einsum("tji,tj->ti", L, (Q.T @ r).reshape(-1, 3)).ravel()
    return bsr_array(J.T @ J - H @ H.T), J.T @ r - H @ of_points


@dataclass(frozen=True)
class CameraCovariance:
    """Covariance of the twists of V views with all lenses held, and what lenses would change.

    With numbers x of lenses free, of covariance C, that of the twists is
    `held` + `by_lens[:, x]` C `by_lens[:, x]`^T (the inverse of a matrix of blocks).
    """

    held: Float[np.ndarray, "S S"]
    """Lower triangle. In the gauge of inner constraints: no common motion of all cameras is in it,
    and no view is certain because it was chosen to be fixed."""
    by_lens: Float[np.ndarray, "S N"]
    """Twists that follow a change of each number of the lenses."""
    lens: Float[np.ndarray, "N N"]
    """What is known of the numbers of the lenses when views and points follow: their normal matrix,
    without priors on them."""
    pull: Float[np.ndarray, " N"]
    """Gradient by the numbers of the lenses when views and points follow."""

    def free(
        self, numbers: Int[np.ndarray, " X"], known: Float[np.ndarray, " X"]
    ) -> FreeLens | None:
        """Some numbers of the lenses freed, the others held; None where they are open.

        Args:
            known: beforehand, inverse of the variance of each.
        """
        matrix = self.lens[np.ix_(numbers, numbers)] + np.diag(known)
        scale = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
        factorise, invert = get_lapack_funcs(("potrf", "trtri"), (matrix,))
        factor, failed = factorise(matrix / scale / scale[:, None], lower=1)
        if failed:
            return None
        half = np.tril(invert(factor, lower=1)[0]).T / scale[:, None]
        return FreeLens(half, self.by_lens[:, numbers] @ half)


@dataclass(frozen=True)
class FreeLens:
    """Numbers of the lenses that are free, in directions that are independent and of variance 1."""

    half: Float[np.ndarray, "X X"]
    """The numbers by those directions: times its transpose it is their covariance."""
    moves: Float[np.ndarray, "S X"]
    """Twists of the views by those directions."""


def camera_covariance(
    normal: bsr_array,
    cam_from_world: Float[np.ndarray, "V 4 4"],
    unit: float,
    prior: Float[np.ndarray, " S"],
    gradient: Float[np.ndarray, " M"] | None = None,
) -> CameraCovariance | None:
    """Covariance of the twists of all views, translations in `unit`; and how they hang on lenses.

    None where the matrix is singular beyond the gauge.

    Args:
        normal: as `normal_matrix` has it.
        unit: of translation, a length that weighs as much as a radian.
        prior: what is known beforehand of the twists, in these units: inverse of the variance.
        gradient: as `normal_equations` has it; None where nobody asks for what follows from it.
    """
    size = _NUMBERS * len(cam_from_world)
    twist = np.tile([1.0, 1, 1, unit, unit, unit], len(cam_from_world))
    views = csr_array(normal)[:size]
    S = np.asfortranarray(views[:, :size].toarray())
    across = views[:, size:].toarray() * twist[:, None]
    S *= twist
    S *= twist[:, None]
    S[np.diag_indices(size)] += prior
    gauge = np.linalg.qr(gauge_basis(cam_from_world).reshape(-1, 7) / twist[:, None])[0]
    top = float(S.diagonal().max())
    # All of these work in place: there is one large matrix.
    add_square, multiply = get_blas_funcs(("syrk", "symm"), (S,))
    factorise, invert = get_lapack_funcs(("potrf", "potri"), (S,))
    S = add_square(top, gauge, beta=1.0, c=S, lower=1, overwrite_c=1)
    factor, failed = factorise(S, lower=1, overwrite_a=1)
    if failed:
        return None
    covariance, _ = invert(factor, lower=1, overwrite_c=1)
    covariance = add_square(-1 / top, gauge, beta=1.0, c=covariance, lower=1, overwrite_c=1)
    moves = multiply(-1.0, covariance, across, lower=1)
    lens = csr_array(normal)[size:, size:].toarray() + across.T @ moves
    slope = np.zeros(size + across.shape[1]) if gradient is None else gradient
    pull = slope[size:] + moves.T @ (slope[:size] * twist)
    return CameraCovariance(covariance, moves, (lens + lens.T) / 2, pull)
