"""What the numbers in a photo's file mean: how many bits they use, and which are no colours.

Files of 16 bits a channel often hold fewer (sensors give 10, 12 or 14): these are told by the
largest value of all photos of a camera, and are scaled to what they can hold at most. Encodings
whose numbers are no display colours (HDR transfers, floating point, CIELAB) are refused by name.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8, UInt16
from PIL import Image, TiffImagePlugin

_BITS = (8, 10, 12, 14, 16)
"""Bits that the values in a file of 16 bits a channel may use."""
_HDR = {16: "PQ", 18: "HLG"}
"""Transfer characteristics that are not those of a display's colours (ITU-T H.273)."""
_BITS_PER_SAMPLE, _PHOTOMETRIC, _ORIENTATION, _SAMPLE_FORMAT = 258, 262, 274, 339
_WHITE_IS_ZERO, _RGB = 0, 2
_SAMPLES = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_EXIF_TEXTS = (b"Raw profile type", b"XML:com.adobe.xmp")


def foreign_values(image: Image.Image) -> str | None:
    """Why the values of an opened picture are not read as colours; None where they are."""
    if image.mode in ("I", "F"):
        return "32-bit, signed or floating-point values, not 8- or 16-bit colours"
    if (kind := _tag(image, _SAMPLE_FORMAT)) in _SAMPLES:
        return f"{_SAMPLES[kind]} values, not 8- or 16-bit colours"
    if image.mode == "LAB":
        return "CIELAB colours, not RGB: save it as RGB"
    transfer = _transfer(image)
    if transfer in _HDR:
        return f"HDR values ({_HDR[transfer]}), not 8- or 16-bit colours: export it as SDR"
    return None


def unopened_values(start: bytes, file: BinaryIO) -> str | None:
    """Why the decoder does not open a whole file, where the kind of its values is the reason."""
    if start.startswith(b"\xff\xd8\xff"):
        bits = _jpeg_bits(file)
        return None if bits in (None, 8) else f"JPEG of {bits} bits a channel: save it with 8"
    if start[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_values(file)
    return None


@dataclass(frozen=True)
class DeepValues:
    """Values of more than 8 bits a channel, as they are stored."""

    values: UInt16[np.ndarray, "H W C"]
    """Grey, grey and alpha, RGB, or RGB and alpha."""
    bits: int
    """Bits that the colours use."""

    def pixels(self, bits: int | None) -> UInt8[np.ndarray, "H W 3"]:
        """8-bit RGB, transparent pixels over black.

        Args:
            bits: that photos of the same camera use, where one of them uses more.
        """
        bits = max(self.bits, bits or 0)
        channels = self.values.shape[2]
        colours = self.values[..., : 3 if channels >= 3 else 1]
        eight = _to_eight_bits(colours, bits)
        if channels in (2, 4):
            alpha = self.values[..., -1:]
            white = 2 ** (bits if _used_bits(alpha) <= bits else 16) - 1
            eight = np.round(eight * (alpha / white)).astype(np.uint8)
        return eight if channels >= 3 else np.repeat(eight, 3, axis=2)


def deep_values(image: Image.Image, path: Path) -> DeepValues | None:
    """The values of a picture of more than 8 bits a channel; None for any other picture.

    Only TIFF has its own orientation applied, as Pillow does by itself.

    Args:
        image: opened; its pixels are loaded, so that damage shows.
        path: its file.
    """
    stored = _stored_bits(image)
    if stored <= 8:
        return None
    image.load()
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16)
        if _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO:
            values = np.uint16(2**stored - 1) - values
        return DeepValues(values[..., None], stored if stored < 16 else _used_bits(values))
    if image.format == "TIFF" and _tag(image, _PHOTOMETRIC) != _RGB:
        return None
    # It would tell the terminal of unusual tags.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        return None
    if values.shape[2] >= 3:
        values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    if image.format == "TIFF":
        values = oriented(values, _tag(image, _ORIENTATION) or 1)
    return DeepValues(values, _used_bits(values[..., : 3 if values.shape[2] >= 3 else 1]))


