"""LPIPS with VGG16 features: how different two pictures look to a network.

Zhang, Isola, Efros, Shechtman and Wang, "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", CVPR 2018, equation 1, version 0.1 of the published weights. The network is
plain torch: torchvision would pull another build of torch in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

from ..errors import SplatposeError
from ..weights import LPIPS_WEIGHTS, WEIGHTS, WeightStatus, locate, resolve
from ..weights.download import DownloadProgress

_BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""Numbers of the convolutions in VGG16's `features`, between two poolings each; a block's last
activation (relu1_2, relu2_2, relu3_3, relu4_3, relu5_3) is compared."""
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10
_SMALLEST = 16


class Lpips:
    """The network with its weights; any number of channels, so that tests can be small."""

    def __init__(
        self, features: Mapping[str, Tensor], heads: Mapping[str, Tensor], device: torch.device
    ) -> None:
        """
        Args:
            features: `features.N.weight` and `.bias` of VGG16's convolutions.
            heads: `linK.model.1.weight` [1, C, 1, 1] of the K-th block.
            device: where pictures are compared.
        """
        self.device = device
        self._convolutions = [
            [
                tuple(
                    features[f"features.{layer}.{part}"].to(device, torch.float32)
                    for part in ("weight", "bias")
                )
                for layer in block
            ]
            for block in _BLOCKS
        ]
        self._heads = [
            heads[f"lin{k}.model.1.weight"].to(device, torch.float32) for k in range(len(_BLOCKS))
        ]

    @torch.no_grad()
    def __call__(
        self,
        render: Float[Tensor, "H W 3"],
        target: Float[Tensor, "H W 3"],
        mask: Bool[Tensor, "H W"] | None = None,
    ) -> float:
        """The distance of two pictures with colours in [0, 1]; 0 where they are the same.

        Pixels outside the mask are black in both, since a network cannot leave them out. NaN for
        pictures smaller than 16 pixels.
        """
        if min(render.shape[:2]) < _SMALLEST:
            return float("nan")
        total = 0.0
        pairs = zip(self._activations(render, mask), self._activations(target, mask), strict=True)
        for head, (a, b) in zip(self._heads, pairs, strict=True):
            difference = (_unit(a) - _unit(b)).square()
            total += float(conv2d(difference, head).double().mean())
        return total

    def _activations(
        self, image: Float[Tensor, "H W 3"], mask: Bool[Tensor, "H W"] | None
    ) -> list[Float[Tensor, "1 C h w"]]:
        x = image.to(self.device, torch.float32)
        if mask is not None:
            x = torch.where(mask.to(self.device)[..., None], x, x.new_zeros(()))
        x = (2 * x - 1 - x.new_tensor(_SHIFT)) / x.new_tensor(_SCALE)
        x = x.permute(2, 0, 1)[None]
        found = []
        for number, block in enumerate(self._convolutions):
            if number:
                x = max_pool2d(x, 2)
            for weight, bias in block:
                x = relu(conv2d(x, weight, bias, padding=1))
            found.append(x)
        return found


def load_lpips(
    weights_dir: Path | None, device: torch.device, *, progress: DownloadProgress | None = None
) -> Lpips:
    """The network with the published weights.

    Args:
        weights_dir: where they may lie.
        progress: told of a download; without it nothing is downloaded.

    Raises:
        SplatposeError: the weights are not at hand, or damaged, or cannot be had; the hint says
            how to get them.
    """
    tensors = []
    for name in LPIPS_WEIGHTS:
        weight = WEIGHTS[name]
        status = locate(weight, weights_dir)
        if status.state == "absent" and progress is None:
            raise SplatposeError(_missing(status), "Get them with: splatpose weights fetch lpips")
        path = resolve(weight, weights_dir, progress or (lambda received, total: None))
        tensors.append(torch.load(path, map_location="cpu", weights_only=True))
    features, heads = tensors
    return Lpips(features, heads, device)


def _missing(status: WeightStatus) -> str:
    return f"LPIPS cannot be measured: {status.detail}"


def _unit(features: Float[Tensor, "1 C h w"]) -> Float[Tensor, "1 C h w"]:
    """Each pixel's features with length one."""
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + _EPSILON)
