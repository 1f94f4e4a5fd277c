"""The event stream as JSON, one object a line, for programs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import time
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from splatpose.errors import SplatposeError
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
        fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
        self._write(event_name(type(event)), fields)

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
            self._write("error", _describe(error))

    def _write(self, name: str, fields: dict[str, Any]) -> None:
        elapsed = round(time.monotonic() - self._start, 3)
        line = {"event": name, "elapsed": elapsed, **fields}
        self._stream.write(json.dumps(_plain(line), allow_nan=False) + "\n")
        self._stream.flush()


def event_name(event: type) -> str:
    """`StageStarted` -> `stage_started`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()


def _describe(error: BaseException) -> dict[str, Any]:
    if isinstance(error, SplatposeError):
        return {"message": error.message, "hint": error.hint, "exit_code": 1}
    if isinstance(error, KeyboardInterrupt):
        hint = "Run the same command again to go on from where it stopped."
        return {"message": "Interrupted.", "hint": hint, "exit_code": 130}
    message = f"{type(error).__name__}: {error}"
    hint = "This is an error in splatpose; please report it with the output of `splatpose info`."
    return {"message": message, "hint": hint, "exit_code": 1}


def _plain(value: Any) -> Any:
    """The value in JSON's words; NaN and infinity are null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return str(value) if isinstance(value, Path) else value
