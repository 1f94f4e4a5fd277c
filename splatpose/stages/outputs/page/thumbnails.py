"""Small pictures as data URIs, within a budget for the whole page."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ....io.photos import UnreadablePhoto, read_photo, scaled_size
from ....scene.capture import Capture
from ....scene.views import Views

_SIDES = ((60, 288), (130, 224))
"""Most pictures, and the long side in pixels of them."""
_SMALLEST = 160
_QUALITY = 74
_PREVIEW_SIDE, _PREVIEW_QUALITY = 1100, 80
_SPRITE_SIDES, _SPRITE_PIXELS = (24, 96), 3.6e6
"""Shortest and longest width of a picture in a sheet, and most pixels of all of them."""
_SPRITES_ACROSS, _SPRITES_DOWN = 25, 20
_SPRITE_GROUND = 128
_QUICK = 3.0
"""How far a picture may be shrunk by whole numbers, over its final size, before it is filtered."""


@dataclass(frozen=True)
class SpriteSheet:
    """Many small pictures as one: a picture of its own each would be half headers."""

    uri: str
    columns: int
    rows: int


@dataclass(frozen=True)
class Sprites:
    """Sheets of pictures, all of one size."""

    sheets: tuple[SpriteSheet, ...]
    places: dict[str, tuple[int, int, int]]
    """Sheet, column and row of each picture by name."""


def contact_sheet(
    capture: Capture, views: Views, folder: Path | None, names: Collection[str] | None = None
) -> dict[str, str]:
    """Data URIs of photos and skipped files that can be shown, by name.

    Registered photos are taken from the views, which are decoded already; the others are read.

    Args:
        folder: where skipped files are.
        names: of the pictures that are wanted; all without it.
    """
    total = len(list(_sources(capture, views, folder, names)))
    side = next((side for most, side in _SIDES if total <= most), _SMALLEST)
    pictures = _pictures(capture, views, folder, names, side)
    return {name: _jpeg(pixels, side, _QUALITY) for name, pixels in pictures}


def sprites(
    capture: Capture, views: Views, folder: Path | None, names: Collection[str], shape: float
) -> Sprites:
    """Sheets of small pictures of photos and skipped files that can be shown.

    Args:
        folder: where skipped files are.
        names: of the pictures that are wanted.
        shape: width over height of a picture in the sheet; others have grey margins.
    """
    room = (shape * _SPRITE_PIXELS / max(len(names), 1)) ** 0.5
    width = round(float(np.clip(room, *_SPRITE_SIDES)))
    height = max(1, round(width / shape))
    a_sheet = _SPRITES_ACROSS * _SPRITES_DOWN
    places: dict[str, tuple[int, int, int]] = {}
    sheets: list[SpriteSheet] = []
    cells: list[UInt8[np.ndarray, "h w 3"]] = []
    for name, pixels in _pictures(capture, views, folder, names, max(width, height)):
        row, column = divmod(len(cells), _SPRITES_ACROSS)
        places[name] = (len(sheets), column, row)
        cells.append(_fitted(pixels, width, height))
        if len(cells) == a_sheet:
            sheets.append(_sheet(cells))
            cells = []
    return Sprites((*sheets, *([_sheet(cells)] if cells else [])), places)


def preview(path: Path) -> tuple[str, int, int] | None:
    """Data URI, width and height of a preview, or None where it cannot be read."""
    pixels = _read(path, None, _PREVIEW_SIDE)
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    return _jpeg(pixels, _PREVIEW_SIDE, _PREVIEW_QUALITY), width, height


def _sources(
    capture: Capture, views: Views, folder: Path | None, names: Collection[str] | None
) -> Iterator[tuple[str, int | tuple[Path, int | None]]]:
    """Name of each picture with the view that has it, or else its file and its bits."""
    wanted = None if names is None else set(names)
    viewed = set(views.names)
    for view, name in enumerate(views.names):
        if wanted is None or name in wanted:
            yield name, view
    for photo in capture.photos:
        if photo.name not in viewed and (wanted is None or photo.name in wanted):
            yield photo.name, (photo.path, photo.bits)
    if folder is None:
        return
    for file in capture.skipped:
        # Copies show what other pictures do, and there may be several of each photo.
        if "copy" not in file.kind and (wanted is None or file.name in wanted):
            yield file.name, (folder / file.name, None)


def _pictures(
    capture: Capture, views: Views, folder: Path | None, names: Collection[str] | None, side: int
) -> Iterator[tuple[str, UInt8[np.ndarray, "H W 3"]]]:
    """Those that can be read, one after the other: there may be more than memory holds."""
    for name, source in _sources(capture, views, folder, names):
        pixels = views.images[source] if isinstance(source, int) else _read(*source, side)
        if pixels is not None:
            yield name, pixels


def _read(path: Path, bits: int | None, side: int) -> UInt8[np.ndarray, "H W 3"] | None:
    """The photo, or None: a skipped file may well be unreadable, and the page says so in words."""
    try:
        return read_photo(path, max_size=side, bits=bits)
    except (UnreadablePhoto, MemoryError, OSError, ValueError, cv2.error):
        return None


def _jpeg(pixels: UInt8[np.ndarray, "H W 3"], side: int, quality: int) -> str:
    image = Image.fromarray(pixels)
    size = scaled_size(image.width, image.height, side)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_QUICK)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def _fitted(
    pixels: UInt8[np.ndarray, "H W 3"], width: int, height: int
) -> UInt8[np.ndarray, "h w 3"]:
    """The whole picture in the middle of a cell."""
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    size = [max(1, round(scale * n)) for n in pixels.shape[1::-1]]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    cell = np.full((height, width, 3), _SPRITE_GROUND, np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell


def _sheet(cells: list[UInt8[np.ndarray, "h w 3"]]) -> SpriteSheet:
    columns = min(len(cells), _SPRITES_ACROSS)
    rows = -(-len(cells) // columns)
    blank = np.full_like(cells[0], _SPRITE_GROUND)
    filled = [*cells, *[blank] * (columns * rows - len(cells))]
    lines = [np.hstack(filled[columns * row : columns * (row + 1)]) for row in range(rows)]
    picture = np.vstack(lines)
    return SpriteSheet(_jpeg(picture, max(picture.shape[:2]), _QUALITY), columns, rows)
