"""The colour fit: forgives colours, judges by other pixels, and forgives nothing else."""

from __future__ import annotations

import pytest
import torch

from splatpose.splatting.color_fit import color_fitted
from splatpose.splatting.quality import psnr


def _picture(seed: int = 0, width: int = 30) -> torch.Tensor:
    return 0.2 + 0.5 * torch.rand(20, width, 3, generator=torch.Generator().manual_seed(seed))


A = torch.tensor([[1.1, 0.1, 0.0], [0.0, 0.8, 0.1], [0.05, 0.0, 0.9]])
B = torch.tensor([0.05, 0.0, -0.04])


@pytest.mark.parametrize("width", [30, 31])
def test_an_affine_change_of_colour_is_taken_out(width: int):
    render = _picture(width=width)
    target = render @ A.T + B
    assert psnr(render, target) < 25
    assert psnr(color_fitted(render, target), target) > 50


def test_no_pixel_takes_part_in_what_it_is_measured_by():
    """A half that is noise gets no better for having been fitted, nor does the other."""
    render, target = _picture(0), _picture(1)
    fitted = color_fitted(render, target)
    other = target.clone()
    other[:, :15] = _picture(2)[:, :15]
    torch.testing.assert_close(color_fitted(render, other)[:, :15], fitted[:, :15])
    assert not torch.equal(color_fitted(render, other)[:, 15:], fitted[:, 15:])


def test_a_change_that_one_half_does_not_have_is_not_forgiven():
    render = _picture()
    target = render.clone()
    target[:, 15:] *= 0.8
    assert psnr(color_fitted(render, target), target) <= psnr(render, target)


def test_pixels_that_do_not_exist_take_no_part():
    render = _picture()
    target = render @ A.T + B
    mask = torch.ones(20, 30, dtype=torch.bool)
    mask[:4] = False
    clean = color_fitted(render, target, mask)
    target[:4] = 0.0
    torch.testing.assert_close(color_fitted(render, target, mask), clean)
    assert psnr(color_fitted(render, target, mask), target, mask) > 50


@pytest.mark.parametrize("shape", [(4, 1), (1, 2), (3, 40)])
def test_what_no_colour_decides_stays_as_it_is(shape: tuple[int, int]):
    black = torch.zeros(*shape, 3)
    torch.testing.assert_close(color_fitted(black, black), black)
    grey = torch.full((*shape, 3), 0.5)
    nothing = torch.zeros(shape, dtype=torch.bool)
    torch.testing.assert_close(color_fitted(grey, grey * 0.5, nothing), grey)
