"""What a stage's result depends on, as a hash: derived from the stage's arguments, all of them.

A stage is a function of keyed results of earlier stages, of its config and of plain parameters.
None of them can be left out of the key by forgetting it: what does not change the result has to
be said so, with `Unkeyed` for a parameter and `field(metadata=UNKEYED)` for a field of a config.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ._version import __version__
from .events import StageName
from .steering import StoppedEarly

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LAYOUT = 4
"""Version of what lies in the stages' folders: a folder of another layout is never read."""
UNKEYED = {"key": False}
"""Metadata of a config's field that changes no result."""


@dataclass(frozen=True)
class Keyed(Generic[T_co]):
    """A value with the hash of everything that it depends on."""

    value: T_co
    key: str

    def part(self, value: T) -> Keyed[T]:
        """A part of the value, or what follows from it alone."""
        return Keyed(value, self.key)


@dataclass(frozen=True)
class Unkeyed(Generic[T_co]):
    """A parameter that a stage needs and that changes nothing in its result."""

    value: T_co


@dataclass(frozen=True)
class Stage(Generic[T_co]):
    """A stage by its name: how its folder is filled, and how it is read."""

    name: StageName
    """Also the name of its folder."""
    compute: Callable[..., str | StoppedEarly]
    """Takes the values of the inputs, the config, the folder and an event sink by position, and
    the parameters by name. Fills the folder and returns a line for a person."""
    load: Callable[[Path], T_co]
    """Reads the result from the folder."""
    space: Callable[..., int] = lambda *_: 0
    """Bytes on disk that it surely takes: takes the values of the inputs and the config."""


def stage_key(
    name: str, config: Any, inputs: tuple[Keyed[Any], ...], params: dict[str, Any]
) -> str:
    """Hash of everything that decides a stage's result.

    Raises:
        TypeError: an argument has no value that JSON could hold; it must come as `Keyed`.
    """
    named = {k: _hashable(value) for k, value in params.items() if not isinstance(value, Unkeyed)}
    read = [value.key for value in inputs]
    return _digest([name, __version__, LAYOUT, keyed_fields(config), read, named])


def keyed_fields(config: Any) -> dict[str, Any]:
    """The fields of a config that a result depends on."""
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.metadata.get("key", True)
    }


def key_of(*facts: str) -> str:
    """The key of what no stage computes, such as the user's files."""
    return _digest(list(facts))


def value_of(argument: Any) -> Any:
    """An argument without its key."""
    return argument.value if isinstance(argument, Keyed | Unkeyed) else argument


def _hashable(value: Any) -> Any:
    if isinstance(value, Keyed):
        return {"key": value.key}
    if dataclasses.is_dataclass(value):
        return keyed_fields(value)
    return value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
