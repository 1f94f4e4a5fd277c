"""How kernels are compiled: nogil machine code, cached on disk, announced when it takes time.

The kernels are serial; `threads.py` runs several calls side by side. That compiles two to three
times faster than Numba's own parallel loops and is safe for concurrent callers.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import event

from splatpose.render.cpu.assistant import Late, Rehearsed, call_assistant, rehearsing

logger = logging.getLogger("splatpose.render.cpu")

# Everything but `nnan` and `ninf`: tests for NaN and infinity must keep their meaning.
FASTMATH = {"contract", "reassoc", "arcp", "nsz", "afn"}

_listeners: list[Callable[[str], None]] = []
_not_kept: list[str] = []
"""Kernels whose machine code cannot be kept on disk."""


def device_function(function: Callable) -> Any:
    """A helper that is inlined into the kernels that call it."""
    compile_: Any = numba.njit
    return compile_(
        inspect.unwrap(function),
        error_model="numpy",
        fastmath=FASTMATH,
        forceinline=True,
        no_cpython_wrapper=True,
        nogil=True,
    )


def kernel(function: Callable) -> Any:
    """A kernel that Python calls: releases the GIL, compiled once per machine."""
    return _compiled(function, late=False)


def late_kernel(function: Callable) -> Any:
    """A kernel that is first called well after others: see `assistant`."""
    return _compiled(function, late=True)


def _compiled(function: Callable, *, late: bool) -> Any:
    compile_: Any = numba.njit
    dispatcher = compile_(
        inspect.unwrap(function), error_model="numpy", fastmath=FASTMATH, nogil=True
    )
    try:
        dispatcher.enable_caching()
    except RuntimeError:  # Numba's, where it finds no folder that it may write to
        _not_kept.append(function.__name__)
    _watch_all_sources(dispatcher)
    if rehearsing():
        return Rehearsed(dispatcher, compiled=late)
    return Late(dispatcher) if late else dispatcher


def _watch_all_sources(dispatcher: Any) -> None:
    # Numba looks at the kernel's own file only; a changed helper in another file would go
    # unnoticed and old machine code would run.
    index = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if index is not None and hasattr(index, "_source_stamp"):
        index._source_stamp = (index._source_stamp, source_hash())


@cache
def source_hash() -> str:
    """Hash over the sources that kernels are made of, part of the key of cached machine code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        source = path.read_bytes()
        # The order of a named tuple's fields is no part of what Numba knows of it.
        if b"device_function" in source or b"NamedTuple" in source or path.name.startswith("simd"):
            digest.update(source)
    return digest.hexdigest()


@contextmanager
def compile_listener(listener: Callable[[str], None]) -> Iterator[None]:
    """Have `listener` called with a sentence when kernels start to be compiled in the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _announcement() -> str:
    text = "Compiling the CPU rasterizer for this processor: takes up to a minute, "
    if not _not_kept:
        return text + "is kept on disk and done once."
    return text + (
        "and is done in every run anew, because neither the installation nor a home can be written "
        "to. NUMBA_CACHE_DIR may name another folder."
    )


class _Announcer(event.Listener):
    """Tells people why nothing seems to happen; loading from the cache does not count."""

    def __init__(self) -> None:
        self._told = False

    def on_start(self, event: event.Event) -> None:
        assert event.data is not None
        function = event.data["dispatcher"].py_func
        if self._told or not function.__module__.startswith(__package__):
            return
        self._told = True
        if not _not_kept:
            call_assistant()
        text = _announcement()
        logger.info(text)
        for listener in tuple(_listeners):
            listener(text)

    def on_end(self, event: event.Event) -> None:
        pass


event.register("numba:compile", _Announcer())
