"""Which modules have the types and shapes of their arrays checked while tests run, and how."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "splatpose": ROOT / "splatpose",
    "splatpose.configs": ROOT / "configs",
    "splatpose.viewer": ROOT / "viewer",
}

UNCHECKED = {
    "__init__": "what it re-exports is checked where it is defined",
    "__main__": "starts the command line",
    "config": "configs take an int for a float, and the command line checks them",
    "stage": "array types stand behind TYPE_CHECKING, so that --help is fast",
}
"""Modules whose arrays nobody checks, by the last part of their name, and why."""
UNCHECKED_PACKAGES = {
    "splatpose.cli": "no arrays; types for the command line are read by tyro",
    "splatpose.render.cpu": "kernels that numba compiles",
}

_LENIENT = FrozenDict({float: float | int | np.number, TextIO: object})
_beartype: Callable[..., Any] = beartype(conf=BeartypeConf(hint_overrides=_LENIENT))
"""Any real number may stand for a float, and pytest's capture for a stream: arrays are checked."""


def all_modules() -> list[str]:
    """Every module of the package, by its import name."""
    return [
        ".".join((name, *path.relative_to(folder).with_suffix("").parts))
        for name, folder in PACKAGES.items()
        for path in sorted(folder.rglob("*.py"))
    ]


def checked_modules() -> list[str]:
    """Every module of the package that is not named above."""
    return [
        module
        for module in all_modules()
        if module.rpartition(".")[2] not in UNCHECKED
        and not any(module.startswith(f"{package}.") for package in UNCHECKED_PACKAGES)
    ]


def checked_when_called(function: Callable[..., Any]) -> Callable[..., Any]:
    """`beartype`, but its check is written at the first call: most functions are never called."""
    check: Callable[..., Any] | None = None

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal check
        if check is None:
            check = _beartype(function)
        return check(*args, **kwargs)

    return call
