"""Exponential and logarithm of similarities."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from splatpose.geometry.rotations import cross_matrix
from splatpose.geometry.similarity_twists import sim3_exp, sim3_log

TWISTS = np.random.default_rng(0).uniform(-1.2, 1.2, (50, 7))


def test_it_is_the_exponential_of_the_matrix() -> None:
    generator = np.zeros((len(TWISTS), 4, 4))
    generator[:, :3, :3] = cross_matrix(TWISTS[:, :3]) + TWISTS[:, 6, None, None] * np.eye(3)
    generator[:, :3, 3] = TWISTS[:, 3:6]
    np.testing.assert_allclose(sim3_exp(TWISTS), expm(generator), atol=1e-12)


def test_the_logarithm_undoes_it() -> None:
    np.testing.assert_allclose(sim3_log(sim3_exp(TWISTS)), TWISTS, atol=1e-10)
    np.testing.assert_array_equal(sim3_log(np.eye(4)[None]), np.zeros((1, 7)))


def test_halfway_twice_is_the_whole() -> None:
    half = sim3_exp(0.5 * TWISTS)
    np.testing.assert_allclose(half @ half, sim3_exp(TWISTS), atol=1e-12)
