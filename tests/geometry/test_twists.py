"""Laws of twists and of the gauge taken out of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scenes.poses import arc

from splatpose.geometry.gauge import gauge_basis
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.twists import Gauge, se3_exp

TRUTH = arc(8)


def test_twists_turn_about_the_camera_and_shift_in_its_axes():
    angle = torch.tensor([0.0, 0.0, 0.3, 1.0, 2.0, 3.0], dtype=torch.float64)
    motion = se3_exp(angle)
    np.testing.assert_allclose(motion[:3, :3], so3_exp(np.array([0, 0, 0.3])), atol=1e-12)
    assert float(motion[2, 3]) == pytest.approx(3.0)
    product = motion @ se3_exp(-angle)
    np.testing.assert_allclose(product, np.eye(4), atol=1e-12)
    zero = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(se3_exp, zero)


def test_gauge_removes_world_motions_and_nothing_else():
    units = np.array([1, 1, 1, 3, 3, 3]) / 80.0
    gauge = Gauge(TRUTH, units)
    rng = np.random.default_rng(0)
    twists = torch.from_numpy(rng.standard_normal((len(TRUTH), 6)))
    world = torch.from_numpy(gauge_basis(TRUTH) @ rng.standard_normal(7) / units)
    clean = gauge.removed(twists)
    np.testing.assert_allclose(gauge.removed(twists + world), clean, atol=1e-9)
    np.testing.assert_allclose(gauge.removed(clean), clean, atol=1e-12)
    np.testing.assert_allclose(gauge.removed(world), torch.zeros_like(world), atol=1e-9)
    assert float(clean.norm()) > 0.9 * float(twists.norm())
