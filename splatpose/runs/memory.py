"""How much memory a stage takes."""

from __future__ import annotations

import contextlib
import threading

import psutil


class PeakMemory:
    """Samples the process's resident memory while a stage runs.

    The system's own peak only ever grows, so a later, smaller stage would be charged with an
    earlier one's.
    """

    def __enter__(self) -> PeakMemory:
        self.mb = 0.0
        """Largest resident memory so far, in MiB."""
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            with contextlib.suppress(psutil.Error, OSError):  # where /proc is closed
                self.mb = max(self.mb, self._process.memory_info().rss / 2**20)
            if self._stop.wait(0.1):
                return
