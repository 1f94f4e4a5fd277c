"""The run's events in its folder, so that any process can follow what another one computes.

`.splatpose/events.jsonl` holds the run that began last: a first line that says when, and which
process on which machine, then one line an event, and "error" where it ended with one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

import psutil

from ..event_lines import error_line, event_line
from ..events import Event, EventSink, Progress
from ..io.atomic import replacing

EVENTS = "events.jsonl"
_VERSION = 1
_PROGRESS_SECONDS = 0.1


class EventLog:
    """Writes the log of one run while the context is open.

    A log that cannot be written (a full disk) is given up without a word: whoever computes finds
    out by itself, and a run must not fail for want of an onlooker's convenience.
    """

    def __init__(self, work: Path) -> None:
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._last_progress = float("-inf")
        self._stream: TextIO | None = None
        with contextlib.suppress(OSError):
            self._stream = _new_log(work / EVENTS)

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._write(error_line(error, self._elapsed()))
        with self._lock, contextlib.suppress(OSError):
            if self._stream is not None:
                self._stream.close()

    def sink(self, emit: EventSink) -> EventSink:
        """A sink that writes an event down and then passes it on to `emit`."""

        def log_and_emit(event: Event) -> None:
            if not self._is_too_soon(event):
                self._write(event_line(event, self._elapsed()))
            emit(event)

        return log_and_emit

    def _is_too_soon(self, event: Event) -> bool:
        """Whether the event is one of many that say nearly the same."""
        if not isinstance(event, Progress) or event.done >= event.total:
            return False
        now = time.monotonic()
        if now - self._last_progress < _PROGRESS_SECONDS:
            return True
        self._last_progress = now
        return False

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        with self._lock, contextlib.suppress(OSError, ValueError):  # ValueError: closed already
            self._stream.write(line + "\n")


@dataclasses.dataclass(frozen=True)
class LogHeader:
    """Who writes a log."""

    started: float
    """Seconds since the epoch."""
    host: str
    """Name of the machine."""
    pid: int
    """Process id there."""
    process_started: float
    """When the process began, in seconds since the epoch: a pid alone may be another's now."""

    def state(self) -> Literal["running", "stopped", "gone"]:
        """What has become of that process; of another machine's we assume that it lives.

        Stopped: suspended, by Ctrl-Z or a signal, and may go on.
        """
        if self.host != platform.node():
            return "running"
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.process_started) >= 1:
                return "gone"
            status = process.status()
        except psutil.Error:
            return "gone"
        if status == psutil.STATUS_ZOMBIE:
            return "gone"
        return "stopped" if status == psutil.STATUS_STOPPED else "running"


class LogReader:
    """Follows a log, from its beginning, through as many runs as write to the same folder."""

    def __init__(self, work: Path) -> None:
        self._path = work / EVENTS
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._rest = b""

    def lines(self) -> Iterator[dict[str, Any]]:
        """The JSON objects that were added since the last call; a new run begins with its header,
        which has "event": "log_started"."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                if identity != self._identity or status.st_size < self._offset:
                    self._identity, self._offset, self._rest = identity, 0, b""
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return
        self._offset += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            with contextlib.suppress(ValueError):
                value = json.loads(line)
                if isinstance(value, dict):
                    yield value


def read_header(value: dict[str, Any]) -> LogHeader | None:
    """The header that a line's JSON object holds, or None if it is another kind of line."""
    if value.get("event") != "log_started" or value.get("version") != _VERSION:
        return None
    try:
        return LogHeader(
            started=float(value["started"]),
            host=str(value["host"]),
            pid=int(value["pid"]),
            process_started=float(value["process_started"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _new_log(path: Path) -> TextIO:
    """A new file, not an emptied one, so that readers see that it is another run."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_header()) + "\n")
    return path.open("a", encoding="utf-8", buffering=1)


def _header() -> dict[str, Any]:
    header = LogHeader(time.time(), platform.node(), os.getpid(), psutil.Process().create_time())
    return {"event": "log_started", "version": _VERSION, **dataclasses.asdict(header)}
