"""Reading photos: orientation, pixel kinds, scaling, EXIF and damage."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from splatpose.errors import SplatposeError
from splatpose.io.photos import (
    UnreadablePhoto,
    read_header,
    read_photo,
    scaled_size,
)

# For each EXIF orientation: where the first row and the first column of the stored pixels belong
# in the upright picture (EXIF 2.3, tag 0x0112).
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
LOSSLESS = [
    ("png", {}),
    ("webp", {"lossless": True}),
    ("tiff", {}),
    ("tiff", {"compression": "tiff_lzw"}),
]


def upright() -> np.ndarray:
    """A picture in which every pixel is different: red counts rows, green counts columns."""
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[..., 0] = np.arange(20)[:, None] * 12
    picture[..., 1] = np.arange(30)[None, :] * 8
    return picture


def stored(picture: np.ndarray, orientation: int) -> np.ndarray:
    """The pixels that a camera held this way would store."""
    first_row, first_column = SIDES[orientation]
    if first_row in ("left", "right"):
        rows = picture.transpose(1, 0, 2)
        if first_row == "right":
            rows = rows[::-1]
    else:
        rows = picture if first_row == "top" else picture[::-1]
    return np.ascontiguousarray(rows if first_column in ("left", "top") else rows[:, ::-1])


def textured(width: int, height: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("suffix", "options"), LOSSLESS)
def test_orientation_is_applied_once(
    tmp_path: Path, orientation: int, suffix: str, options: dict
) -> None:
    picture = upright()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(stored(picture, orientation)).save(path, exif=exif, **options)
    np.testing.assert_array_equal(read_photo(path), picture)
    header = read_header(path)
    assert (header.width, header.height) == (30, 20)
    # Scaling happens before the turn or after it, with the same result.
    small = read_photo(path, max_size=15)
    np.testing.assert_array_equal(
        small, cv2.resize(picture, (15, 10), interpolation=cv2.INTER_AREA)
    )


@pytest.mark.parametrize("orientation", [1, 6])
def test_jpeg_is_decoded_small_without_a_shift(tmp_path: Path, orientation: int) -> None:
    """JPEG's own scaled decoding agrees with an area filter over all pixels."""
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    big = cv2.GaussianBlur(textured(1600, 1200), (0, 0), 8)
    big = cv2.normalize(big, np.empty_like(big), 0, 255, cv2.NORM_MINMAX)
    Image.fromarray(stored(big, orientation)).save(path, exif=exif, quality=98, subsampling=0)
    small = read_photo(path, max_size=100)
    exact = cv2.resize(big, (100, 75), interpolation=cv2.INTER_AREA)
    assert small.shape == exact.shape
    assert np.abs(small.astype(int) - exact).max() <= 3


