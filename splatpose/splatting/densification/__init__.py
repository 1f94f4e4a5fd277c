"""Where Gaussians are added, moved and removed while they are trained.

Two strategies on either backend. All randomness is a function of seed and step, so that a resumed
training draws the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch

from ..gaussian_model import GaussianModel


@runtime_checkable
class Densifier(Protocol):
    """What the training loop asks of a strategy."""

    needs_absgrad: bool
    """Whether the rasterizer is to collect absolute image-plane gradients."""
    reads_packed: bool
    """Whether it reads a rasterizer's `meta` that holds the visible Gaussians alone."""

    def before_backward(self, model: GaussianModel, meta: dict[str, Any]) -> None: ...

    def after_step(
        self, model: GaussianModel, step: int, meta: dict[str, Any], means_lr: float
    ) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Refinement:
    """When the number of Gaussians changes, and its bound."""

    start: int
    """First step."""
    stop: int
    """Step from which the set stays as it is."""
    every: int
    """Steps between two refinements."""
    max_gaussians: int
    first_gaussians: int
    full: int
    """Step from which there may be `max_gaussians`."""

    def due(self, step: int) -> bool:
        return self.start <= step < self.stop and step % self.every == 0 and step > 0

    def budget(self, step: int) -> int:
        """How many Gaussians there may be at `step`: a growth by the same factor every time."""
        progress = min(1.0, max(0, step - self.start) / max(1, self.full - self.start))
        first = min(self.first_gaussians, self.max_gaussians)
        return round(first ** (1 - progress) * self.max_gaussians**progress)


def seeded(device: torch.device, seed: int, step: int) -> torch.Generator:
    """A random stream of its own for every seed and step."""
    return torch.Generator(device=device).manual_seed((seed << 32) + step)
