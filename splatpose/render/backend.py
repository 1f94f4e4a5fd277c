"""One interface, two implementations of it, one choice with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from splatpose.errors import SplatposeError
from splatpose.render.interface import Backend

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
