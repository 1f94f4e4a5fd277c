"""gsplat's densification on what the CPU rasterizer returns."""

from __future__ import annotations

import math

import pytest
import torch
from gsplat import DefaultStrategy
from torch import Tensor

from splatpose.render import reference
from splatpose.render.cpu.rasterization import rasterization
from splatpose.render.relocation import split_opacity_and_scale

Parameters = dict[str, torch.nn.Parameter]


def _setup(count: int = 80) -> tuple[Parameters, dict[str, torch.optim.Optimizer]]:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(count, 3, generator=generator) * 0.5 + torch.tensor([0.0, 0.0, 3.0])
    values = {
        "means": means,
        "quats": torch.randn(count, 4, generator=generator),
        "scales": torch.full((count, 3), math.log(0.1)),
        "opacities": torch.randn(count, generator=generator) * 3,
        "sh": torch.randn(count, 4, 3, generator=generator),
    }
    parameters = {name: torch.nn.Parameter(value) for name, value in values.items()}
    optimizers = {
        name: torch.optim.Adam([p], lr=1e-3, fused=True) for name, p in parameters.items()
    }
    return parameters, optimizers  # type: ignore[return-value]  # Adam is an Optimizer


def _render(parameters: Parameters, *, absgrad: bool = False) -> tuple[Tensor, dict]:
    image, _, meta = rasterization(
        parameters["means"],
        parameters["quats"],
        parameters["scales"].exp(),
        parameters["opacities"].sigmoid(),
        parameters["sh"],
        torch.eye(4).repeat(2, 1, 1),
        torch.tensor([[[40.0, 0, 25], [0, 40.0, 20], [0, 0, 1]]]).repeat(2, 1, 1),
        50,
        40,
        sh_degree=1,
        absgrad=absgrad,
    )
    return image, meta


@pytest.mark.parametrize("absgrad", [False, True])
def test_default_strategy_splits_and_duplicates(absgrad: bool) -> None:
    parameters, optimizers = _setup()
    strategy = DefaultStrategy(
        refine_start_iter=1, refine_every=3, absgrad=absgrad, grow_grad2d=1e-4, grow_scale3d=0.1
    )
    strategy.check_sanity(parameters, optimizers)
    state = strategy.initialize_state(scene_scale=1.0)
    for step in range(8):
        image, meta = _render(parameters, absgrad=absgrad)
        strategy.step_pre_backward(parameters, optimizers, state, step, meta)
        (image - 0.5).square().mean().backward()
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad()
        strategy.step_post_backward(parameters, optimizers, state, step, meta)
    assert len(parameters["means"]) > 80
    assert len(parameters["means"]) == len(parameters["sh"])


def test_default_strategy_prunes_the_faint() -> None:
    parameters, optimizers = _setup()
    faint = int((parameters["opacities"].sigmoid() < 0.05).sum())
    assert faint > 0
    strategy = DefaultStrategy(
        refine_start_iter=0, refine_every=1, prune_opa=0.05, grow_grad2d=1e9, prune_scale3d=1e9
    )
    state = strategy.initialize_state(scene_scale=1.0)
    for step in (1, 2):
        image, meta = _render(parameters)
        strategy.step_pre_backward(parameters, optimizers, state, step, meta)
        (image - 0.5).square().mean().backward()
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        strategy.step_post_backward(parameters, optimizers, state, step, meta)
        assert len(parameters["means"]) == 80 - faint
    assert _render(parameters)[0].max() > 0


def test_gradient_in_the_image_is_that_of_a_shift_of_the_image() -> None:
    """Moving the principal point moves all centres in the image alike."""
    parameters, _ = _setup()
    image, meta = _render(parameters, absgrad=True)
    weight = torch.randn(image.shape, generator=torch.Generator().manual_seed(2))
    weight[1] = 0
    (image * weight).sum().backward()
    gradient, absolute = meta["means2d"].grad, meta["means2d"].absgrad
    assert (gradient[1] == 0).all()
    assert (absolute >= gradient.abs() - 1e-5).all()
    assert (absolute[0].sum(0) > 1.5 * gradient[0].abs().sum(0)).all()

    K = torch.tensor([[[40.0, 0, 25], [0, 40.0, 20], [0, 0, 1]]], dtype=torch.float64)
    K.requires_grad_()
    exact, _ = reference.rasterization(
        parameters["means"].double(),
        parameters["quats"].double(),
        parameters["scales"].double().exp(),
        parameters["opacities"].double().sigmoid(),
        parameters["sh"].double(),
        torch.eye(4, dtype=torch.float64)[None],
        K,
        50,
        40,
        sh_degree=1,
    )
    (exact[0] * weight[0]).sum().backward()
    assert K.grad is not None
    assert gradient[0].sum(0).tolist() == pytest.approx(K.grad[0, :2, 2].tolist(), rel=1e-3)


def test_relocation_keeps_what_is_seen() -> None:
    """Equation 9: n equal Gaussians at one place hide as much as the one that they replace."""
    opacities, scales = torch.tensor([0.3, 0.9, 0.6]), torch.full((3, 3), 0.2)
    ratios = torch.tensor([1, 4, 9])
    shared, smaller = split_opacity_and_scale(opacities, scales, ratios)
    torch.testing.assert_close(1 - (1 - shared) ** ratios, opacities)
    assert smaller[0].tolist() == pytest.approx([0.2] * 3)
    for i in range(3):
        o, n = shared[i].item(), int(ratios[i])
        total = sum(
            math.comb(m - 1, k) * (-1) ** k / math.sqrt(k + 1) * o ** (k + 1)
            for m in range(1, n + 1)
            for k in range(m)
        )
        assert smaller[i, 0].item() == pytest.approx(0.2 * opacities[i].item() / total, rel=1e-4)
