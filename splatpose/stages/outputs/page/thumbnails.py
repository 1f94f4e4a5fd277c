"""Small pictures as data URIs, within a budget for the whole page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ....io.photos import UnreadablePhoto, read_photo, scaled_size
from ....scene.capture import Capture
from ....scene.views import Views

_SIDES = ((60, 288), (130, 224), (300, 160), (700, 112))
"""Most photos, and the long side in pixels of their thumbnails."""
_SMALLEST = 80
_QUALITY = 74
_PREVIEW_SIDE, _PREVIEW_QUALITY = 1100, 80


def contact_sheet(capture: Capture, views: Views, folder: Path | None) -> dict[str, str]:
    """Data URIs of all photos and skipped files that can be shown, by name.

    Registered photos are taken from the views, which are decoded already; the others are read.

    Args:
        folder: where skipped files are.
    """
    # Copies show what other pictures do, and there may be several of each photo.
    skipped = [file for file in capture.skipped if "copy" not in file.kind]
    total = len(capture.photos) + len(skipped)
    side = next((side for most, side in _SIDES if total <= most), _SMALLEST)
    at_hand = dict(zip(views.names, views.images, strict=True))
    files = {photo.name: photo.path for photo in capture.photos if photo.name not in at_hand}
    bits = {photo.name: photo.bits for photo in capture.photos}
    if folder is not None:
        files |= {file.name: folder / file.name for file in skipped}
    sheet = {name: _jpeg(pixels, side, _QUALITY) for name, pixels in at_hand.items()}
    for name, path in files.items():
        pixels = _read(path, side, bits.get(name))
        if pixels is not None:
            sheet[name] = _jpeg(pixels, side, _QUALITY)
    return sheet


def preview(path: Path) -> tuple[str, int, int] | None:
    """Data URI, width and height of a preview, or None where it cannot be read."""
    pixels = _read(path, _PREVIEW_SIDE)
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    return _jpeg(pixels, _PREVIEW_SIDE, _PREVIEW_QUALITY), width, height


def _read(path: Path, side: int, bits: int | None = None) -> UInt8[np.ndarray, "H W 3"] | None:
    """The photo, or None: a skipped file may well be unreadable, and the page says so in words."""
    try:
        return read_photo(path, max_size=side, bits=bits)
    except (UnreadablePhoto, MemoryError, OSError, ValueError, cv2.error):
        return None


def _jpeg(pixels: UInt8[np.ndarray, "H W 3"], side: int, quality: int) -> str:
    image = Image.fromarray(pixels)
    size = scaled_size(image.width, image.height, side)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")
