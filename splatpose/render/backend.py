"""One interface to render and compare, two implementations, one choice with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from splatpose.errors import SplatposeError

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
        colors: Tensor,
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


_override: Backend | None = None


@contextmanager
def use_backend(backend: Backend) -> Iterator[None]:
    """Make `choose_backend` return `backend` inside the block, whatever it is asked for."""
    global _override
    before, _override = _override, backend
    try:
        yield
    finally:
        _override = before


def choose_backend(name: Literal["auto", "gsplat", "cpu"] = "auto") -> Backend:
    """The backend of that name, or with "auto" gsplat where it can run and else the CPU's.

    Looks and does not compile: the first rendering does, where that is needed.

    Raises:
        SplatposeError: if "gsplat" is asked for and cannot run here.
    """
    if _override is not None:
        return _override
    if name == "cpu":
        return cpu_backend("asked for")
    from splatpose.render.gsplat_backend import gsplat_backend, why_gsplat_cannot_run

    obstacle = why_gsplat_cannot_run()
    if obstacle is None:
        return gsplat_backend("asked for" if name == "gsplat" else "a CUDA device was found")
    if name == "gsplat":
        raise SplatposeError(
            f"the gsplat backend cannot run: {obstacle}", "Use --backend cpu, or auto."
        )
    return cpu_backend(f"gsplat cannot run here: {obstacle}")


def cpu_backend(reason: str) -> Backend:
    """The backend that needs no GPU and no compiler."""
    from splatpose.render.cpu.allocator import keep_freed_memory
    from splatpose.render.cpu.loss import photometric_loss
    from splatpose.render.cpu.rasterization import rasterization

    keep_freed_memory()
    return Backend("cpu", reason, torch.device("cpu"), rasterization, photometric_loss)
