"""A second process that compiles half of the kernels while this one compiles the other half.

Most of the time to compile goes into Numba's type inference, which is Python and holds the GIL. So
as soon as a first kernel turns out not to be in the cache, another process is started that goes
through a training step in rehearsal: kernels are not run, and those of the backward pass, the
slower half, are compiled into the cache, from where this process reads them when it gets there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numba
import numpy as np

_REHEARSAL = "SPLATPOSE_REHEARSAL"
_LONGEST_S = 120.0
_lock = threading.Lock()
_process: subprocess.Popen[bytes] | None = None


def rehearsing() -> bool:
    """Whether this process only compiles for another one."""
    return _REHEARSAL in os.environ


def call_assistant() -> None:
    """Starts the second process, once, where there is a core for it."""
    global _process
    with _lock:
        if _process is not None or rehearsing() or _cores() < 2 or not sys.executable:
            return
        _process = subprocess.Popen(
            [sys.executable, "-c", f"from {__package__} import warmup; warmup()"],
            env={**os.environ, _REHEARSAL: "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def await_assistant() -> None:
    """Waits until the second process is done, if one runs.

    Whatever became of it: what it did not compile is compiled here.
    """
    if _process is None or _process.returncode is not None:
        return
    try:
        _process.wait(_LONGEST_S)
    except subprocess.TimeoutExpired:
        _process.kill()


class Rehearsed:
    """Stands for a kernel in a rehearsal: leaves zeros, so that nothing is drawn and all is small.

    With `compiled` the kernel is compiled for the arguments it is called with.
    """

    def __init__(self, dispatcher: Any, *, compiled: bool) -> None:
        self._dispatcher = dispatcher
        self._compiled = compiled

    def __call__(self, *arguments: Any) -> int:
        if self._compiled:
            self._dispatcher.compile(tuple(numba.typeof(value) for value in arguments))
        _clear(arguments)
        return 0


class Late:
    """A kernel that the second process may be compiling."""

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher
        self.__name__ = dispatcher.__name__

    def __call__(self, *arguments: Any) -> Any:
        await_assistant()
        return self._dispatcher(*arguments)


def _clear(arguments: tuple[Any, ...]) -> None:
    for value in arguments:
        if isinstance(value, tuple):
            _clear(value)
        elif isinstance(value, np.ndarray) and value.flags.writeable:
            value.fill(0)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
