"""Values in photos' files: bits in use, transparency, HDR, and kinds that are refused by name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, TiffImagePlugin

from splatpose.io.photos import UnreadablePhoto, read_header, read_photo


def eight_bit(seed: int = 0, width: int = 40, height: int = 30) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    picture = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(picture, np.empty_like(picture), 0, 255, cv2.NORM_MINMAX)


def as_bits(picture: np.ndarray, bits: int) -> np.ndarray:
    return np.round(picture.astype(np.float64) / 255 * (2**bits - 1)).astype(np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_values_in_16_bit_files_are_scaled_from_the_bits_they_use(
    tmp_path: Path, bits: int, name: str, channels: int
) -> None:
    picture = eight_bit()[..., :channels].squeeze()
    stored = as_bits(picture, bits)
    assert cv2.imwrite(str(tmp_path / name), stored if channels == 1 else stored[..., ::-1])
    wanted = np.repeat(picture[..., None], 3, 2) if channels == 1 else picture
    np.testing.assert_array_equal(read_photo(tmp_path / name), wanted)


def test_a_transparent_12_bit_photo_lies_over_black(tmp_path: Path) -> None:
    picture = eight_bit()
    for name, white in (("full.png", 65535), ("own.png", 4095), ("own.tif", 4095)):
        alpha = np.zeros((30, 40), np.uint16)
        alpha[:, :20] = white
        bgra = np.dstack([as_bits(picture, 12)[..., ::-1], alpha])
        assert cv2.imwrite(str(tmp_path / name), bgra)
        shown = read_photo(tmp_path / name)
        np.testing.assert_array_equal(shown[:, :20], picture[:, :20])
        assert not shown[:, 20:].any()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_16_bit_tiff_is_turned_once(tmp_path: Path, orientation: int) -> None:
    picture = eight_bit()
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    stored = np.ascontiguousarray(np.rot90(picture, turns))
    for name, values in (("grey.tif", stored[..., 1]), ("rgb.tif", stored)):
        path = tmp_path / name
        assert cv2.imwrite(str(path), as_bits(values, 16)[..., ::-1] if name[0] == "r" else values)
        patch_orientation(path, orientation)
        wanted = picture if name[0] == "r" else picture[..., 1:2].repeat(3, 2)
        np.testing.assert_array_equal(read_photo(path), wanted)
        assert (read_header(path).width, read_header(path).height) == (40, 30)


def patch_orientation(path: Path, orientation: int) -> None:
    """Appends a directory with tag 274 to a little-endian TIFF, in place of the old one."""
    data = bytearray(path.read_bytes())
    assert data[:4] == b"II*\0"
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    entries = [bytes(data[start + 2 + 12 * i :][:12]) for i in range(count)]
    entries = [e for e in entries if e[:2] != struct.pack("<H", 274)]
    entries.append(struct.pack("<HHIHH", 274, 3, 1, orientation, 0))
    entries.sort(key=lambda e: struct.unpack("<H", e[:2]))
    data += b"\0" * (len(data) % 2)
    struct.pack_into("<I", data, 4, len(data))
    path.write_bytes(data + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4))


def test_a_negative_16_bit_tiff_is_turned_to_a_positive(tmp_path: Path) -> None:
    grey = eight_bit()[..., 0]
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    path = tmp_path / "negative.tif"
    Image.fromarray(65535 - as_bits(grey, 16)).save(path, tiffinfo=tags)
    with Image.open(path) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        if image.tag_v2[262] != 0:
            pytest.skip("this version of Pillow writes no negatives")
    np.testing.assert_array_equal(read_photo(path)[..., 0], grey)


def tiff(values: np.ndarray, kind: int, photometric: int = 2) -> bytes:
    """A bare little-endian TIFF of any type of values."""
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    bits, data = values.dtype.itemsize * 8, values.tobytes()
    rows = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, None),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
        (339, 3, channels, None),
    ]
    data += b"\0" * (len(data) % 2)
    extra, at = b"", 8 + len(data)
    entries = []
    for tag, type_, count, value in rows:
        if value is None:
            number = bits if tag == 258 else kind
            packed = struct.pack(f"<{count}H", *[number] * count)
            field = packed.ljust(4, b"\0") if count <= 2 else struct.pack("<I", at + len(extra))
            extra += packed if count > 2 else b""
        else:
            field = struct.pack("<HH", value, 0) if type_ == 3 else struct.pack("<I", value)
        entries.append(struct.pack("<HHI", tag, type_, count) + field)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", at + len(extra)) + data + extra + directory


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        (np.ones((20, 30, 3), np.float32), 3, "floating-point"),
        (np.ones((20, 30, 3), np.float16), 3, "floating-point"),
        (np.ones((20, 30), np.float32), 3, "floating-point"),
        (np.ones((20, 30, 3), np.uint32), 1, "32-bit"),
        (np.ones((20, 30), np.int16), 2, "signed"),
        (np.ones((20, 30, 5), np.uint16), 1, "5 channels"),
        (np.ones((20, 30, 2), np.uint16), 1, "an arrangement"),
        (np.ones((20, 30), np.int8), 2, "signed"),
    ],
)
def test_tiffs_that_hold_no_colours_are_refused_by_name(
    tmp_path: Path, values: np.ndarray, kind: int, words: str
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(values, kind, 2 if values.ndim == 3 else 1))
    with pytest.raises(UnreadablePhoto) as caught:
        read_photo(path)
    assert words in caught.value.reason


def test_lab_is_refused_by_name(tmp_path: Path) -> None:
    Image.new("LAB", (40, 30)).save(tmp_path / "a.tif")
    with pytest.raises(UnreadablePhoto, match="CIELAB"):
        read_photo(tmp_path / "a.tif")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(path: Path, kind: bytes, data: bytes, before: bytes) -> None:
    """Puts a chunk into a PNG, before the first one of another kind."""
    content = path.read_bytes()
    at = content.index(before) - 4
    path.write_bytes(content[:at] + chunk(kind, data) + content[at:])


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused_by_name(tmp_path: Path, transfer: int, name: str) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(eight_bit()).save(path)
    with_chunk(path, b"cICP", bytes([9, transfer, 0, 1]), b"IDAT")
    with pytest.raises(UnreadablePhoto, match=rf"HDR values \({name}\)"):
        read_photo(path)
    Image.fromarray(eight_bit()).save(path)
    with_chunk(path, b"cICP", bytes([1, 13, 0, 1]), b"IDAT")
    np.testing.assert_array_equal(read_photo(path), eight_bit())


def test_hdr_heic_is_refused_and_10_bit_heic_is_read(tmp_path: Path) -> None:
    import pillow_heif

    picture = eight_bit(width=64, height=64)[..., :1].repeat(3, 2)  # its colours are subsampled
    file = pillow_heif.from_bytes("RGB;16", (64, 64), as_bits(picture, 16).tobytes())
    options: dict[str, Any] = {"quality": 100, "color_primaries": 9, "matrix_coefficients": 9}
    file.save(tmp_path / "pq.heic", transfer_characteristics=16, **options)
    file.save(tmp_path / "sdr.heic", transfer_characteristics=13, **options)
    with pytest.raises(UnreadablePhoto, match="HDR"):
        read_photo(tmp_path / "pq.heic")
    assert np.abs(read_photo(tmp_path / "sdr.heic").astype(int) - picture).mean() < 4


def test_a_12_bit_jpeg_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(eight_bit()).save(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = 0xC1, 12
    path.write_bytes(data)
    with pytest.raises(UnreadablePhoto, match="JPEG of 12 bits"):
        read_photo(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
def test_every_8_bit_mode_is_right(tmp_path: Path, mode: str, suffix: str) -> None:
    """As Pillow's own conversion has it, transparent pixels over black."""
    image = Image.fromarray(eight_bit()).convert(mode)
    path = tmp_path / f"a.{suffix}"
    try:
        options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}
        image.save(path, **options.get(suffix, {}))
    except (OSError, ValueError):
        pytest.skip(f"there is no {suffix} of mode {mode}")
    wanted = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(read_photo(path) - wanted).mean() < (4 if suffix == "jpg" else 1e-9)


@pytest.mark.parametrize("kind", ["eXIf", "zTXt"])
def test_exif_behind_the_pixels_of_a_png_turns_it(tmp_path: Path, kind: str) -> None:
    picture = eight_bit()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Maker"
    data = exif.tobytes().removeprefix(b"Exif\0\0")
    if kind == "zTXt":
        raw = b"Exif\0\0" + data
        text = b"\nexif\n%8d\n%s\n" % (len(raw), raw.hex().encode())
        data = b"Raw profile type exif\0\0" + zlib.compress(text)
    path = tmp_path / "a.png"
    Image.fromarray(np.ascontiguousarray(np.rot90(picture))).save(path)
    with_chunk(path, kind.encode(), data, b"IEND")
    header = read_header(path)
    assert (header.width, header.height, header.orientation, header.make) == (40, 30, 6, "Maker")
    np.testing.assert_array_equal(read_photo(path), picture)
    # What else stands behind the pixels does not cost a second decoding, nor does damage matter.
    path.write_bytes(path.read_bytes()[:-40])
    assert read_header(path).width in (30, 40)
