"""What a photo's file says of itself."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

from PIL import ExifTags, Image

from .photo_times import exif_seconds
from .pixel_values import exif_behind_pixels

_EXIF_ERRORS = (
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OSError,
    OverflowError,
    AttributeError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class PhotoHeader:
    """What a photo's file says of itself. None or "" where it does not say."""

    width: int
    """Width in pixels after orientation is applied."""
    height: int
    orientation: int
    """EXIF orientation 1-8 that the pixels still need when they have been read."""
    stored_orientation: int = 1
    """EXIF orientation 1-8 of the pixels as the file stores them. Pillow turns some by itself."""
    make: str = ""
    model: str = ""
    lens: str = ""
    serial: str = ""
    """Serial number of the camera's body."""
    date: str = ""
    """Time of the photo, "YYYY:MM:DD HH:MM:SS" in the camera's own time."""
    seconds: float | None = None
    """Time of the photo with its fraction, in seconds since 1970: UTC where the file tells the
    camera's distance from it, else by the camera's own clock."""
    focal_mm: float | None = None
    focal_35mm: float | None = None
    """35 mm equivalent of the focal length, in mm."""
    digital_zoom: float | None = None
    pixels_per_mm: float | None = None
    """Pixels per mm on the sensor, for photos `exif_size` large."""
    exif_size: tuple[int, int] | None = None
    """Long and short side in pixels that the camera wrote, before any later edit."""


def photo_header(image: Image.Image) -> PhotoHeader:
    """Size and EXIF of an opened photo; damaged EXIF counts as absent."""
    exif, ifd = _exif(image)
    # Pillow turns TIFF by itself when its pixels are loaded, and reports the turned size.
    stored = exif.get(ExifTags.Base.Orientation, 1)
    if stored not in range(1, 9):
        stored = 1
    orientation = 1 if image.format == "TIFF" else stored
    width, height = image.size[::-1] if orientation >= 5 else image.size
    return PhotoHeader(
        width=width,
        height=height,
        orientation=int(orientation),
        stored_orientation=int(stored),
        make=_text(exif.get(ExifTags.Base.Make)),
        model=_text(exif.get(ExifTags.Base.Model)),
        lens=_text(ifd.get(ExifTags.Base.LensModel)),
        serial=_text(ifd.get(ExifTags.Base.BodySerialNumber)),
        date=_text(ifd.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)),
        seconds=_seconds(exif, ifd),
        focal_mm=_number(ifd.get(ExifTags.Base.FocalLength)),
        focal_35mm=_number(ifd.get(ExifTags.Base.FocalLengthIn35mmFilm)),
        digital_zoom=_number(ifd.get(ExifTags.Base.DigitalZoomRatio)),
        pixels_per_mm=_pixels_per_mm(ifd),
        exif_size=_exif_size(ifd),
    )


def _exif(image: Image.Image) -> tuple[dict, dict]:
    try:
        # PngImageFile.getexif decodes the whole picture when there is no EXIF before it.
        start_only = image.format == "PNG" and not exif_behind_pixels(image)
        exif = Image.Image.getexif(image) if start_only else image.getexif()
        return dict(exif), dict(exif.get_ifd(ExifTags.IFD.Exif))
    except _EXIF_ERRORS:
        return {}, {}


def _seconds(exif: dict, ifd: dict) -> float | None:
    if taken := _text(ifd.get(ExifTags.Base.DateTimeOriginal)):
        fraction = _text(ifd.get(ExifTags.Base.SubsecTimeOriginal))
        return exif_seconds(taken, fraction, _text(ifd.get(ExifTags.Base.OffsetTimeOriginal)))
    changed = _text(exif.get(ExifTags.Base.DateTime))
    return exif_seconds(changed, _text(ifd.get(ExifTags.Base.SubsecTime)))


def _exif_size(ifd: dict) -> tuple[int, int] | None:
    width = _number(ifd.get(ExifTags.Base.ExifImageWidth))
    height = _number(ifd.get(ExifTags.Base.ExifImageHeight))
    if width is None or height is None:
        return None
    # Less than a pixel is a mistake of whoever wrote it.
    return (
        (round(max(width, height)), round(min(width, height))) if min(width, height) >= 1 else None
    )


def _pixels_per_mm(ifd: dict) -> float | None:
    # EXIF 2.3, FocalPlaneResolutionUnit: 2 inch (the default), 3 cm; 4 mm and 5 um are seen too.
    unit_mm = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}
    resolution = _number(ifd.get(ExifTags.Base.FocalPlaneXResolution))
    unit = unit_mm.get(ifd.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    return resolution / unit if resolution and unit else None


def _number(value: object) -> float | None:
    """A positive finite number, or None: EXIF writes 0 and 0/0 for "unknown"."""
    try:
        number = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        return ""
    # Cameras pad with NULs and blanks, and what follows a NUL is not text.
    return " ".join(value.split("\0")[0].split())
