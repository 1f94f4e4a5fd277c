"""The photometric loss of `render.loss` in few kernels: value and gradient in one go, for CUDA.

All moments are blurred as one batch, two convolutions forward and two backward, in full float32:
TensorFloat-32, which cuDNN takes by default, has too few digits for the difference of a mean square
and a squared mean.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d

from splatpose.render.loss import C1, C2, WINDOW, window_weights

_windows: dict[tuple[torch.device, torch.dtype], Tensor] = {}


def photometric_loss(
    render: Float[Tensor, "H W 3"],
    target: Float[Tensor, "H W 3"],
    mask: Bool[Tensor, "H W"] | None = None,
    dssim_weight: float = 0.2,
) -> Float[Tensor, ""]:
    """How much a rendering differs from a photo; see `render.loss.photometric_loss`.

    Raises:
        ValueError: the target asks for a gradient, which there is none of.
    """
    if target.requires_grad:
        raise ValueError("gradients with respect to the target are not supported: detach it")
    loss = _Loss.apply(render, target, mask, dssim_weight)
    assert isinstance(loss, Tensor)
    return loss


class _Loss(torch.autograd.Function):
    """(1 - w) L1 + w (1 - SSIM), means over valid pixels."""

    @staticmethod
    def forward(
        ctx: Any, render: Tensor, target: Tensor, mask: Tensor | None, weight: float
    ) -> Tensor:
        y = target.permute(2, 0, 1)
        valid = None if mask is None else mask[None]
        x = render.permute(2, 0, 1)
        x = x if valid is None else torch.where(valid, x, y)
        similarity, *slopes = _ssim(x, y, with_slopes=ctx.needs_input_grad[0])
        difference = (x - y).abs()
        if valid is None:
            scale = difference.new_full((), 1 / difference.numel())
            difference, dissimilarity = difference.sum(), (1 - similarity).sum()
        else:
            scale = 1 / (3 * valid.sum()).clamp(min=1).to(x.dtype)
            difference = difference.sum()
            dissimilarity = (1 - similarity).masked_fill(~valid, 0).sum()
        ctx.weight, ctx.valid = weight, valid
        ctx.save_for_backward(x, y, scale, *slopes)
        return scale * ((1 - weight) * difference + weight * dissimilarity)

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]  # torch names ctx, but passes it by position
        ctx: Any, *output_gradients: Tensor
    ) -> tuple[Tensor, None, None, None]:
        x, y, scale, *slopes = ctx.saved_tensors
        planes = torch.stack(slopes)
        if ctx.valid is not None:
            planes = planes.masked_fill(~ctx.valid, 0)
        # The window is symmetric and zeros lie beyond the border: its adjoint is itself.
        mean, square, product = _blur(planes)
        similarity = mean + 2 * x * square + y * product
        total = (1 - ctx.weight) * (x - y).sign() - ctx.weight * similarity
        if ctx.valid is not None:
            total = total.masked_fill(~ctx.valid, 0)
        return (output_gradients[0] * scale * total).permute(1, 2, 0), None, None, None


def _ssim(
    x: Float[Tensor, "3 H W"], y: Float[Tensor, "3 H W"], *, with_slopes: bool
) -> tuple[Float[Tensor, "3 H W"], ...]:
    """SSIM (Wang et al. 2004), and its slopes with respect to the blurs of x, x² and xy."""
    mean_x, mean_y, square_x, square_y, product = _blur(torch.stack([x, y, x * x, y * y, x * y]))
    means = mean_x * mean_y
    squares = mean_x * mean_x + mean_y * mean_y
    a1, a2 = 2 * means + C1, 2 * (product - means) + C2
    b1, b2 = squares + C1, square_x + square_y - squares + C2
    ratio = 1 / (b1 * b2)
    similarity = a1 * a2 * ratio
    if not with_slopes:
        return (similarity,)
    by_mean = 2 * (mean_y * (a2 - a1) * ratio + similarity * mean_x * (1 / b2 - 1 / b1))
    return similarity, by_mean, -similarity / b2, 2 * a1 * ratio


def _blur(planes: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    batch, channels, height, width = planes.shape
    window = _window(planes)
    flat = planes.reshape(batch * channels, 1, height, width)
    with torch.backends.cudnn.flags(
        enabled=torch.backends.cudnn.enabled,
        benchmark=torch.backends.cudnn.benchmark,
        deterministic=torch.backends.cudnn.deterministic,
        allow_tf32=False,
    ):
        rows = conv2d(flat, window.view(1, 1, 1, -1), padding=(0, WINDOW // 2))
        columns = conv2d(rows, window.view(1, 1, -1, 1), padding=(WINDOW // 2, 0))
    return columns.view(batch, channels, height, width)


def _window(like: Tensor) -> Tensor:
    """The window's weights, copied to a device once: a copy waits for all that is queued there."""
    key = (like.device, like.dtype)
    if key not in _windows:
        _windows[key] = like.new_tensor(window_weights())
    return _windows[key]
