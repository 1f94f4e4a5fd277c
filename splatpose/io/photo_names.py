"""Names of photos: their suffixes, and the order that people expect."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".hif"}
)
"""Lower-case suffixes of files that `read_photo` is meant for."""


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str, str], ...], ...]:
    """Sort key by which `img2` comes before `img2 copy` and `img10`, folder by folder.

    Numbers are those of the digits 0 to 9, of any length; other digits (`²`, `①`) are letters.
    """
    path = PurePosixPath(name)
    stem = path.with_suffix("") if path.name else path
    return tuple(
        tuple(_part_key(part) for part in re.split(r"([0-9]+)", piece) if part)
        for piece in (*stem.parts, name)
    )


def _part_key(part: str) -> tuple[int, int, str, str]:
    """Of a run of digits its value as its length and digits, because `int` bounds the length."""
    if not re.match(r"[0-9]", part):
        return 1, 0, part.casefold(), ""
    digits = part.lstrip("0")
    return 0, len(digits), digits, part
