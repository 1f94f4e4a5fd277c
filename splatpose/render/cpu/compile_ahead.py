"""Compile ahead, so that the first rendering does not wait."""

from __future__ import annotations

import torch

from splatpose.render.cpu.adam import adam_step
from splatpose.render.cpu.color_map import AffineColors
from splatpose.render.cpu.loss import photometric_loss
from splatpose.render.cpu.rasterization import rasterization
from splatpose.render.reference import RenderMode


def warmup(modes: tuple[RenderMode, ...] = ("RGB",), *, absgrad: bool = True) -> None:
    """Compile, or load from disk, the kernels that a training needs.

    Takes up to a minute on the first call on a machine and a fraction of a second later.

    Args:
        modes: Render modes to prepare, forward and backward.
        absgrad: Prepare the variant with absolute gradients, which densification asks for.
    """
    means = torch.tensor([[0.0, 0.0, 2.0]], requires_grad=True)
    K = torch.tensor([[[16.0, 0.0, 8.0], [0.0, 16.0, 8.0], [0.0, 0.0, 1.0]]])
    for mode in modes:
        image, _alpha, _meta = rasterization(
            means,
            torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
            torch.full((1, 3), 0.1),
            torch.full((1,), 0.5),
            torch.zeros(1, 1, 3),
            torch.eye(4)[None],
            K,
            16,
            16,
            sh_degree=0,
            render_mode=mode,
            absgrad=absgrad,
        )
        colors = AffineColors.apply(image[0, ..., :3].expand(16, 16, 3), torch.eye(3, 4))
        photometric_loss(colors, torch.zeros(16, 16, 3)).backward()
    # As many tensors as a model of Gaussians has.
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(6)]
    for parameter in parameters:
        parameter.grad = torch.zeros(1)
    adam_step([torch.optim.Adam([parameter], fused=True) for parameter in parameters])
