"""Native code that ends its process: what is said of it, and whether it runs in a child.

Libraries in native code end the process where they meet what they cannot bear: a full disk in the
middle of a database's transaction, too little memory, a fault of their own.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Sequence

from .errors import SplatposeError

ALONE = "SPLATPOSE_ONE_PROCESS"
"""Environment variable with which everything runs in one process."""

_MEMORY = re.compile(
    r"bad_alloc|(cannot|could not|failed to|unable to) (allocate|map|mmap|create thread)"
    r"|out of memory|not enough memory|mmap failed|thread-local data|"
    r"resource temporarily unavailable",
    re.IGNORECASE,
)
_DISK = re.compile(r"disk (is full|i/o error)|or disk is full|no space left|quota", re.IGNORECASE)
_FRAME = re.compile(r"^\s*@ +(0x)?|^\*\*\* |^PC: |^\s*$|^Aborted|^Check failure stack trace")


class Died(SplatposeError):
    """The child ended without a word; `native` is what its libraries said."""

    def __init__(self, number: int, native: Sequence[str]) -> None:
        super().__init__(*_explain(number, native))
        self.native = tuple(native)


def is_alone() -> bool:
    """Whether nothing is to be run in a child: it was asked for, or cannot be watched."""
    asked = os.environ.get(ALONE, "") not in ("", "0")
    return asked or os.name != "posix" or not sys.executable


def end_with_parent() -> None:
    """Has this process killed when the one that started it ends, where the system can."""
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _explain(number: int, native: Sequence[str]) -> tuple[str, str]:
    """Message and hint for a process that a signal ended."""
    name = signal.Signals(number).name
    said = [line for line in native if not _FRAME.match(line)]
    again = "Stages that are done are kept: run the same command again."
    if any(map(_DISK.search, said)):
        return "The disk is full: a library gave up while writing.", f"Free some space. {again}"
    if number == signal.SIGKILL or _memory_is_limited() or any(map(_MEMORY.search, said)):
        how = "the system ended it" if number == signal.SIGKILL else "a library gave up"
        return (
            f"There is not enough memory: {how} ({name}).",
            "Try --max-size with fewer pixels, --preset fast, or fewer photos; close other "
            f"programs, or allow it more. {again}",
        )
    last = next((f": {line.strip().rstrip('.')}" for line in reversed(said) if line.strip()), "")
    return (
        f"A library ended the process ({name}){last}.",
        f"{again} If it happens again, report it with what --debug prints and the output of "
        "`splatpose info`.",
    )


def _memory_is_limited() -> bool:
    """Whether a process of ours may have only so much (ulimit -v): libraries fault at the limit."""
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
