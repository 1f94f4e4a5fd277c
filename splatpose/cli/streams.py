"""Standard output and error that print every text, and say when what they print is lost."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO


class OutputLost(OSError):
    """What should have gone to stdout cannot: its disk is full, or its device gone."""


class _Guarded(io.TextIOWrapper):
    """A stream whose failures can be told from those of other files."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            return self._lost(error) or len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._lost(error)

    def _lost(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        raise OutputLost(error.errno, error.strerror) from error


class _Unheard(_Guarded):
    """A stream that goes on where nobody can be told that nobody can be told: stderr."""

    def _lost(self, error: OSError) -> None:
        del error


def prepare_streams() -> None:
    """Makes every text printable: a photo's name may hold what the terminal's encoding cannot."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the caller closed it
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (stays open to the end)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def guard_streams() -> None:
    """Has failures to write to stdout raised as `OutputLost`, and passes over those of stderr.

    For a process of our own.
    """
    for name, kind in (("stdout", _Guarded), ("stderr", _Unheard)):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            guarded = kind(
                stream.buffer,
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
            )
            setattr(guarded, "first", stream)  # noqa: B010 (would close the buffer at its end)
            setattr(sys, name, guarded)


def settle(stream: TextIO) -> None:
    """Keeps the interpreter from failing when it flushes a lost stream at its end."""
    try:
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
