"""One event sink for several consumers, none of which can disturb the run."""

from __future__ import annotations

import threading

from splatpose.events import Event, EventSink


class FanOut:
    """Hands every event to each consumer, from whichever thread it comes, one at a time.

    A consumer that fails (its output is gone: closed pipe, full disk, hung-up terminal; or it has
    a fault of its own) is dropped and the run goes on: hours of work must not depend on somebody
    reading along.
    """

    def __init__(self, *sinks: EventSink) -> None:
        self._sinks = list(sinks)
        self._lock = threading.RLock()
        self.lost: list[str] = []
        """Why consumers were dropped, but for those whose reader had enough."""

    def __call__(self, event: Event) -> None:
        with self._lock:
            for sink in tuple(self._sinks):
                try:
                    sink(event)
                except Exception as error:  # foreign code, which raises whatever it likes
                    self._sinks.remove(sink)
                    if not isinstance(error, BrokenPipeError):
                        self.lost.append(str(error) or type(error).__name__)
