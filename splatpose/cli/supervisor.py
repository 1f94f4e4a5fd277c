"""A run in a process of its own, whose death is an error with its reason.

Libraries in native code end the process where they meet what they cannot bear: a full disk in the
middle of a database's transaction, too little memory, a fault of their own. What is left then is a
stack of addresses. So the command's own process only waits: the work is done by a child, the same
command line once more. Native code writes to the child's stderr, which ends here and is looked
through only where the child has died; Python's messages go where they always did.

SPLATPOSE_ONE_PROCESS=1 does without, for debuggers and profilers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from ..native import ALONE, Died, end_with_parent, is_alone

_MARK = "SPLATPOSE_STDERR"
SUPERVISED = ("fit", "eval", "render")
"""Commands that do heavy work."""
_LINES_KEPT = 400
_LONGEST_LINE = 400
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP")


def is_supervised(words: Sequence[str]) -> bool:
    """Whether a command line is to be run by a child."""
    asks = {"-h", "--help", "--help-all", "--version"}.intersection(words)
    return not is_alone() and words[:1] != [] and words[0] in SUPERVISED and not asks


def is_child() -> bool:
    """Whether this process is such a child."""
    return _MARK in os.environ


def become_child() -> None:
    """Gives Python the stderr that the command was started with, and ends with the parent."""
    stderr = int(os.environ.pop(_MARK))
    os.set_inheritable(stderr, False)
    sys.stderr = open(  # noqa: SIM115 (stays open to the end)
        stderr, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1
    )
    os.environ[ALONE] = "1"  # whatever dies in here, it is told out there
    end_with_parent()


def supervise() -> int:
    """Runs this process's command line again in a child; returns its exit code.

    Raises:
        Died: a signal ended it that nobody sent through us.
    """
    stderr = os.dup(2)
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = {**os.environ, _MARK: str(stderr)}
    with _forwarding() as forward_to:
        child = subprocess.Popen(
            command, stderr=subprocess.PIPE, pass_fds=(stderr,), env=environment
        )
        os.close(stderr)
        forward_to(child)
        native = _Tail(child)
        code = child.wait()
    if code >= 0:
        return code
    _show_cursor()
    raise Died(-code, native.lines())


class _Tail:
    """The last lines of what native code writes."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        assert child.stderr is not None
        self._thread = threading.Thread(target=self._read, args=(child.stderr,), daemon=True)
        self._thread.start()

    def lines(self) -> list[str]:
        """All that came; a grandchild that still holds the pipe is not waited for."""
        self._thread.join(timeout=1.0)
        return list(self._lines)

    def _read(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := pipe.readline(65536):
                self._lines.append(line[:_LONGEST_LINE].decode("utf-8", "replace").rstrip())


@contextlib.contextmanager
def _forwarding() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Passes signals on to the child, also those that come before there is one."""
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def handle(number: int, frame: object) -> None:
        del frame
        if child is None:
            early.append(number)
            return
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    def forward_to(process: subprocess.Popen[bytes]) -> None:
        nonlocal child
        child = process
        for number in early:
            process.send_signal(number)

    numbers = [getattr(signal, name) for name in _FORWARDED]
    caught = [n for n in numbers if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in caught}
    try:
        yield forward_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_cursor() -> None:
    """An animation that was cut off has hidden it."""
    if sys.stdout.isatty():
        with contextlib.suppress(OSError):
            sys.stdout.write("\x1b[?25h\n")
            sys.stdout.flush()
