"""One odd thing among many: left out and told, instead of costing the run.

Photos, pairs of them and sections of a page come from data that nobody has seen before, through
libraries that raise whatever they like, so that anything is caught here. What concerns all of them
goes through: want of memory, a full disk, our own failed assertions and wrong shapes. (Listeners of
events and browsers, which are other people's, are the only others that may fail of anything.)
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TypeVar

from jaxtyping import TypeCheckError

_log = logging.getLogger("splatpose")

T = TypeVar("T")
U = TypeVar("U")

_OF_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOMEM, errno.EMFILE)


class Tolerance:
    """Tries one thing after the other and remembers which failed."""

    def __init__(self) -> None:
        self._tried = 0
        self._faults: list[tuple[str, Exception]] = []

    def attempt(self, name: str, work: Callable[[], T], otherwise: U) -> T | U:
        """What `work` returns, or `otherwise` where it fails.

        Args:
            name: of the thing, for whoever is told.
        """
        self._tried += 1
        try:
            return work()
        except Exception as error:
            if _concerns_all(error):
                raise
            _log.debug("%s failed.", name, exc_info=True)
            self._faults.append((name, error))
            return otherwise

    def check(self) -> None:
        """Raises the first fault where most things failed: that is no single one's oddity."""
        if len(self._faults) > 1 and 2 * len(self._faults) > self._tried:
            raise self._faults[0][1]

    def told(self, what: str) -> str:
        """A sentence on what failed, "" where nothing did.

        Args:
            what: could not be done, as "could not be matched".
        """
        if not self._faults:
            return ""
        name, error = self._faults[0]
        more = f" and {len(self._faults) - 1} more" if len(self._faults) > 1 else ""
        return f"{name}{more} {what} ({describe(error)})"


def describe(error: Exception) -> str:
    """Kind and message of an error."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _concerns_all(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _OF_ALL
    out_of_memory = "out of memory" in str(error).lower()
    ours = isinstance(error, AssertionError | TypeCheckError)
    return ours or isinstance(error, MemoryError | CancelledError) or out_of_memory
