"""The demo's photos at half their size, for tests that do not need all of their pixels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from scenes import DEMO


def copy_small(photos: Iterable[Path], folder: Path) -> None:
    """Photos of 320 x 240 pixels under their own names."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in photos:
        with Image.open(path) as image:
            small = image.resize((320, 240), Image.Resampling.LANCZOS)
        small.save(folder / path.name, quality=95)


def first_photos(count: int) -> list[Path]:
    """Neighbours on the way around the table."""
    return sorted(DEMO.glob("*.jpg"))[:count]
