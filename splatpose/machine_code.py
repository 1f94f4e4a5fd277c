"""Loops as machine code, kept on disk."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code for a loop, made at its first call; it releases the GIL.

    It may call other such loops. Modules of loops are imported where they are first needed: this
    one takes half a second to import.
    """
    compile_: Any = numba.njit
    loop = compile_(
        inspect.unwrap(function), nogil=True, error_model="numpy", fastmath={"contract", "reassoc"}
    )
    # Numba's, where it finds no folder that it may write to: compiled anew then, in a second.
    with contextlib.suppress(RuntimeError):
        loop.enable_caching()
    return loop