def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path) -> None:
    rgb = textured(40, 30)
    grey = rgb[..., 1]
    image = Image.fromarray(rgb)

    def saved(picture: Image.Image, name: str, **options: Any) -> np.ndarray:
        picture.save(tmp_path / name, **options)
        return read_photo(tmp_path / name).astype(int)

    for name in ("grey.png", "grey.tif"):
        np.testing.assert_array_equal(
            saved(Image.fromarray(grey), name), np.repeat(grey[..., None], 3, 2)
        )
    grey16 = grey.astype(np.uint16) * 257
    for name in ("grey16.png", "grey16.tif"):
        np.testing.assert_array_equal(
            saved(Image.fromarray(grey16), name), np.repeat(grey[..., None], 3, 2)
        )
    cv2.imwrite(str(tmp_path / "rgb16.png"), rgb[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_photo(tmp_path / "rgb16.png"), rgb)
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    np.testing.assert_array_equal(saved(palette, "palette.png"), np.asarray(palette.convert("RGB")))
    cmyk = saved(image.convert("CMYK"), "cmyk.jpg", quality=100, subsampling=0)
    assert np.abs(cmyk - rgb).max() <= 6
    half = np.dstack([rgb, np.where(np.arange(40) < 20, 255, 0)[None].repeat(30, 0)])
    shown = saved(Image.fromarray(half.astype(np.uint8)), "alpha.png")
    np.testing.assert_array_equal(shown[:, :20], rgb[:, :20])
    assert not shown[:, 20:].any()


def test_scaled_size_keeps_shape_and_never_enlarges() -> None:
    assert scaled_size(4032, 3024, 640) == (640, 480)
    assert scaled_size(3024, 4032, 640) == (480, 640)
    assert scaled_size(500, 400, 640) == (500, 400)
    assert scaled_size(500, 400, None) == (500, 400)
    assert scaled_size(10000, 3, 100) == (100, 1)


def exif_of_a_camera() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker\0\0"
    exif[ExifTags.Base.Model] = "Maker  One "
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: "2026:05:04 03:02:01",
            ExifTags.Base.FocalLength: IFDRational(425, 100),
            ExifTags.Base.FocalLengthIn35mmFilm: 26,
            ExifTags.Base.DigitalZoomRatio: IFDRational(0, 0),
            ExifTags.Base.FocalPlaneXResolution: IFDRational(2540),
            ExifTags.Base.FocalPlaneResolutionUnit: 2,
            ExifTags.Base.ExifImageWidth: 80,
            ExifTags.Base.ExifImageHeight: 60,
            ExifTags.Base.LensModel: "Lens",
            ExifTags.Base.BodySerialNumber: "0042",
            ExifTags.Base.SubsecTimeOriginal: "25",
            ExifTags.Base.OffsetTimeOriginal: "+02:00",
        }
    )
    return exif


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_header_tells_what_the_camera_wrote(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(textured(80, 60)).save(path, exif=exif_of_a_camera())
    header = read_header(path)
    assert (header.width, header.height, header.orientation) == (60, 80, 6)
    assert (header.make, header.model, header.lens) == ("Maker", "Maker One", "Lens")
    assert (header.serial, header.date) == ("0042", "2026:05:04 03:02:01")
    taken = datetime(2026, 5, 4, 1, 2, 1, 250_000, tzinfo=UTC)
    assert header.seconds == pytest.approx(taken.timestamp(), abs=1e-6)
    assert (header.focal_mm, header.focal_35mm, header.digital_zoom) == (4.25, 26, None)
    assert header.pixels_per_mm == pytest.approx(100)
    assert header.exif_size == (80, 60)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_damaged_exif_does_not_lose_the_photo(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(textured(80, 60)).save(path, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")
    header = read_header(path)
    assert (header.width, header.height, header.make) == (80, 60, "")
    assert read_photo(path).shape == (60, 80, 3)


def test_header_needs_no_pixels(tmp_path: Path) -> None:
    for name in ("photo.jpg", "photo.png"):
        path = tmp_path / name
        Image.fromarray(textured(800, 600)).save(path)
        path.write_bytes(path.read_bytes()[:2000])
        assert (read_header(path).width, read_header(path).height) == (800, 600)
        with pytest.raises(UnreadablePhoto, match=r"damaged or cut off"):
            read_photo(path)


HEIC_START = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"This is not a photo.\n" * 50, "a text file"),
        ("Kein Foto: äöü\n".encode() * 60, "a text file"),
        (b"\xff\xd8\xff\xe0\0\x10JF", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (bytes(1000), "not a photo"),
        (b"GIF89a" + bytes(100), "not a photo"),
        (HEIC_START, "HEIC"),
    ],
)
def test_what_is_no_photo_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadablePhoto) as caught:
        read_photo(path)
    assert reason in caught.value.reason
    assert str(path) in caught.value.message
    with pytest.raises(UnreadablePhoto):
        read_header(path)


def test_a_missing_photo_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="No such file"):
        read_photo(tmp_path / "gone.jpg")


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "depth.tif"
    Image.fromarray(np.ones((70, 90), np.float32)).save(path)
    with pytest.raises(UnreadablePhoto, match="floating-point"):
        read_photo(path)


def test_pictures_beyond_the_decoder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "huge.png"
    Image.fromarray(textured(1200, 1000)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500_000)
    with pytest.raises(UnreadablePhoto, match="more than 1 megapixels"):
        read_photo(path)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_read_upright(tmp_path: Path, orientation: int) -> None:
    import pillow_heif  # pyright: ignore[reportMissingImports]

    path = tmp_path / "photo.heic"
    picture = cv2.resize(upright(), (300, 200), interpolation=cv2.INTER_CUBIC)
    exif = exif_of_a_camera()
    exif[ExifTags.Base.Orientation] = orientation
    # As phones do: the turn is in HEIF's own `irot` property, and in EXIF once more.
    file = pillow_heif.from_pillow(Image.fromarray(stored(picture, orientation)))
    file.info["exif"] = exif.tobytes()
    file.save(path, quality=100)
    header = read_header(path)
    assert (header.width, header.height, header.focal_35mm) == (300, 200, 26)
    assert np.abs(read_photo(path).astype(int) - picture).mean() < 3
