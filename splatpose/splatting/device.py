"""What a device that computes behind the host's back has to be asked: its time and its memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ..host import available_memory


def wait_for(device: torch.device) -> None:
    """Waits until the device has done what it was told to; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken where the device computes.

    What torch keeps of a card for its next tensors is given back first: the driver counts it as
    taken.
    """
    if device.type != "cuda":
        return available_memory()
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


class StepClock:
    """Seconds that steps take, whatever is done between them.

    Steps that a device was only told to make are counted when the clock is read, which waits for
    them. So it is read before anything else waits, and not at every step.

    Args:
        wait: until what was told is done.
        clock: seconds since any moment.
    """

    def __init__(
        self, wait: Callable[[], object], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._wait, self._clock = wait, clock
        self._seconds = 0.0

    def set(self, seconds: float) -> None:
        """Goes on from so many seconds."""
        self._seconds = seconds

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts what is done meanwhile, unless it fails."""
        start = self._clock()
        yield
        self._seconds += self._clock() - start

    def read(self) -> float:
        """Seconds so far, those included that the device still needs."""
        with self.running():
            self._wait()
        return self._seconds
