"""The photometric loss of `render.loss` on the CPU: value and gradient in one go."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatpose.render.cpu.autograd import flat
from splatpose.render.cpu.camera_pass import share
from splatpose.render.cpu.loss_kernels import (
    blur_render_rows,
    blur_target_columns,
    blur_target_rows,
    compare_columns,
    loss_gradient,
)
from splatpose.render.cpu.loss_planes import Comparison, Frame, Moments, frame_of, plane_size
from splatpose.render.cpu.threads import available_threads
from splatpose.render.cpu.workspace import Lease, Workspace

KEPT_BYTES = 256 * 2**20
"""Bytes of blurred photos that are kept at most."""
BLURS_PIXEL_BYTES = 2 * 3 * 4
"""Bytes a pixel that is kept takes: of a photo and of its square, three channels of floats."""


class TargetCache:
    """Blurred photos, kept for the next time the same tensor is compared with."""

    def __init__(self, capacity: int = KEPT_BYTES) -> None:
        self._capacity = capacity
        self._held = 0
        # Reentrant: a target may die, and be dropped, while the lock is held.
        self._lock = threading.RLock()
        self._entries: OrderedDict[int, tuple[weakref.ref[Tensor], int, np.ndarray]]
        self._entries = OrderedDict()

    def get(self, target: Tensor) -> np.ndarray | None:
        """The blurs of a tensor that has not been written to since."""
        with self._lock:
            entry = self._entries.get(id(target))
            if entry is None or entry[0]() is not target or entry[1] != target._version:
                return None
            self._entries.move_to_end(id(target))
            return entry[2]

    def put(self, target: Tensor, blurs: np.ndarray) -> None:
        """Keep blurs for the life of the target, and drop those unused for longest."""
        key = id(target)
        with self._lock:
            self._drop(key)
            reference = weakref.ref(target, lambda _target: self._drop(key))
            self._entries[key] = (reference, target._version, blurs)
            self._held += blurs.nbytes
            while self._held > self._capacity:
                self._drop(next(iter(self._entries)))

    def _drop(self, key: int) -> None:
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._held -= entry[2].nbytes


_cache = TargetCache()


def _target_blurs(target: Tensor, frame: Frame, workspace: Workspace, threads: int) -> np.ndarray:
    """Blurs of the target and of its square, [2, plane_size]."""
    cached = None if target.is_inference() else _cache.get(target)
    if cached is not None:
        return cached
    size, height = plane_size(frame), frame.height
    blurs = np.zeros((2, size), np.float32)
    across, across2 = workspace.array("across", size), workspace.array("across2", size)
    share(blur_target_rows, threads, height, flat(target), frame, across, across2)
    share(blur_target_columns, threads, height, frame, across, across2, *blurs)
    # Tensors made in inference mode do not count their changes.
    if not target.is_inference():
        _cache.put(target, blurs)
    return blurs


def _loss_and_gradient(
    render: Tensor, target: Tensor, mask: Tensor | None, dssim_weight: float, need_gradient: bool
) -> tuple[float, Tensor | None]:
    height, width, _ = render.shape
    frame = frame_of(height, width)
    lease, threads = Lease(), available_threads()
    workspace, size = lease.workspace, plane_size(frame)
    target_blurs = _target_blurs(target, frame, workspace, threads)
    valid = np.empty(0, np.bool_) if mask is None else flat(mask)
    images = Comparison(flat(render), flat(target), valid)
    count = 3 * max(1, height * width if mask is None else int(valid.sum()))
    blurs = Moments(*(workspace.array(name, size) for name in ("across", "across2", "across_xy")))
    derivatives = Moments(
        *(workspace.array(name, size) for name in ("by_mean", "by_square", "by_product"))
    )
    differences, similarities = np.empty(height), np.empty(height)
    share(blur_render_rows, threads, height, images, frame, blurs, differences)
    share(
        compare_columns,
        threads,
        height,
        valid,
        frame,
        blurs,
        *target_blurs,
        derivatives,
        similarities,
    )
    seen = count if mask is None else 3 * int(valid.sum())
    dissimilarity = (seen - similarities.sum()) / count
    loss = (1 - dssim_weight) * differences.sum() / count + dssim_weight * dissimilarity
    if not need_gradient:
        return float(loss), None
    gradient = torch.empty(render.shape)
    share(
        loss_gradient,
        threads,
        height,
        images,
        frame,
        derivatives,
        (1 - dssim_weight) / count,
        -dssim_weight / count,
        flat(gradient),
    )
    return float(loss), gradient


class _PhotometricLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, render: Tensor, target: Tensor, mask: Tensor | None, weight: float
    ) -> Tensor:  # type: ignore[override]  # torch types forward as taking anything
        loss, ctx.gradient = _loss_and_gradient(
            render, target, mask, weight, ctx.needs_input_grad[0]
        )
        return torch.tensor(loss, dtype=torch.float32)

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]  # torch names ctx, but passes it by position
        ctx: Any, *output_gradients: Tensor
    ) -> tuple[Tensor, None, None, None]:
        return ctx.gradient * output_gradients[0], None, None, None


def photometric_loss(
    render: Float[Tensor, "H W 3"],
    target: Float[Tensor, "H W 3"],
    mask: Bool[Tensor, "H W"] | None = None,
    dssim_weight: float = 0.2,
) -> Float[Tensor, ""]:
    """The loss of `splatpose.render.loss.photometric_loss`, differentiable w.r.t. `render` only.

    Pass the same target tensor again to save a fifth of the work: its blurs are remembered, for
    up to 256 MiB of them. Torch notices when a target is written to; a write through an array that
    shares its memory goes unnoticed.

    Raises:
        ValueError: if the target wants a gradient, something is not float32 on the CPU, the mask
            is not boolean, or there is no pixel.
    """
    for name, tensor in (("render", render), ("target", target)):
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            raise ValueError(
                f"{name} is {tensor.dtype} on {tensor.device}, expected float32 on cpu"
            )
    if render.shape != target.shape:
        raise ValueError(f"target has shape {tuple(target.shape)}, expected {tuple(render.shape)}")
    if render.numel() == 0:
        raise ValueError(f"render has shape {tuple(render.shape)}: there is no pixel to compare")
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask is {mask.dtype}, expected torch.bool")
    if mask is not None and mask.shape != render.shape[:2]:
        raise ValueError(f"mask has shape {tuple(mask.shape)}, expected {tuple(render.shape[:2])}")
    if target.requires_grad:
        raise ValueError("gradients with respect to target are not supported: detach it")
    loss = _PhotometricLoss.apply(render, target, mask, float(dssim_weight))
    assert isinstance(loss, Tensor)
    return loss
