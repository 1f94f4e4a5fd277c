"""Similarities near the identity as vectors: logarithm and exponential of Sim(3).

A similarity is a matrix [s R, t; 0, 1], its twist (rotation vector, translation, logarithm of the
scale). Along multiples of one twist a similarity is carried out evenly, bit by bit.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from .rotations import cross_matrix, so3_exp, so3_log

_TERMS = 30
"""Of a power series that converges for every rotation and for scales to a factor of ten."""


def sim3_exp(twists: Float[np.ndarray, "B 7"]) -> Float[np.ndarray, "B 4 4"]:
    """Similarities of twists."""
    result = np.tile(np.eye(4), (len(twists), 1, 1))
    result[:, :3, :3] = np.exp(twists[:, 6])[:, None, None] * so3_exp(twists[:, :3])
    result[:, :3, 3] = np.einsum("bij,bj->bi", _mean(twists), twists[:, 3:6])
    return result


def sim3_log(similarities: Float[np.ndarray, "B 4 4"]) -> Float[np.ndarray, "B 7"]:
    """Twists of similarities, rotations in [0, pi]."""
    scale = np.cbrt(np.linalg.det(similarities[:, :3, :3]))
    twists = np.zeros((len(similarities), 7))
    twists[:, :3] = so3_log(similarities[:, :3, :3] / scale[:, None, None])
    twists[:, 6] = np.log(scale)
    twists[:, 3:6] = np.linalg.solve(_mean(twists), similarities[:, :3, 3, None])[..., 0]
    return twists


def _mean(twists: Float[np.ndarray, "B 7"]) -> Float[np.ndarray, "B 3 3"]:
    """Mean of s R along the way from the identity: what takes a twist's translation to the
    similarity's (Eade, "Lie groups for 2D and 3D transformations", 2017)."""
    A = cross_matrix(twists[:, :3]) + twists[:, 6, None, None] * np.eye(3)
    term = np.tile(np.eye(3), (len(twists), 1, 1))
    total = term.copy()
    for k in range(2, _TERMS):
        term = term @ A / k
        total += term
    return total
