"""The dense reference against autograd's numerical check and gsplat's own torch code."""

from __future__ import annotations

import math

import pytest
import torch
from gsplat.cuda._torch_impl import (
    _fully_fused_projection,
    _quat_scale_to_covar_preci,
    _spherical_harmonics,
)

from splatpose.render import reference


def _random(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_gradients_of_the_reference_are_those_of_its_values() -> None:
    inputs = (
        _random(0, 3, 3) * 0.3 + torch.tensor([0.0, 0.0, 2.0]),
        _random(1, 3, 4),
        torch.exp(_random(2, 3, 3) * 0.3 - 1.5),
        torch.sigmoid(_random(3, 3)),
        _random(4, 3, 9, 3) * 0.3,
        torch.eye(4, dtype=torch.float64)[None] + 0.01 * _random(5, 1, 4, 4),
    )
    inputs[5][:, 3] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    K = torch.tensor([[[6.0, 0, 2.6], [0, 6.5, 2.1], [0, 0, 1]]], dtype=torch.float64)

    def render(*args: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return reference.rasterization(
            *args, K, 5, 4, sh_degree=2, render_mode="RGB+ED", rasterize_mode="antialiased"
        )

    leaves = [x.clone().requires_grad_() for x in inputs]
    assert torch.autograd.gradcheck(render, leaves, atol=1e-6, rtol=1e-4, eps=1e-7)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_spherical_harmonics_are_those_of_gsplat(degree: int) -> None:
    directions, coefficients = _random(6, 50, 3), _random(7, 50, 16, 3)
    ours = reference.spherical_harmonics(degree, directions, coefficients)
    theirs = _spherical_harmonics(degree, directions, coefficients)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_projection_is_that_of_gsplat() -> None:
    means = _random(8, 40, 3) * torch.tensor([2.0, 2.0, 0.5]) + torch.tensor([0.0, 0.0, 3.0])
    quats, scales = _random(9, 40, 4), torch.exp(_random(10, 40, 3) - 2)
    viewmat = torch.eye(4, dtype=torch.float64)
    c, s = math.cos(0.2), math.sin(0.2)
    viewmat[:3, :3] = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    viewmat[:3, 3] = torch.tensor([0.1, -0.2, 0.3])
    K = torch.tensor([[80.0, 0, 31], [0, 75.0, 25], [0, 0, 1]], dtype=torch.float64)
    ours = reference.project(means, quats, scales, viewmat, K, 64, 48)
    covariances, _ = _quat_scale_to_covar_preci(quats, scales, True, False)
    assert covariances is not None
    _radii, means2d, depths, conics, compensations = _fully_fused_projection(
        means, covariances, viewmat[None], K[None], 64, 48, calc_compensations=True
    )
    inverse = torch.linalg.inv(ours.covariances2d)
    ours_conics = torch.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], -1)
    torch.testing.assert_close(ours.means2d, means2d[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ours.depths, depths[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ours_conics, conics[0], rtol=1e-7, atol=1e-9)
    assert compensations is not None
    torch.testing.assert_close(ours.compensations, compensations[0], rtol=1e-5, atol=1e-7)
    assert (depths > 0).all()


def test_one_gaussian_in_the_middle_of_a_pixel() -> None:
    """By hand: at its centre a Gaussian's alpha is its opacity, and alpha stops at 0.999."""
    for opacity, expected in ((0.25, 0.25), (1.0, 0.999), (0.003, 0.0)):
        image, alpha = reference.rasterization(
            torch.tensor([[0.0, 0.0, 2.0]]),
            torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
            torch.full((1, 3), 0.2),
            torch.tensor([opacity]),
            torch.tensor([[0.5, 1.0, 0.0]]),
            torch.eye(4)[None],
            torch.tensor([[[10.0, 0, 2.5], [0, 10.0, 1.5], [0, 0, 1]]]),
            5,
            3,
        )
        assert alpha[0, 1, 2, 0].item() == pytest.approx(expected, abs=1e-6)
        assert image[0, 1, 2].tolist() == pytest.approx([expected / 2, expected, 0], abs=1e-6)
