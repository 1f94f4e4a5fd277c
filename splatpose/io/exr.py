"""Reading one channel of an OpenEXR picture, for depth maps.

Single-part scan-line files, uncompressed or with the lossless ZIP and ZIPS compressions: what
cameras' apps, renderers and depth networks write. The layout is that of the OpenEXR File Layout
document (openexr.com).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

_MAGIC = b"\x76\x2f\x31\x01"
_NOT_SCAN_LINES = 0x200 | 0x800 | 0x1000  # tiled, deep, multi-part
_COMPRESSIONS = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
_LINES_PER_BLOCK = {"none": 1, "ZIPS": 1, "ZIP": 16}
_SAMPLES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
_DEPTH_CHANNELS = ("z", "depth", "d", "y", "v", "r")
"""Last parts of the names of channels that hold depth, the surest first."""


class UnsupportedExr(ValueError):
    """The file is no EXR picture that is read here; the text says why."""


@dataclass(frozen=True)
class _Header:
    channels: tuple[tuple[str, np.dtype], ...]
    """Name and type of each channel in the order of the file, which is by name."""
    compression: str
    width: int
    height: int
    top: int
    """Number of the first line."""
    offsets_at: int
    """Byte at which the table of blocks begins."""


def read_exr_channel(path: Path) -> Float[np.ndarray, "H W"]:
    """The channel of a picture that holds depth (Z, depth, Y, V or R), as float32.

    Raises:
        UnsupportedExr: damaged, of another kind, or without such a channel.
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    try:
        header = _read_header(data)
        return _read_blocks(data, header, _depth_channel(header))
    except UnsupportedExr:
        raise
    except (struct.error, IndexError, zlib.error, ValueError) as error:
        raise UnsupportedExr(f"damaged or cut off ({error})") from error


def _depth_channel(header: _Header) -> int:
    names = [name.lower().rpartition(".")[2] for name, _ in header.channels]
    for wanted in _DEPTH_CHANNELS:
        if wanted in names:
            return names.index(wanted)
    if len(names) == 1:
        return 0
    raise UnsupportedExr(f"none of its channels ({', '.join(n for n, _ in header.channels)}) is Z")


def _read_header(data: bytes) -> _Header:
    if data[:4] != _MAGIC:
        raise UnsupportedExr("not an EXR picture")
    (version,) = struct.unpack_from("<I", data, 4)
    if version & _NOT_SCAN_LINES:
        raise UnsupportedExr("a tiled, deep or multi-part EXR picture: save it as scan lines")
    attributes: dict[str, bytes] = {}
    at = 8
    while data[at] != 0:
        name, at = _text(data, at)
        _, at = _text(data, at)
        (size,) = struct.unpack_from("<i", data, at)
        attributes[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    missing = {"channels", "compression", "dataWindow"} - attributes.keys()
    if missing:
        raise UnsupportedExr(f"damaged (no {', '.join(sorted(missing))})")
    number = attributes["compression"][0]
    compression = _COMPRESSIONS[number] if number < len(_COMPRESSIONS) else str(number)
    if compression not in _LINES_PER_BLOCK:
        raise UnsupportedExr(f"compressed with {compression}: save it with ZIP or none")
    x0, y0, x1, y1 = struct.unpack("<4i", attributes["dataWindow"])
    if attributes.get("displayWindow", attributes["dataWindow"]) != attributes["dataWindow"]:
        raise UnsupportedExr("its data does not fill the picture: save it without a crop")
    channels = _channels(attributes["channels"])
    return _Header(channels, compression, x1 - x0 + 1, y1 - y0 + 1, y0, at + 1)


def _channels(data: bytes) -> tuple[tuple[str, np.dtype], ...]:
    result, at = [], 0
    while data[at] != 0:
        name, at = _text(data, at)
        kind, _, across, down = struct.unpack_from("<iIii", data, at)
        at += 16
        if (across, down) != (1, 1) or kind not in _SAMPLES:
            raise UnsupportedExr(f"channel {name} is subsampled or of an unknown type")
        result.append((name, _SAMPLES[kind]))
    return tuple(result)


def _read_blocks(data: bytes, header: _Header, channel: int) -> Float[np.ndarray, "H W"]:
    lines = _LINES_PER_BLOCK[header.compression]
    count = -(-header.height // lines)
    before = sum(kind.itemsize for _, kind in header.channels[:channel]) * header.width
    kind = header.channels[channel][1]
    line_bytes = sum(kind.itemsize for _, kind in header.channels) * header.width
    result = np.full((header.height, header.width), np.nan, np.float32)
    for offset in struct.unpack_from(f"<{count}Q", data, header.offsets_at):
        y, size = struct.unpack_from("<ii", data, offset)
        first = y - header.top
        rows = min(lines, header.height - first)
        block = data[offset + 8 : offset + 8 + size]
        if header.compression != "none" and size < rows * line_bytes:
            block = _unzip(block)
        if first < 0 or len(block) != rows * line_bytes:
            raise UnsupportedExr("damaged or cut off (a block has the wrong size)")
        table = np.frombuffer(block, np.uint8).reshape(rows, line_bytes)
        cut = np.ascontiguousarray(table[:, before : before + kind.itemsize * header.width])
        result[first : first + rows] = cut.view(kind)
    return result


def _unzip(block: bytes) -> bytes:
    """Undoes ZIP, then the predictor (each byte is a difference), then the split in two halves."""
    packed = np.frombuffer(zlib.decompress(block), np.uint8).copy()
    packed[1:] += 128
    packed = np.cumsum(packed, dtype=np.uint8)
    result = np.empty_like(packed)
    half = (len(packed) + 1) // 2
    result[0::2], result[1::2] = packed[:half], packed[half:]
    return result.tobytes()


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode("utf-8"), end + 1
