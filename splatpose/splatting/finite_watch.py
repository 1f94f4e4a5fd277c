"""Whether a training stays finite, without waiting for the device that computes it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float


class Diverged(Exception):
    """The loss or a parameter is NaN or infinite. The message names it."""


class LateCopy:
    """Numbers on their way from a device to the host."""

    def __init__(self, values: Float[torch.Tensor, " K"]) -> None:
        on_gpu = values.device.type == "cuda"
        self._host = torch.empty(values.shape, dtype=values.dtype, pin_memory=on_gpu)
        self._host.copy_(values, non_blocking=True)
        self._arrived = torch.cuda.Event() if on_gpu else None
        if self._arrived is not None:
            self._arrived.record()

    def read(self) -> list[float]:
        """The numbers; waits for them where they have not arrived."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._host.tolist()


class FiniteWatch:
    """Looks at every loss, and at parameters from time to time.

    On a CPU at once. On a GPU, which computes steps behind the host's back, losses are added up
    there, and each look reads what the one before it asked for: nobody waits, and a divergence is
    noticed one or two looks late. Nothing of the steps between is kept.
    """

    def __init__(self, *, late: bool) -> None:
        """
        Args:
            late: read numbers when they have long arrived.
        """
        self._late = late
        self._losses: Float[torch.Tensor, ""] | None = None
        self._asked: LateCopy | None = None

    def see_loss(self, loss: Float[torch.Tensor, ""]) -> None:
        """Takes note of the loss of a step.

        Raises:
            Diverged: it is not finite, and that is known at once.
        """
        if not self._late:
            if not math.isfinite(float(loss)):
                raise Diverged("the loss")
        elif self._losses is None:
            self._losses = loss.clone()
        else:
            self._losses += loss

    def ask(self, sums: Float[torch.Tensor, " K"]) -> bool:
        """Asks for sums of the parameters and losses; whether all may well be finite.

        Args:
            sums: one of each parameter: not finite where a value is not.

        Raises:
            Diverged: a loss was not finite.
        """
        losses = sums.new_zeros(()) if self._losses is None else self._losses
        asked = LateCopy(torch.cat([losses[None], sums]))
        ready = self._asked if self._late else asked
        self._asked = asked
        return ready is None or _finite(ready)

    def settle(self) -> None:
        """Waits for all losses so far.

        Raises:
            Diverged: one of them was not finite.
        """
        self._asked = None
        if self._losses is not None and not math.isfinite(float(self._losses)):
            raise Diverged("the loss")
        self._losses = None


def _finite(copy: LateCopy) -> bool:
    losses, *parameters = copy.read()
    if not math.isfinite(losses):
        raise Diverged("the loss")
    return all(map(math.isfinite, parameters))


class Losses:
    """Losses of the steps since they were last asked for, left on the device until then."""

    def __init__(self, known: list[float] | None = None) -> None:
        self._known = list(known or [])
        self._waiting: list[Float[torch.Tensor, ""]] = []

    def add(self, loss: Float[torch.Tensor, ""]) -> None:
        """Adds that of another step."""
        self._waiting.append(loss)

    def numbers(self) -> list[float]:
        """All of them; waits for the device."""
        if self._waiting:
            self._known += torch.stack(self._waiting).tolist()
            self._waiting.clear()
        return list(self._known)
