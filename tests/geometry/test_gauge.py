"""The gauge's basis."""

from __future__ import annotations

import numpy as np
import torch
from scenes.poses import arc, random_similarity

from splatpose.geometry.gauge import gauge_basis
from splatpose.geometry.twists import se3_exp

TRUTH = arc(8)


def test_gauge_basis_is_what_a_similarity_does():
    size = 1e-5
    small = random_similarity(size)
    moved = small.cam_from_world(TRUTH)
    # Rotation and translation of the basis are those of the world: about its origin.
    turn = small.rotation - small.rotation.T
    w = 0.5 * np.array([turn[2, 1], turn[0, 2], turn[1, 0]])
    twists = gauge_basis(TRUTH) @ np.concatenate([w, small.translation, [small.scale - 1]])
    expected = se3_exp(torch.from_numpy(twists)).numpy() @ TRUTH
    np.testing.assert_allclose(moved, expected, atol=50 * size**2)
