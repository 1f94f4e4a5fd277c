"""How long what is being counted will still take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from splatpose import wording
from splatpose.events import Progress, TrainingStep

TELL_SECONDS = 30.0
"""Longest silence where nothing on a screen moves."""


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


class Counter:
    """Tells every 30 s how far something is that is counted, for logs and pipes.

    Args:
        stream: where lines go.
        what: is counted, as "frames".
        clock: seconds since any moment.
    """

    def __init__(
        self, stream: TextIO, what: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._what, self._clock = stream, what, clock
        self._pace, self._told = Pace(clock), clock()

    def __call__(self, done: int, total: int) -> None:
        self._pace.see(Progress("outputs", done, total, self._what))
        if self._clock() - self._told >= TELL_SECONDS:
            self._told = self._clock()
            print(counted(self._pace), file=self._stream, flush=True)


def counted(pace: Pace) -> str:
    """How far it is, and the time left if that is known: "95 of 190 pairs matched, 12 s left"."""
    text = f"{pace.done:,} of {pace.total:,} {pace.text}".rstrip()
    remaining = pace.remaining()
    return text if remaining is None else f"{text}, {duration(remaining)} left"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.4 s, 12 s, 3:07, 1:02:03."""
    whole = round(seconds)
    if whole < 60:
        return wording.duration(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours}:{minutes:02}:{whole % 60:02}"
    return f"{minutes}:{whole % 60:02}"
