"""What a training asks of cameras that it is to move."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class TrainableCameras(Protocol):
    """Poses of the photos of a training that are optimised together with the Gaussians.

    Their state after a step is a function of their start and the steps alone, so that a resumed
    training moves them alike.
    """

    def restart(self) -> None:
        """Goes back to where the cameras started."""
        ...

    def viewmat(self, view: int, step: int) -> Float[Tensor, "4 4"]:
        """cam_from_world of a photo, attached to the graph where it may move at this step."""
        ...

    def wants_depth(self, step: int) -> bool:
        """Whether `term` looks at rendered depth at this step."""
        ...

    def term(
        self, view: int, step: int, depth: Float[Tensor, "H W"] | None = None
    ) -> Float[Tensor, ""]:
        """Added to the loss of a step that trains on photo number `view`.

        Args:
            depth: expected depth as rendered, attached to the graph, where it is wanted.
        """
        ...

    def step(self, view: int, step: int, damping: float) -> None:
        """Moves the cameras after the backward pass; gradients are cleared.

        Args:
            damping: factor of all learning rates.
        """
        ...

    def first_not_finite(self) -> str | None:
        """Name of what holds NaN or infinity, or None."""
        ...

    def identity(self) -> str:
        """Hash of what decides how the cameras move."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        ...
