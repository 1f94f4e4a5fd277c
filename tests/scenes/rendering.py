"""Random Gaussians before random cameras, and the comparison with the dense reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from splatpose.render import reference
from splatpose.render.cpu.rasterization import rasterization

_EPSILON = torch.finfo(torch.float32).eps
PARAMETERS = ("means", "quats", "scales", "opacities", "colors", "viewmats")


@dataclass(frozen=True)
class Scene:
    """Random Gaussians before one or more cameras that are turned a little."""

    count: int = 60
    width: int = 70
    height: int = 45
    seed: int = 0
    cameras: int = 1
    depth: tuple[float, float] = (1.5, 4.5)
    scale: float = 0.1
    scale_spread: float = 0.8
    logit_spread: float = 2.0
    highest_opacity: float = 1.0
    """Below 0.999 no Gaussian reaches the largest alpha, where gradients jump to zero."""
    sh_degree: int | None = 3
    channels: int = 3
    options: dict[str, Any] = field(default_factory=dict)

    def inputs(self) -> list[Tensor]:
        """Means, quats, scales, opacities, colors, viewmats, Ks."""
        generator = torch.Generator().manual_seed(self.seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        n = self.count
        low, high = self.depth
        z = low + (high - low) * torch.rand(n, generator=generator)
        means = torch.stack([normal(n) * 0.5 * z.abs(), normal(n) * 0.4 * z.abs(), z], 1)
        scales = torch.exp(normal(n, 3) * self.scale_spread + math.log(self.scale))
        colors = normal(n, self.channels) if self.sh_degree is None else normal(n, 16, 3) * 0.5
        viewmats = torch.eye(4).repeat(self.cameras, 1, 1)
        for viewmat in viewmats:
            turn = reference.rotation_from_quaternion(
                torch.tensor([[1.0, 0, 0, 0]]) + 0.05 * normal(1, 4)
            )
            viewmat[:3, :3], viewmat[:3, 3] = turn[0], 0.1 * normal(3)
        focal = 0.9 * self.width
        K = torch.tensor([[focal, 0, self.width * 0.48], [0, focal * 1.05, self.height * 0.53]])
        K = torch.cat([K, torch.tensor([[0, 0, 1.0]])]).repeat(self.cameras, 1, 1)
        opacities = torch.sigmoid(normal(n) * self.logit_spread).clamp(max=self.highest_opacity)
        return [means, normal(n, 4), scales, opacities, colors, viewmats, K]

    def arguments(self) -> dict[str, Any]:
        """The other arguments of `rasterization`."""
        return {
            "width": self.width,
            "height": self.height,
            "sh_degree": self.sh_degree,
            **self.options,
        }


def as_leaves(inputs: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Copies of all but the calibrations that take gradients."""
    return [x.detach().clone().to(dtype).requires_grad_() for x in inputs[:6]]


def render_reference(
    leaves: list[Tensor], K: Tensor, arguments: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Image and alpha of the dense reference in the type of the leaves."""
    arguments = dict(arguments)
    if arguments.get("backgrounds") is not None:
        arguments["backgrounds"] = arguments["backgrounds"].to(leaves[0].dtype)
    return reference.rasterization(*leaves, K.to(leaves[0].dtype), **arguments)


def steady_pixels(inputs: list[Tensor], arguments: dict[str, Any]) -> Tensor:
    """Pixels at which no Gaussian is so close to a threshold that rounding decides, [C, H, W, 1].

    At others the image jumps by up to 1/255 of a colour.
    """
    exact = [x.double() for x in inputs[:6]]
    images = []
    for factor in (1 - 1e-4, 1 + 1e-4):
        thresholds = {
            "ALPHA_THRESHOLD": reference.ALPHA_THRESHOLD * factor,
            "MIN_TRANSMITTANCE": reference.MIN_TRANSMITTANCE * factor,
        }
        with torch.no_grad(), patch.multiple(reference, **thresholds):
            images.append(render_reference(exact, inputs[6], arguments)[1])
    # The same Gaussians in the same order give the same bits.
    return images[0] == images[1]


def relative_error(ours: Tensor, true: Tensor) -> float:
    """L2 norm of the difference over that of the truth."""
    return float((ours - true).norm() / true.norm().clamp(min=1e-12))


def depth_rounding(inputs: list[Tensor], arguments: dict[str, Any], weight: Tensor) -> list[float]:
    """Norm of each parameter's gradient that rounding the transmittance to float32 may add.

    Expected depth is a sum over alpha. Where alpha is faint, it comes from a transmittance close to
    one, so its relative error is that of float32 over alpha; in the derivative by alpha the depth
    is divided by alpha again.
    """
    if not str(arguments.get("render_mode", "RGB")).endswith("ED"):
        return [0.0] * len(PARAMETERS)
    leaves = as_leaves(inputs, torch.float64)
    image, alpha = render_reference(leaves, inputs[6], arguments)
    error = weight[..., -1:] * image[..., -1:] * _EPSILON / alpha.clamp(min=1e-3) ** 2
    sign = torch.randn(alpha.shape, generator=torch.Generator().manual_seed(2))
    (alpha * (error * sign).detach()).sum().backward()
    return [0.0 if leaf.grad is None else 3 * float(leaf.grad.norm()) for leaf in leaves]


def compare(inputs: list[Tensor], arguments: dict[str, Any]) -> None:
    """Image within 5e-5, gradients within 1e-4 (relative L2), cameras within 3e-4.

    Where gradients cancel out, float32 itself cannot give that: then the bound is ten times the
    error of the reference in float32, and what rounding does to expected depth (that of one
    Gaussian does not depend on its opacity, but both parts of the derivative are large where it is
    faint).
    """
    ours, exact = as_leaves(inputs, torch.float32), as_leaves(inputs, torch.float64)
    single = as_leaves(inputs, torch.float32)
    steady = steady_pixels(inputs, arguments)
    assert steady.double().mean() > 0.8
    results = [
        rasterization(*ours, inputs[6], **arguments)[:2],
        render_reference(exact, inputs[6], arguments),
        render_reference(single, inputs[6], arguments),
    ]
    (image, alpha), (image64, alpha64), _ = results
    assert image.dtype == alpha.dtype == torch.float32
    assert image.shape == image64.shape
    assert alpha.shape == alpha64.shape
    largest = max(1.0, image64.abs().max().item())
    assert ((image - image64) * steady).abs().max() <= 5e-5 * largest
    assert ((alpha - alpha64) * steady).abs().max() <= 5e-5

    generator = torch.Generator().manual_seed(1)
    image_weight = torch.randn(image.shape, generator=generator) * steady
    alpha_weight = torch.randn(alpha.shape, generator=generator) * steady
    for its_image, its_alpha in results:
        ((its_image * image_weight).sum() + (its_alpha * alpha_weight).sum()).backward()
    rounded = depth_rounding(inputs, arguments, image_weight)
    for name, mine, true, plain, slack in zip(
        PARAMETERS, ours, exact, single, rounded, strict=True
    ):
        if true.grad is None:
            assert mine.grad is None
            continue
        assert mine.grad is not None
        assert plain.grad is not None
        allowed = 3e-4 if name == "viewmats" else 1e-4
        allowed = max(allowed, 10 * relative_error(plain.grad, true.grad))
        allowed += slack / max(float(true.grad.norm()), 1e-12)
        error = relative_error(mine.grad, true.grad)
        assert error <= allowed, (name, error, allowed)
