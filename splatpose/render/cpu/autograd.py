"""The CPU rasterizer as a torch function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatpose.render.cpu.camera_pass import (
    Drawn,
    Settings,
    draw,
    draw_backward,
    make_view,
)
from splatpose.render.cpu.kernel_arguments import GaussianGradients, Gaussians, PictureGradients
from splatpose.render.cpu.workspace import Lease


def flat(tensor: Tensor) -> np.ndarray:
    """The numbers of a CPU tensor as a flat array, without a copy where it is contiguous."""
    return tensor.detach().contiguous().numpy().reshape(-1)


def as_gaussians(
    means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor, higher: Tensor
) -> Gaussians:
    """What the kernels take of Gaussians.

    Args:
        colors, higher: [N, ...] colours, and the harmonics that follow on those in `colors`.
    """
    stride, more = colors[:1].numel(), higher[:1].numel()
    return Gaussians(
        flat(means), flat(quats), flat(scales), flat(opacities),
        flat(colors), max(1, stride), flat(higher), more,
    )  # fmt: skip


def render_cameras(
    gaussians: Gaussians,
    viewmats: Float[Tensor, "C 4 4"],
    centers: Float[Tensor, "C 3"],
    Ks: Float[Tensor, "C 3 3"],
    backgrounds: Float[Tensor, "C D"] | None,
    settings: Settings,
    leases: Sequence[Lease],
    means2d: Float[Tensor, "C N 2"],
    radii: Int32[Tensor, "C N 2"],
) -> tuple[Float[Tensor, "C H W X"], Float[Tensor, "C H W 1"], list[Drawn]]:
    """Render each camera with its own workspace; fills `means2d` and `radii`."""
    shape = (len(viewmats), settings.height, settings.width)
    image = torch.empty(*shape, settings.channels)
    alpha = torch.empty(*shape, 1)
    drawn = []
    for c, lease in enumerate(leases):
        background = np.zeros(settings.channels, np.float32)
        if backgrounds is not None and settings.color_channels > 0:
            background[: settings.color_channels] = backgrounds[c].detach().numpy()
        view = make_view(
            viewmats[c].detach().double().numpy(),
            Ks[c].detach().double().numpy(),
            centers[c].detach().numpy(),
            settings,
        )
        drawn.append(
            draw(
                gaussians,
                view,
                background,
                settings,
                lease.workspace,
                flat(image[c]),
                flat(means2d[c]),
                flat(radii[c]),
            )
        )
        np.subtract(np.float32(1), drawn[-1].transmittance, out=flat(alpha[c]))
    return image, alpha, drawn


class RasterizeOnCpu(torch.autograd.Function):
    """(image, alpha) of Gaussians; `means2d` is a leaf that only takes a gradient."""

    @staticmethod
    def forward(  # type: ignore[override]  # torch types forward as taking anything
        ctx: Any,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        colors: Tensor,
        higher: Tensor,
        viewmats: Tensor,
        centers: Tensor,
        backgrounds: Tensor | None,
        means2d: Tensor,
        Ks: Tensor,
        radii: Tensor,
        settings: Settings,
    ) -> tuple[Tensor, Tensor]:
        leases = [Lease() for _ in viewmats]
        gaussians = as_gaussians(means, quats, scales, opacities, colors, higher)
        image, alpha, drawn = render_cameras(
            gaussians, viewmats, centers, Ks, backgrounds, settings, leases, means2d, radii
        )
        ctx.save_for_backward(means, quats, scales, opacities, colors, higher, image)
        ctx.set_materialize_grads(False)
        ctx.leases, ctx.drawn, ctx.settings = leases, drawn, settings
        ctx.means2d = means2d
        return image, alpha

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]  # torch names ctx, but passes it by position
        ctx: Any, *output_gradients: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        *inputs, image = ctx.saved_tensors
        settings: Settings = ctx.settings
        image_gradient, alpha_gradient = output_gradients
        gaussians = as_gaussians(*inputs)
        targets: list[Tensor | None] = [
            torch.empty(tensor.shape, dtype=torch.float32) for tensor in inputs
        ]
        flat_targets = [flat(t) for t in targets if t is not None]
        cameras = len(ctx.leases)
        count = len(inputs[0])
        v_means2d = torch.empty(cameras, count, 2)
        absolute = torch.empty(cameras, count, 2) if settings.absgrad else None
        v_viewmats, v_centers = torch.zeros(cameras, 4, 4), torch.zeros(cameras, 3)
        if image_gradient is None:
            image_gradient = torch.zeros_like(image)
        if alpha_gradient is None:
            alpha_gradient = torch.zeros(*image.shape[:-1], 1)
        for c, (lease, drawn) in enumerate(zip(ctx.leases, ctx.drawn, strict=True)):
            sums = draw_backward(
                gaussians,
                drawn,
                settings,
                lease.workspace,
                flat(image[c]),
                PictureGradients(flat(image_gradient[c]), flat(alpha_gradient[c])),
                GaussianGradients(
                    *flat_targets,
                    means2d=flat(v_means2d[c]),
                    absolute2d=np.empty(0, np.float32) if absolute is None else flat(absolute[c]),
                ),
                accumulate=c > 0,
            )
            v_viewmats[c, :3, :3] = torch.from_numpy(sums[:9].reshape(3, 3))
            v_viewmats[c, :3, 3] = torch.from_numpy(sums[9:12])
            v_centers[c] = torch.from_numpy(sums[12:15])
        if absolute is not None:
            ctx.means2d.absgrad = absolute
        v_backgrounds = _background_gradient(ctx, image_gradient)
        if settings.color_channels == 0:
            targets[4] = targets[5] = None
        return (*targets, v_viewmats, v_centers, v_backgrounds, v_means2d, None, None, None)


def _background_gradient(ctx: Any, image_gradient: Tensor) -> Tensor | None:
    settings: Settings = ctx.settings
    if not ctx.needs_input_grad[8] or settings.color_channels == 0:
        return None
    left = torch.stack([torch.from_numpy(d.transmittance) for d in ctx.drawn])
    left = left.view(len(ctx.drawn), settings.height, settings.width, 1)
    return (left * image_gradient[..., : settings.color_channels]).sum((1, 2))
