"""Bounds of what people may set: told beside each field, and checked in one place.

    steps: Annotated[int, Bounds(1, 10_000_000)] = 2000

`check_bounds` walks a dataclass with all that it is composed of and compares every value with its
field's type, choices and bounds. The command line and `fit` call it before any work.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from .errors import SplatposeError


@dataclass(frozen=True)
class Bounds:
    """Range of a number, both ends included."""

    low: float
    high: float
    also: float | None = None
    """One more value that is allowed, outside of the range: 0 for "off", say."""

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high or value == self.also

    def __str__(self) -> str:
        text = f"from {_number(self.low)} to {_number(self.high)}"
        return text if self.also is None else f"{_number(self.also)}, or {text}"


_NAME_BYTES, _PATH_BYTES = 255, 4096

SHARE = Bounds(0, 1)
WEIGHT = Bounds(0, 1e6)
RATE = Bounds(0, 1e3)
"""Learning rates."""
COUNT = Bounds(0, 1_000_000_000)
SIDE = Bounds(16, 65_536)
"""Sides of photos, in pixels."""
SEED = Bounds(0, 2**31 - 1)
WORKERS = Bounds(1, 256)
PORT = Bounds(0, 65_535)
"""0: any that is free."""


class OutOfBounds(SplatposeError):
    """A value that its field does not allow."""

    def __init__(self, path: tuple[str, ...], value: Any, allowed: str) -> None:
        self.path = path
        """Names of the fields from the outermost dataclass to the value."""
        self.allowed = f"{allowed}, not {_shown(value)}"
        """What is allowed, and what was given, for a sentence that begins with the field."""
        name = ".".join(path)
        super().__init__(
            f"{name} must be {self.allowed}.", f"Change {name}. Nothing was computed or changed."
        )


def check_paths(**paths: Path) -> None:
    """Compares paths with what file systems take.

    Raises:
        OutOfBounds: for the first that is no path, or has too long a name.
    """
    for name, path in paths.items():
        if (allowed := _objection(Path, path, None)) is not None:
            raise OutOfBounds((name,), path, allowed)


def check_bounds(config: Any, *path: str) -> None:
    """Compares every field of a dataclass, and of those in it, with what it allows.

    Args:
        config: an instance of a dataclass.
        path: where it lies, for the message.

    Raises:
        OutOfBounds: for the first value of a wrong type, not among the choices, or out of range.
    """
    for name, hint in fields_with_hints(type(config)):
        value = getattr(config, name)
        if dataclasses.is_dataclass(value):
            check_bounds(value, *path, name)
        elif (allowed := _objection(hint, value, None)) is not None:
            raise OutOfBounds((*path, name), value, allowed)


@functools.cache
def fields_with_hints(config: type) -> tuple[tuple[str, Any], ...]:
    """Fields of a dataclass, each with its type and the annotations of the type."""
    hints = get_type_hints(config, include_extras=True)
    return tuple((field.name, hints[field.name]) for field in dataclasses.fields(config))


def bounds_of(hint: Any) -> Bounds | None:
    """The bounds in a field's type, or None where it has none."""
    if get_origin(hint) is Annotated:
        return next((item for item in get_args(hint)[1:] if isinstance(item, Bounds)), None)
    return None


def numeric(hint: Any) -> bool:
    """Whether values of a type may be numbers, other than a choice of some."""
    return any(member in (int, float) for member in _members(hint))


def _members(hint: Any) -> Iterator[Any]:
    """The plain types that a type is made of."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from _members(inner[0])
    elif origin in (Union, UnionType, tuple):
        for member in inner:
            yield from _members(member)
    else:
        yield hint


def _objection(hint: Any, value: Any, bounds: Bounds | None) -> str | None:
    """What would be allowed in place of a value, or None where the value is."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _objection(inner[0], value, bounds_of(hint) or bounds)
    if origin in (Union, UnionType):
        found = [_objection(member, value, bounds) for member in inner]
        return None if None in found else " or ".join(text for text in found if text)
    if origin is Literal:
        good = any(type(value) is type(choice) and value == choice for choice in inner)
        return None if good else f"one of {', '.join(map(str, inner))}"
    if origin is tuple:
        if not isinstance(value, tuple):
            return "a tuple"
        return next((text for item in value if (text := _objection(inner[0], item, bounds))), None)
    if hint in (int, float):
        return _objection_to_number(hint, value, bounds)
    if hint is Path or (hint is str and isinstance(value, str)):
        return _objection_to_name(value)
    if hint in (bool, str, NoneType):
        good = isinstance(value, hint)
        return None if good else {bool: "True or False", str: "a text"}.get(hint, "None")
    return None


def _objection_to_number(kind: type, value: Any, bounds: Bounds | None) -> str | None:
    allowed = "a whole number" if kind is int else "a number"
    if bounds is not None:
        allowed += f" {bounds}" if bounds.also is None else f": {bounds}"
    # numpy's integers are not int, and JSON does not know them.
    good = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    good = good and math.isfinite(value) and (bounds is None or value in bounds)
    return None if good else allowed


def _objection_to_name(value: Any) -> str | None:
    """Every text that can be set names a file, or could: no file system takes longer names."""
    if not isinstance(value, str | Path):
        return "a path"
    text = os.fspath(value)
    if "\0" in text or "\n" in text:
        return "a name on one line"
    data = [len(os.fsencode(part)) for part in text.split("/")]
    good = max(data) <= _NAME_BYTES and sum(data) + len(data) <= _PATH_BYTES
    return None if good else f"names of at most {_NAME_BYTES} bytes, {_PATH_BYTES} together"


def _number(value: float) -> str:
    whole = float(value).is_integer() and abs(value) < 1e15
    return f"{int(value):,}".replace(",", "_") if whole else f"{value:g}"


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Path) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