def exif_behind_pixels(image: Image.Image) -> bool:
    """Whether a PNG has EXIF or XMP behind its pixels, where reading the start does not see it."""
    file = _png_file(image)
    if file is None:
        return False
    at, behind = file.tell(), False
    try:
        for kind, start in _png_chunks(file):
            behind = behind or kind == b"IDAT"
            if behind and (kind == b"eXIf" or start.startswith(_EXIF_TEXTS)):
                return True
    finally:
        file.seek(at)
    return False


def oriented(pixels: Shaped[np.ndarray, "H W C"], orientation: int) -> Shaped[np.ndarray, "h w C"]:
    """Applies EXIF orientation: 2-4 mirror and turn, 5-8 also exchange rows and columns."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _used_bits(values: UInt16[np.ndarray, ...]) -> int:
    largest = int(values.max(initial=0))
    return next(bits for bits in _BITS if largest < 2**bits) if largest else 16


def _to_eight_bits(values: UInt16[np.ndarray, ...], bits: int) -> UInt8[np.ndarray, ...]:
    """Scales 0 to 2^bits - 1 to 0 to 255, rounded."""
    white = 2**bits - 1
    return ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)


def _stored_bits(image: Image.Image) -> int:
    """Bits a channel in the file."""
    if (file := _png_file(image)) is not None:
        at = file.tell()
        file.seek(24)
        depth = file.read(1)
        file.seek(at)
        return depth[0] if depth else 8
    if image.format == "TIFF":
        bits = _tag(image, _BITS_PER_SAMPLE)
        return int(bits) if bits else 1
    return 8


def _tag(image: Image.Image, number: int) -> int | None:
    """A TIFF tag's first value."""
    value = image.tag_v2.get(number) if isinstance(image, TiffImagePlugin.TiffImageFile) else None
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else None


def _transfer(image: Image.Image) -> int | None:
    """H.273's number of the transfer function, where a file tells it."""
    if (file := _png_file(image)) is not None:
        at = file.tell()
        try:
            for kind, start in _png_chunks(file):
                if kind == b"IDAT":
                    return None
                if kind == b"cICP" and len(start) >= 2:
                    return start[1]
        finally:
            file.seek(at)
    profile = image.info.get("nclx_profile")
    if isinstance(profile, dict):
        return profile.get("transfer_characteristics")
    return None


def _png_file(image: Image.Image) -> BinaryIO | None:
    """The open file of a PNG; None for other pictures."""
    return getattr(image, "fp", None) if image.format == "PNG" else None


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and first bytes of each chunk; ends where the file is damaged."""
    at = 8
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head)
        yield kind, file.read(min(size, 24))
        at += size + 12


def _jpeg_bits(file: BinaryIO) -> int | None:
    """Bits a channel of a JPEG, from its frame header."""
    at = 2
    while True:
        file.seek(at)
        head = file.read(5)
        if len(head) < 5 or head[0] != 0xFF:
            return None
        if head[1] in (0xFF, *range(0xD0, 0xD8)):
            at += 1 if head[1] == 0xFF else 2
            continue
        if 0xC0 <= head[1] <= 0xCF and head[1] not in (0xC4, 0xC8, 0xCC):
            return head[4]
        if head[1] == 0xDA:
            return None
        at += 2 + struct.unpack(">H", head[2:4])[0]


def _tiff_values(file: BinaryIO) -> str | None:
    """What a TIFF holds in place of 8- or 16-bit colours."""
    file.seek(0)
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        bits, kinds = tags.get(_BITS_PER_SAMPLE, (1,)), tags.get(_SAMPLE_FORMAT, (1,))
    except (SyntaxError, ValueError, TypeError, LookupError, OSError, struct.error):
        return None
    kind = _SAMPLES.get(max(kinds), "unsigned")
    channels = f"{len(bits)} channel{'s' * (len(bits) != 1)}"
    if kind == "unsigned" and max(bits) <= 16 and len(bits) <= 4:
        return f"TIFF of {channels} of {max(bits)} bits in an arrangement that is not read"
    return f"TIFF of {channels} of {max(bits)}-bit {kind} values, not 8- or 16-bit colours"
