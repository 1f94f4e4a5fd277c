"""Ctrl-C, SIGTERM and SIGHUP, which all mean: save and end, so that the same command can go on.

A terminal sends Ctrl-C to every process of a command and a scheduler SIGTERM to every process of a
job, so that one wish may arrive twice: what follows within a second is the same wish.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SAME_WISH_SECONDS = 1.0
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Ended(KeyboardInterrupt):
    """The process was asked to end by a signal other than Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def exit_code(error: KeyboardInterrupt) -> int:
    """128 and the signal's number, as shells have it: 130, 143 or 129."""
    return 128 + (error.number if isinstance(error, Ended) else signal.SIGINT)


def describe(error: KeyboardInterrupt) -> str:
    """What happened, in a sentence."""
    return f"Ended by {error}." if isinstance(error, Ended) else "Interrupted."


def end_on_signals() -> None:
    """Has the signals raised as exceptions in the main thread, those that are not ignored.

    `nohup` and shells' background jobs have some ignored, and mean it.
    """
    last = float("-inf")

    def handle(number: int, frame: object) -> None:
        nonlocal last
        del frame
        before, last = last, time.monotonic()
        if last - before > _SAME_WISH_SECONDS:
            raise KeyboardInterrupt if number == signal.SIGINT else Ended(number)

    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turns the first of the signals into a flag, so that it never cuts a step in two.

    A second one interrupts at once. Those that nobody has asked to be raised stay as they are, and
    outside the main thread signals are not ours to catch.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {n: handler for n in _SIGNALS if callable(handler := signal.getsignal(n))}
    first: list[tuple[int, float]] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if not first:
            first.append((number, time.monotonic()))
            flag.set()
        elif time.monotonic() - first[0][1] > _SAME_WISH_SECONDS:
            before[number](number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield flag
    except KeyboardInterrupt:
        if first and first[0][0] != signal.SIGINT:
            raise Ended(first[0][0]) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
