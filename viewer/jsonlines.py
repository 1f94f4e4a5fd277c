"""The event stream as JSON, one object a line, for programs."""

from __future__ import annotations

import contextlib
import time
from types import TracebackType
from typing import TextIO

from splatpose.event_lines import error_line, event_line
from splatpose.events import Event


class JsonLines:
    """Writes each event as one line: `{"event": "stage_started", "elapsed": 0.1, ...}`.

    `elapsed` is in seconds since the consumer was made. As a context manager it also ends a run
    that failed, whatever the reason, with `{"event": "error", "message", "hint", "exit_code"}`,
    so the last line is always either `run_finished` or `error`.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.monotonic()

    def __call__(self, event: Event) -> None:
        self._write(event_line(event, self._elapsed()))

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            return
        with contextlib.suppress(OSError, ValueError):
            self._write(error_line(error, self._elapsed()))

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()
