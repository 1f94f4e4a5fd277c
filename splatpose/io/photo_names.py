"""The order that people expect of the names of photos."""

from __future__ import annotations

import re
from pathlib import PurePosixPath


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Sort key by which `img2` comes before `img2 copy` and `img10`, folder by folder."""
    return tuple(
        tuple(
            (0, int(part), part) if part.isdigit() else (1, 0, part.casefold())
            for part in re.split(r"([0-9]+)", piece)
            if part
        )
        for piece in (*PurePosixPath(name).with_suffix("").parts, name)
    )
