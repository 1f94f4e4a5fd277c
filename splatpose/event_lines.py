"""Events as JSON, one object a line, and back.

{"event": "stage_started", "elapsed": 0.1, "stage": "capture"}
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_args

from .errors import SplatposeError
from .events import STAGES, Event
from .interruption import describe, exit_code


def event_name(event: type) -> str:
    """`StageStarted` -> `stage_started`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()


_TYPES: dict[str, type] = {event_name(kind): kind for kind in get_args(Event)}


def event_line(event: Event, elapsed: float) -> str:
    """The event as a line, without the line's end.

    Args:
        elapsed: seconds since the stream began.
    """
    fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    return _line(event_name(type(event)), elapsed, fields)


def error_line(error: BaseException, elapsed: float) -> str:
    """The line that ends the stream of a run which failed, whatever the reason."""
    return _line("error", elapsed, describe_error(error))


def parse_event(value: dict[str, Any]) -> Event | None:
    """The event that a line's JSON object describes.

    None for an object of another kind ("error", or one of a later version).
    """
    kind = _TYPES.get(value.get("event", ""))
    if kind is None:
        return None
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            fields[field.name] = _as_declared(str(field.type), value[field.name])
    if fields.get("stage", STAGES[0]) not in STAGES:  # of another version
        return None
    try:
        return kind(**fields)
    except TypeError:  # of another version: a field is missing
        return None


def describe_error(error: BaseException) -> dict[str, Any]:
    """Message, hint and exit code of what ended a run."""
    if isinstance(error, SplatposeError):
        return {"message": error.message, "hint": error.hint, "exit_code": 1}
    if isinstance(error, KeyboardInterrupt):
        hint = "Run the same command again to go on from where it stopped."
        return {"message": describe(error), "hint": hint, "exit_code": exit_code(error)}
    message = f"{type(error).__name__}: {error}"
    hint = "This is an error in splatpose; please report it with the output of `splatpose info`."
    return {"message": message, "hint": hint, "exit_code": 1}


def _line(name: str, elapsed: float, fields: dict[str, Any]) -> str:
    line = {"event": name, "elapsed": round(elapsed, 3), **fields}
    return json.dumps(_plain(line), allow_nan=False)


def _plain(value: Any) -> Any:
    """The value in JSON's words; NaN and infinity are null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return str(value) if isinstance(value, Path) else value


def _as_declared(annotation: str, value: Any) -> Any:
    """JSON has neither paths, tuples nor NaN."""
    if annotation == "Path":
        return Path(value)
    if annotation.startswith("tuple"):
        return tuple(value)
    if annotation == "float" and value is None:
        return float("nan")
    return value
