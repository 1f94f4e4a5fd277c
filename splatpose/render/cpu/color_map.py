"""Affine maps of colour on the CPU: what `torch.addmm` does for them, without its overhead.

A product of a [H * W, 3] matrix with a 3x3 one is far below what a BLAS is made for: forward and
backward took a twentieth of a training step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatpose.render.cpu.autograd import flat
from splatpose.render.cpu.compilation import kernel
from splatpose.render.cpu.threads import available_threads, run_on_threads

_BLOCK = 4096
"""Pixels whose sums are kept apart, so that sums do not depend on the number of threads."""
_SUMS = 12


@kernel
def map_colors(first, last, colors, matrix, out):
    """out = A colors + b for pixels first to last.

    Args:
        colors, out: [pixels * 3]. matrix: [12], rows of [A | b].
    """
    a0, a1, a2, a3 = matrix[0], matrix[1], matrix[2], matrix[3]
    b0, b1, b2, b3 = matrix[4], matrix[5], matrix[6], matrix[7]
    c0, c1, c2, c3 = matrix[8], matrix[9], matrix[10], matrix[11]
    for pixel in range(first, last):
        r, g, b = colors[3 * pixel], colors[3 * pixel + 1], colors[3 * pixel + 2]
        out[3 * pixel] = a0 * r + a1 * g + a2 * b + a3
        out[3 * pixel + 1] = b0 * r + b1 * g + b2 * b + b3
        out[3 * pixel + 2] = c0 * r + c1 * g + c2 * b + c3


@kernel
def map_colors_backward(first, last, colors, matrix, gradient, color_gradient, sums):
    """Gradients of `map_colors`: A^T gradient, and the sum of gradient x [colors, 1].

    Args:
        gradient: [pixels * 3] w.r.t. the mapped colours. color_gradient: [pixels * 3] out.
        sums: [12] out: gradient w.r.t. `matrix` of these pixels alone.
    """
    a0, a1, a2 = matrix[0], matrix[1], matrix[2]
    b0, b1, b2 = matrix[4], matrix[5], matrix[6]
    c0, c1, c2 = matrix[8], matrix[9], matrix[10]
    zero = np.float32(0.0)
    s0, s1, s2, s3, s4, s5 = zero, zero, zero, zero, zero, zero
    s6, s7, s8, s9, s10, s11 = zero, zero, zero, zero, zero, zero
    for pixel in range(first, last):
        r, g, b = colors[3 * pixel], colors[3 * pixel + 1], colors[3 * pixel + 2]
        u, v, w = gradient[3 * pixel], gradient[3 * pixel + 1], gradient[3 * pixel + 2]
        color_gradient[3 * pixel] = a0 * u + b0 * v + c0 * w
        color_gradient[3 * pixel + 1] = a1 * u + b1 * v + c1 * w
        color_gradient[3 * pixel + 2] = a2 * u + b2 * v + c2 * w
        s0, s1, s2, s3 = s0 + u * r, s1 + u * g, s2 + u * b, s3 + u
        s4, s5, s6, s7 = s4 + v * r, s5 + v * g, s6 + v * b, s7 + v
        s8, s9, s10, s11 = s8 + w * r, s9 + w * g, s10 + w * b, s11 + w
    sums[0], sums[1], sums[2], sums[3] = s0, s1, s2, s3
    sums[4], sums[5], sums[6], sums[7] = s4, s5, s6, s7
    sums[8], sums[9], sums[10], sums[11] = s8, s9, s10, s11


def _over_blocks(pixels: int, call: Callable[[int, int, int], object]) -> None:
    """call(block, first pixel, last pixel + 1) for all blocks, shared between threads."""
    blocks = -(-pixels // _BLOCK)
    threads = max(1, min(available_threads(), blocks))

    def part(thread: int) -> None:
        for block in range(blocks * thread // threads, blocks * (thread + 1) // threads):
            call(block, block * _BLOCK, min(block * _BLOCK + _BLOCK, pixels))

    run_on_threads(part, threads)


class AffineColors(torch.autograd.Function):
    """A colors + b of every pixel; gradients do not depend on the number of threads."""

    @staticmethod
    def forward(ctx: Any, colors: Tensor, matrix: Tensor) -> Tensor:  # type: ignore[override]  # torch types forward as taking anything
        ctx.save_for_backward(colors, matrix)
        out = torch.empty(colors.shape)
        source, numbers, target = flat(colors), flat(matrix), flat(out)
        _over_blocks(
            len(source) // 3,
            lambda _block, first, last: map_colors(first, last, source, numbers, target),
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]  # torch names ctx, but passes it by position
        ctx: Any, *output_gradients: Tensor
    ) -> tuple[Tensor, Tensor]:
        colors, matrix = ctx.saved_tensors
        color_gradient = torch.empty(colors.shape)
        source, numbers = flat(colors), flat(matrix)
        gradient, target = flat(output_gradients[0]), flat(color_gradient)
        pixels = len(source) // 3
        sums = np.zeros((-(-pixels // _BLOCK), _SUMS), np.float32)
        _over_blocks(
            pixels,
            lambda block, first, last: map_colors_backward(
                first, last, source, numbers, gradient, target, sums[block]
            ),
        )
        total = torch.from_numpy(sums.sum(0, dtype=np.float64).astype(np.float32))
        return color_gradient, total.view(3, 4)
