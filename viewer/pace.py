"""How long what is being counted will still take."""

from __future__ import annotations

import time
from collections.abc import Callable

from splatpose.events import Progress, TrainingStep


class Pace:
    """The rate of one thing that is counted, from when it was first seen: it may have been resumed.

    Args:
        clock: seconds since any moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._what: tuple[object, ...] = ()
        self._first = (0, 0.0)
        self.done = self.total = 0
        self.text = ""
        """What is counted; empty before anything is."""

    def see(self, event: Progress | TrainingStep) -> None:
        """Takes in how far it has come; another thing that is counted begins anew."""
        if isinstance(event, TrainingStep):
            self.done, self.total, self.text = event.step, event.total_steps, "training steps"
            what: tuple[object, ...] = ("training", event.total_steps)
        else:
            self.done, self.total, self.text = event.done, event.total, event.text
            # Where one thing is done after another the texts tell which it is.
            what = (event.stage, event.total, event.text if event.total > 10 else "")
        if what != self._what or self.done < self._first[0]:
            self._what, self._first = what, (self.done, self._clock())

    def remaining(self) -> float | None:
        """Seconds to the end; None where nothing tells."""
        done, began = self._first
        if self.done <= done or self.total < self.done:
            return None
        return (self._clock() - began) / (self.done - done) * (self.total - self.done)
