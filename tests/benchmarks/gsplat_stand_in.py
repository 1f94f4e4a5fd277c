"""The gsplat backend without a GPU: our own rasterizer in the place of gsplat's function.

Everything between a training and gsplat's kernels is then as it is on a card: arguments, packed
renders and what is read from them, the loss, the watch that reads late.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import gsplat
import torch
from torch import Tensor

from splatpose.render import Backend, gsplat_backend, use_backend
from splatpose.render.cpu.rasterization import rasterization


@contextmanager
def gsplat_on_cpu(packed_from: int = gsplat_backend.PACKED_FROM) -> Iterator[Backend]:
    """Inside the block the gsplat backend, which it gives, is what a training gets.

    Args:
        packed_from: Gaussians from which on renders are packed.
    """
    backend = Backend(
        "gsplat",
        "its stand-in on the CPU",
        torch.device("cpu"),
        gsplat_backend.rasterization,
        gsplat_backend.photometric_loss,
    )
    with (
        patch.object(gsplat, "rasterization", _rasterization),
        patch.object(gsplat_backend, "DEVICE", "cpu"),
        patch.object(gsplat_backend, "PACKED_FROM", packed_from),
        use_backend(backend),
    ):
        yield backend


def _rasterization(*args: Any, packed: bool, **options: Any) -> tuple[Tensor, Tensor, Any]:
    """As gsplat's, with what it says of visible Gaussians in the shape that was asked for."""
    image, alpha, meta = rasterization(*args, **options)
    if not packed:
        return image, alpha, {**meta, "gaussian_ids": None}
    cameras, ids = (meta["radii"] > 0).all(dim=-1).nonzero(as_tuple=True)
    return image, alpha, {
        **meta,
        "camera_ids": cameras,
        "gaussian_ids": ids,
        "radii": meta["radii"][cameras, ids],
        "means2d": _Packed(meta["means2d"], cameras, ids),
    }  # fmt: skip


class _Packed:
    """Image positions of the visible Gaussians, as far as trainings look at them."""

    def __init__(self, means2d: Tensor, cameras: Tensor, ids: Tensor) -> None:
        self._means2d, self._cameras, self._ids = means2d, cameras, ids

    def retain_grad(self) -> None:
        self._means2d.retain_grad()

    @property
    def grad(self) -> Tensor | None:
        grad = self._means2d.grad
        return None if grad is None else grad[self._cameras, self._ids]

    @property
    def absgrad(self) -> Tensor:
        absgrad: Tensor = self._means2d.absgrad  # type: ignore[attr-defined]  # as gsplat has it
        return absgrad[self._cameras, self._ids]
