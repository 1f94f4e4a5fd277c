"""Affine maps of colour, on any device."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from splatpose.render.cpu.color_map import AffineColors


def affine_colors(
    colors: Float[Tensor, "H W 3"], matrix: Float[Tensor, "3 4"]
) -> Float[Tensor, "H W 3"]:
    """A colors + b of every pixel, differentiable w.r.t. both, in float32.

    Gradients do not depend on the number of threads.

    Args:
        colors: RGB.
        matrix: [A | b].
    """
    if colors.device.type == "cpu" and colors.dtype == matrix.dtype == torch.float32:
        mapped = AffineColors.apply(colors, matrix)
        assert isinstance(mapped, Tensor)
        return mapped
    height, width, _ = colors.shape
    flat = torch.addmm(matrix[:, 3], colors.reshape(-1, 3), matrix[:, :3].T)
    return flat.reshape(height, width, 3)
