"""Photos in: what a file says of itself, and its pixels the right way up.

JPEG, PNG, WebP, TIFF and HEIC/HEIF. The content decides what a file is, not its suffix. EXIF
orientation is applied here and nowhere else.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image, UnidentifiedImageError

from ..errors import SplatposeError
from .exif import PhotoHeader, photo_header
from .hdr import displayed
from .photo_names import PHOTO_SUFFIXES as PHOTO_SUFFIXES
from .pixel_values import deep_values, foreign_values, hdr_encoding, oriented, unopened_values
from .regular_files import check_regular, open_regular

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
FORMATS_TEXT = "JPEG, PNG, WebP, TIFF and HEIC"
HEIC_REASON = "HEIC photos need the package pillow-heif, which is missing: pip install pillow-heif"

# What Pillow's decoders raise on damaged files; there is no common base class.
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# JPEG's own scaled decoding may do the first part of a reduction; an area filter does the rest.
_DECODE_MARGIN = 1.5

# Photos of 90 to 180 megapixels are common by now; Pillow still refuses larger ones.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# It tells the terminal of damaged tags and cut files; the reasons of skipped photos say more.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class UnreadablePhoto(SplatposeError):
    """A file that cannot be used as a photo; `reason` says why without naming the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read: {reason}.", "Replace the file or take it out of the folder."
        )
        self.reason = reason


def heif_available() -> bool:
    """Whether HEIC/HEIF photos can be read here."""
    return importlib.util.find_spec("pillow_heif") is not None


def scaled_size(width: int, height: int, max_size: int | None) -> tuple[int, int]:
    """Width and height with the long side brought down to `max_size` pixels; never enlarges."""
    long_side = max(width, height)
    if max_size is None or long_side <= max_size:
        return width, height
    scale = max_size / long_side
    return max(1, round(width * scale)), max(1, round(height * scale))


def read_header(path: Path) -> PhotoHeader:
    """Reads size and EXIF of a photo without decoding its pixels.

    Damaged EXIF counts as absent.

    Raises:
        UnreadablePhoto: the file is missing or is no photo.
    """
    with _open(path) as image:
        try:
            return photo_header(image)
        except _DECODE_ERRORS as error:
            raise _unreadable(path, error) from error


def read_photo(
    path: Path, max_size: int | None = None, *, bits: int | None = None
) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a photo as RGB, EXIF orientation applied.

    Greyscale is repeated over the channels, 16-bit values are scaled to 8 from the bits they use
    (`pixel_values`), transparent pixels are laid over black. Embedded colour profiles are not
    applied.

    Args:
        path: the file.
        max_size: scale down (area filter) so that the long side is at most this many pixels.
        bits: that values use in the photos of this camera, see `used_bits`; a photo of 16 bits a
            channel that is darker than others would otherwise be taken to use fewer.

    Raises:
        UnreadablePhoto: the file is missing, damaged or no photo.
    """
    with _open(path) as image:
        if reason := foreign_values(image):
            raise UnreadablePhoto(path, reason)
        try:
            header = photo_header(image)
            turned = header.orientation >= 5
            target = scaled_size(header.width, header.height, max_size)
            _decode_smaller(image, math.ceil(_DECODE_MARGIN * max(target)))
            pixels = _rgb(image, path, bits)
        except _DECODE_ERRORS as error:
            raise _unreadable(path, error) from error
    width, height = target[::-1] if turned else target
    if pixels.shape[:2] != (height, width):
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return oriented(pixels, header.orientation)


def used_bits(path: Path) -> int | None:
    """Bits a channel that a photo's values use, where its file has room for more than 8.

    None for HDR too, whose values have one meaning whatever bits they use.

    Raises:
        UnreadablePhoto: the file is missing, damaged or no photo.
    """
    with _open(path) as image:
        try:
            deep = None if hdr_encoding(image) else deep_values(image, path)
        except _DECODE_ERRORS as error:
            raise _unreadable(path, error) from error
    return None if deep is None else deep.bits


@functools.cache
def _formats() -> tuple[str, ...]:
    if not heif_available():
        return ("JPEG", "PNG", "WEBP", "TIFF")
    import pillow_heif  # pyright: ignore[reportMissingImports]

    pillow_heif.register_heif_opener()
    return ("JPEG", "PNG", "WEBP", "TIFF", "HEIF")


def _open(path: Path) -> Image.Image:
    try:
        check_regular(path)
        return Image.open(path, formats=_formats())
    except _DECODE_ERRORS as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UnreadablePhoto:
    return UnreadablePhoto(path, _reason(path, error))


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels"
    try:
        with open_regular(path) as file:
            start = file.read(512)
            foreign = unopened_values(start, file) if start else None
    except OSError as second:
        return second.strerror or str(second)
    if not start:
        return "the file is empty (0 bytes)"
    if start[4:8] == b"ftyp" and start[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        return "damaged HEIC photo" if heif_available() else HEIC_REASON
    if not isinstance(error, UnidentifiedImageError):
        return f"damaged or cut off ({str(error) or type(error).__name__})"
    if foreign:
        return foreign
    known = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")
    if start.startswith(known) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return "damaged or cut off"
    if b"\0" not in start and _is_text(start):
        return "a text file, not a photo"
    return f"not a photo of a kind that is read ({FORMATS_TEXT})"


def _is_text(start: bytes) -> bool:
    # The cut at 512 bytes may split the last character.
    return "\ufffd" not in start.decode("utf-8", errors="replace")[:-1]


def _decode_smaller(image: Image.Image, size: int) -> None:
    """Lets a JPEG decode at 1/2, 1/4 or 1/8 while its long side stays at least `size` pixels.

    Only where both sides divide evenly: otherwise the last row and column would stand for less
    than the others and the picture would shift by part of a pixel.
    """
    if image.format not in ("JPEG", "MPO"):
        return
    width, height = image.size
    for factor in (8, 4, 2):
        if max(width, height) >= factor * size and not width % factor and not height % factor:
            image.draft(None, (width // factor, height // factor))  # pyright: ignore[reportArgumentType]
            return


def _sixteen_bits(image: Image.Image) -> UInt16[np.ndarray, "H W 3"]:
    image.load()
    return np.asarray(image.convert("RGB")).astype(np.uint16) * np.uint16(257)


def _rgb(image: Image.Image, path: Path, bits: int | None) -> UInt8[np.ndarray, "H W 3"]:
    hdr = hdr_encoding(image)  # before pixels are loaded: PNG files are closed then
    deep = deep_values(image, path)
    if hdr is not None:
        return displayed(_sixteen_bits(image) if deep is None else deep.colours, *hdr)
    if deep is not None:
        return deep.pixels(bits)
    image.load()
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGB", layer.size)
        image.paste(layer, mask=layer.getchannel("A"))
    return np.array(image.convert("RGB"))
