"""Lengths of the pairs' baselines in one scale, and the camera centres they lead to."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array, diags_array, eye_array
from scipy.sparse.linalg import splu

from ...geometry.graphs import values_from_differences
from ...geometry.robust import cauchy_divisor
from .baseline_scales import Ratios

_ROUNDS = 30
_RATIO_SCALE = 0.1
_DIRECTION_SCALE = 0.15
_RIDGE = 1e-8
_LEAST_SIGMA = 0.02
_LENGTH_SIGMA = 20.0
"""Sigma of the logarithm of a baseline that nothing ties, about the others'."""
_ANNEALING = (8.0, 4.0, 2.0, 1.0)
"""Factors of the robust scales, one after the other, so that loops close before any of their pairs
counts as false."""
_STEPS = 8
_MAX_STEP = 0.7
_SETTLED = 1e-4


def log_baselines(ratios: Ratios, num_edges: int) -> Float[np.ndarray, " E"]:
    """Logarithm of the length of every edge's baseline, by robust least squares.

    Edges that nothing connects get the typical length.
    """
    a, b = ratios.edges.T
    base = 1 / (ratios.sigma**2 + _LEAST_SIGMA**2)
    value = np.zeros(num_edges)
    weight = base
    for _ in range(_ROUNDS):
        value = values_from_differences(
            ratios.edges, weight, ratios.log_ratio[:, None], num_edges, ridge=_RIDGE
        )[:, 0]
        residual = value[b] - value[a] - ratios.log_ratio
        weight = base / cauchy_divisor(residual, _RATIO_SCALE)
    return value - np.median(value)


def camera_centers(
    pairs: Int[np.ndarray, "E 2"],
    offset: Float[np.ndarray, "E 3"],
    sigma: Float[np.ndarray, " E"],
    num_photos: int,
) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, " E"]]:
    """Centres whose differences agree best with the measured ones, and how far each is off.

    Args:
        offset: centre of the second photo minus that of the first, in the world.
        sigma: of the offset relative to its length, per axis.

    Returns:
        Centres, and for each edge its residual over the length of the offset. Photos of other
        components than the first are placed around the origin.
    """
    length = np.linalg.norm(offset, axis=1)
    scale = np.maximum(length, 1e-3 * max(float(np.median(length)), 1e-12))
    base = 1 / (scale**2 * (sigma**2 + _LEAST_SIGMA**2))
    weight = base
    centers = residual = np.zeros(0)
    first, second = pairs[:, 0], pairs[:, 1]
    for _ in range(_ROUNDS):
        centers = values_from_differences(pairs, weight, offset, num_photos, ridge=_RIDGE)
        error = centers[second] - centers[first] - offset
        residual = np.linalg.norm(error, axis=1) / scale
        weight = base / cauchy_divisor(residual, _DIRECTION_SCALE)
    return centers, residual


def average_translations(
    pairs: Int[np.ndarray, "E 2"],
    direction: Float[np.ndarray, "E 3"],
    sigma: Float[np.ndarray, " E"],
    ratios: Ratios,
    centers: Float[np.ndarray, "V 3"],
    log_length: Float[np.ndarray, " E"],
) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, " E"]]:
    """Centres and lengths of the baselines together, so that loops decide what ratios leave open.

    Robust least squares of (C_j - C_i) / length - direction (the bilinear form of Zhuang, Cheong &
    Lee, CVPR 2018) and of the ratios of lengths, the robust scales annealed.

    Args:
        direction: from the centre of the first photo to that of the second, in the world.
        sigma: of the direction in radians.
        ratios: of lengths.
        centers, log_length: to start from.

    Returns:
        Centres, and for each edge its residual over the length.
    """
    C, s = centers.copy(), log_length.copy()
    typical = float(np.median(s))
    base = 1 / (sigma**2 + _LEAST_SIGMA**2)
    base_ratio = 1 / (ratios.sigma**2 + _LEAST_SIGMA**2)
    bend = np.maximum(_RATIO_SCALE, 2 * ratios.sigma)
    a, b = ratios.edges.T
    system = _BilinearSystem(pairs, ratios.edges, len(C))
    residual = np.zeros((len(pairs), 3))
    for factor in _ANNEALING:
        for _ in range(_STEPS):
            inverse = np.exp(-s)
            offset = (C[pairs[:, 1]] - C[pairs[:, 0]]) * inverse[:, None]
            residual = offset - direction
            off = np.linalg.norm(residual, axis=1)
            error = s[b] - s[a] - ratios.log_ratio
            dC, ds = system.step(
                inverse,
                offset,
                residual,
                base / cauchy_divisor(off, factor * _DIRECTION_SCALE),
                error,
                base_ratio / cauchy_divisor(error, factor * bend),
                s - typical,
            )
            scale = _MAX_STEP / max(_MAX_STEP, float(np.abs(ds).max(initial=0.0)))
            C, s = C + scale * dC, s + scale * ds
            if np.abs(ds).max(initial=0.0) < _SETTLED:
                break
    offset = (C[pairs[:, 1]] - C[pairs[:, 0]]) * np.exp(-s)[:, None]
    return C, np.linalg.norm(offset - direction, axis=1)


class _BilinearSystem:
    """Gauss-Newton steps of `average_translations`."""

    def __init__(
        self, pairs: Int[np.ndarray, "E 2"], ratio_edges: Int[np.ndarray, "Q 2"], num_photos: int
    ) -> None:
        self._pairs, self._ratio_edges, self._photos = pairs, ratio_edges, num_photos
        edges = len(pairs)
        self._size = 3 * num_photos + edges
        row = np.arange(3 * edges)
        axis = np.arange(3)
        second, first = ((3 * pairs[:, side, None] + axis).ravel() for side in (1, 0))
        length = 3 * num_photos + np.repeat(np.arange(edges), 3)
        q = 3 * edges + np.arange(len(ratio_edges))
        last = 3 * edges + len(ratio_edges) + np.arange(edges)
        self._rows = np.r_[row, row, row, q, q, last]
        self._columns = np.r_[
            second,
            first,
            length,
            3 * num_photos + ratio_edges[:, 1],
            3 * num_photos + ratio_edges[:, 0],
            3 * num_photos + np.arange(edges),
        ]

    def step(
        self,
        inverse: Float[np.ndarray, " E"],
        offset: Float[np.ndarray, "E 3"],
        residual: Float[np.ndarray, "E 3"],
        weight: Float[np.ndarray, " E"],
        error: Float[np.ndarray, " Q"],
        ratio_weight: Float[np.ndarray, " Q"],
        off_typical: Float[np.ndarray, " E"],
    ) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, " E"]]:
        """Changes of the centres and of the logarithms of the lengths."""
        tripled = np.repeat(inverse, 3)
        ones = np.ones(len(error))
        values = np.r_[tripled, -tripled, -offset.ravel(), ones, -ones, np.ones(len(inverse))]
        J = csr_array(
            coo_array(
                (values, (self._rows, self._columns)),
                shape=(len(residual) * 3 + len(error) + len(inverse), self._size),
            )
        )
        w = np.r_[np.repeat(weight, 3), ratio_weight, np.full(len(inverse), 1 / _LENGTH_SIGMA**2)]
        r = np.r_[residual.ravel(), error, off_typical]
        A = J.T @ diags_array(w) @ J
        A = A + 1e-6 * float(np.median(weight)) * float(np.median(inverse)) ** 2 * eye_array(
            self._size
        )
        step = splu(A.tocsc()).solve(-(J.T @ (w * r)))
        return step[: 3 * self._photos].reshape(-1, 3), step[3 * self._photos :]
