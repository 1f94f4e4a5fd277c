"""Opening only what is a file: reading a pipe waits for ever, and reading a device may not end."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class NotRegularFile(OSError):
    """The path leads to a pipe, socket, device or folder; `strerror` says to which."""


def check_regular(path: Path) -> None:
    """Refuses everything but regular files and links to them.

    Raises:
        NotRegularFile: it is something else.
        OSError: it is missing or may not be looked at.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise NotRegularFile(errno.EINVAL, f"{kind}, not a file", str(path))


def is_regular(path: Path) -> bool:
    """Whether there is a regular file; False too where nobody may look."""
    try:
        check_regular(path)
    except OSError:
        return False
    return True


def open_regular(path: Path) -> BufferedReader:
    """Opens a regular file for reading.

    Raises:
        OSError: it is none, is missing or may not be read.
    """
    check_regular(path)
    return path.open("rb")


def read_text(path: Path, errors: str = "strict") -> str:
    """The UTF-8 text of a regular file.

    Raises:
        OSError: it is no regular file, is missing or may not be read.
        UnicodeDecodeError: it is no UTF-8.
    """
    check_regular(path)
    return path.read_text(encoding="utf-8", errors=errors)
