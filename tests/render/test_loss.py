"""The fused loss against plain torch in float64, and that against its definition."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from splatpose.render import few_kernels_loss
from splatpose.render import loss as oracle
from splatpose.render.cpu import use_threads
from splatpose.render.cpu.loss import photometric_loss


def _pair(height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(height, width, 3, generator=generator)
    noise = 0.1 * torch.randn(height, width, 3, generator=generator)
    return (target + noise).requires_grad_(), target


def _mask(kind: str, height: int, width: int) -> Tensor | None:
    if kind == "none":
        return None
    generator = torch.Generator().manual_seed(1)
    share = {"half": 0.5, "empty": 0.0, "full": 1.0}[kind]
    return torch.rand(height, width, generator=generator) < share


@pytest.mark.parametrize("kind", ["none", "half", "empty", "full"])
@pytest.mark.parametrize(("height", "width"), [(37, 53), (5, 7), (1, 1), (64, 16), (3, 100)])
@pytest.mark.parametrize("weight", [0.2, 0.0, 1.0])
def test_value_and_gradient_are_those_of_the_oracle(
    kind: str, height: int, width: int, weight: float
) -> None:
    render, target = _pair(height, width)
    mask = _mask(kind, height, width)
    value = photometric_loss(render, target, mask, weight)
    (3 * value).backward()
    exact = render.detach().double().requires_grad_()
    expected = oracle.photometric_loss(exact, target.double(), mask, weight)
    (3 * expected).backward()
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    assert render.grad is not None
    assert exact.grad is not None
    error = (render.grad - exact.grad).norm()
    assert error <= 1e-5 * exact.grad.norm()


@pytest.mark.parametrize("kind", ["none", "half", "empty", "full"])
@pytest.mark.parametrize(("height", "width"), [(37, 53), (5, 7), (1, 1), (3, 100)])
@pytest.mark.parametrize("weight", [0.2, 0.0, 1.0])
def test_few_kernels_give_the_value_and_gradient_of_the_oracle(
    kind: str, height: int, width: int, weight: float
) -> None:
    render, target = _pair(height, width)
    render, target = render.detach().double().requires_grad_(), target.double()
    mask = _mask(kind, height, width)
    value = few_kernels_loss.photometric_loss(render, target, mask, weight)
    (3 * value).backward()
    exact = render.detach().requires_grad_()
    expected = oracle.photometric_loss(exact, target, mask, weight)
    (3 * expected).backward()
    assert value.item() == pytest.approx(expected.item(), abs=1e-12)
    assert render.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(render.grad, exact.grad, rtol=1e-9, atol=1e-12)
    with torch.no_grad():
        again = few_kernels_loss.photometric_loss(render, target, mask, weight)
    assert again.item() == value.item()
    with pytest.raises(ValueError, match="detach"):
        few_kernels_loss.photometric_loss(render, target.requires_grad_(), mask, weight)


def test_ssim_of_flat_images_by_hand() -> None:
    """Far from the border the windows of flat images have no variance: only the means count."""
    one, other = torch.full((21, 21, 3), 0.5), torch.full((21, 21, 3), 0.25)
    expected = (2 * 0.5 * 0.25 + oracle.C1) / (0.5**2 + 0.25**2 + oracle.C1)
    similarity = oracle.ssim_map(one.double(), other.double())
    assert similarity[10, 10, 0].item() == pytest.approx(expected, abs=1e-6)
    # Beyond the border there are zeros: a window on a corner sees about 36 % of its weight.
    assert abs(similarity[0, 0, 0].item() - expected) > 1e-3


def test_window_is_a_gaussian_of_sigma_1_5() -> None:
    weights = oracle.window_weights()
    assert len(weights) == 11
    assert sum(weights) == pytest.approx(1)
    assert weights[6] / weights[5] == pytest.approx(math.exp(-1 / (2 * 1.5**2)))


def test_equal_images_have_no_loss() -> None:
    _, target = _pair(20, 30)
    assert photometric_loss(target.clone(), target).item() == pytest.approx(0, abs=1e-6)


def test_masked_pixels_neither_count_nor_move() -> None:
    render, target = _pair(30, 40)
    mask = torch.ones(30, 40, dtype=torch.bool)
    mask[8:20, 10:25] = False
    value = photometric_loss(render, target, mask)
    value.backward()
    assert render.grad is not None
    assert (render.grad[~mask] == 0).all()
    spoilt = torch.where(mask[..., None], render.detach(), torch.full_like(target, 9.0))
    assert photometric_loss(spoilt, target, mask).item() == value.item()


def test_a_target_that_changes_is_not_mistaken_for_its_old_self() -> None:
    render, target = _pair(20, 30)
    before = photometric_loss(render, target).item()
    assert photometric_loss(render, target).item() == before
    target.mul_(0.5)
    after = photometric_loss(render, target).item()
    expected = oracle.photometric_loss(render, target)
    assert after == pytest.approx(expected.item(), abs=1e-6)
    assert after != before


def test_result_does_not_depend_on_the_number_of_threads() -> None:
    results = []
    for threads in (1, 2, 5):
        render, target = _pair(101, 67)
        with use_threads(threads):
            value = photometric_loss(render, target)
            value.backward()
        results.append((value.detach(), render.grad))
    for value, gradient in results[1:]:
        assert torch.equal(value, results[0][0])
        assert torch.equal(gradient, results[0][1])


def test_what_cannot_work_is_refused_by_name() -> None:
    render, target = _pair(8, 9)
    with pytest.raises(ValueError, match="target"):
        photometric_loss(render, target.clone().requires_grad_())
    with pytest.raises(ValueError, match="render"):
        photometric_loss(render.double(), target)
