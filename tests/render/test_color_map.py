"""The affine map of colours against plain torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from splatpose.render.color_map import affine_colors
from splatpose.render.cpu import use_threads


def _inputs(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Colours, a map, and a gradient."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.eye(3, 4) + 0.2 * torch.randn(3, 4, generator=generator)
    colors = torch.rand(height, width, 3, generator=generator)
    return colors, matrix, torch.randn(height, width, 3, generator=generator)


def _mapped(threads: int, height: int, width: int) -> list[Tensor]:
    colors, matrix, gradient = _inputs(height, width)
    colors.requires_grad_()
    matrix.requires_grad_()
    with use_threads(threads):
        image = affine_colors(colors, matrix)
        image.backward(gradient)
    assert colors.grad is not None
    assert matrix.grad is not None
    return [image.detach(), colors.grad, matrix.grad]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 5), (64, 64), (91, 130), (0, 4)])
def test_value_and_gradients_are_those_of_torch(height: int, width: int) -> None:
    colors, matrix, gradient = (x.double() for x in _inputs(height, width))
    colors.requires_grad_()
    matrix.requires_grad_()
    image = colors @ matrix[:, :3].T + matrix[:, 3]
    image.backward(gradient)
    for ours, exact in zip(
        _mapped(2, height, width), (image.detach(), colors.grad, matrix.grad), strict=True
    ):
        assert exact is not None
        torch.testing.assert_close(ours.double(), exact, rtol=1e-4, atol=1e-4)


def test_float64_is_mapped_in_float64() -> None:
    colors, matrix, _ = (x.double().requires_grad_() for x in _inputs(3, 2))
    assert torch.autograd.gradcheck(affine_colors, (colors, matrix))


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_result_does_not_depend_on_the_number_of_threads(threads: int) -> None:
    for one, many in zip(_mapped(1, 131, 97), _mapped(threads, 131, 97), strict=True):
        assert torch.equal(one, many)


def test_images_that_are_not_contiguous_are_read_right() -> None:
    colors, matrix, _ = _inputs(12, 9)
    strided = colors.transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    image = affine_colors(strided, matrix)
    assert torch.equal(image, affine_colors(colors, matrix))
    image.sum().backward()
    assert strided.grad is not None
    torch.testing.assert_close(strided.grad[0, 0], matrix[:, :3].sum(0))
