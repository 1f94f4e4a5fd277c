"""File names that are made of other names: what a file system takes, whatever the user's are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

MOST_BYTES = 120
"""Bytes of a name that is made here, before its ending: file systems take 255 in all, and temporary
files beside it need some."""


def shortened(name: str, most: int = MOST_BYTES) -> str:
    """The name if it has at most `most` bytes of UTF-8, else its start and a hash of the whole."""
    data = name.encode("utf-8", errors="surrogateescape")
    if len(data) <= most:
        return name
    digest = hashlib.sha256(data).hexdigest()[:10]
    start = data[: most - len(digest) - 1].decode("utf-8", errors="ignore")
    return f"{start}-{digest}"


def flat_names(names: Iterable[str], ending: str) -> tuple[str, ...]:
    """A flat, portable, unique file name for each photo name: `sub/a b.jpg` -> `sub_a_b.png`.

    Args:
        names: paths of any depth and length, with forward slashes.
        ending: of the file names, with its dot.
    """
    taken: set[str] = set()
    files = []
    for name in names:
        stem = re.sub(r"\.[^./]*$", "", name)
        base = re.sub(r"[^A-Za-z0-9.-]+", "_", stem).strip("._") or "photo"
        base = shortened(base)
        file, number = f"{base}{ending}", 2
        while file.lower() in taken:
            file, number = f"{base}-{number}{ending}", number + 1
        taken.add(file.lower())
        files.append(file)
    return tuple(files)
