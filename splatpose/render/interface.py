"""The interface to render and compare that every backend has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from splatpose.render.arguments import Harmonics

BackendName = Literal["gsplat", "cpu"]


@runtime_checkable
class Rasterization(Protocol):
    """The signature that both backends' `rasterization` has; see `render.cpu.rasterization`."""

    def __call__(
        self,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        colors: Tensor | Harmonics,
        viewmats: Tensor,
        Ks: Tensor,
        width: int,
        height: int,
        near_plane: float = 0.01,
        far_plane: float = 1e10,
        *,
        eps2d: float = 0.3,
        sh_degree: int | None = None,
        backgrounds: Tensor | None = None,
        render_mode: Literal["RGB", "D", "ED", "RGB+D", "RGB+ED"] = "RGB",
        rasterize_mode: Literal["classic", "antialiased"] = "classic",
        absgrad: bool = False,
        **options: object,
    ) -> tuple[Tensor, Tensor, dict[str, Any]]: ...


@runtime_checkable
class PhotometricLoss(Protocol):
    """The signature of both backends' loss; see `render.loss.photometric_loss`."""

    def __call__(
        self,
        render: Tensor,
        target: Tensor,
        mask: Tensor | None = None,
        dssim_weight: float = 0.2,
    ) -> Tensor: ...


@dataclass(frozen=True)
class Backend:
    """Where and how Gaussians are rendered."""

    name: BackendName
    reason: str
    """Why this one, as a sentence for a person."""
    device: torch.device
    """Where all tensors have to be."""
    rasterization: Rasterization
    photometric_loss: PhotometricLoss
