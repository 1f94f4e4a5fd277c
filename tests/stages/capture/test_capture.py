"""The capture stage on good folders and on every bad one that users have."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from splatpose.errors import SplatposeError
from splatpose.events import Event, EventSink, Message, Progress, ignore_events
from splatpose.io.photos import read_photo
from splatpose.keys import Keyed, key_of
from splatpose.runs import RunFolder
from splatpose.scene.capture import Capture
from splatpose.stages.capture.config import CaptureConfig
from splatpose.stages.capture.scan import scan
from splatpose.stages.capture.stage import (
    build_capture,
    capture_stage,
    fingerprint,
    load_capture,
)


def picture(seed: int, width: int = 120, height: int = 90) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(cv2.GaussianBlur(noise, (0, 0), 2))


def build(
    images: Path, config: CaptureConfig | None = None, emit: EventSink = ignore_events
) -> Capture:
    folder = images.parent / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    build_capture(images, config or CaptureConfig(), folder, emit)
    return load_capture(folder)


def reasons(capture: Capture) -> dict[str, str]:
    return {file.name: file.reason for file in capture.skipped}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four good photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(4):
        picture(seed).save(folder / f"img{seed + 1}.jpg")
    return folder


def test_photos_in_natural_order_and_back_from_disk(images: Path) -> None:
    (images / "b").mkdir()
    picture(10).save(images / "img10.png")
    picture(11).save(images / "b" / "IMG2.TIF")
    picture(12).save(images / "b" / "img011.webp", lossless=True)
    capture = build(images)
    names = [photo.name for photo in capture.photos]
    assert names == [
        "b/IMG2.TIF",
        "b/img011.webp",
        *(f"img{number}.jpg" for number in range(1, 5)),
        "img10.png",
    ]
    assert [photo.path for photo in capture.photos] == [images / name for name in names]
    assert len(capture.groups) == 1
    assert not capture.skipped
    assert {(photo.width, photo.height) for photo in capture.photos} == {(120, 90)}


def test_every_kind_of_bad_file_is_skipped_with_its_reason(images: Path) -> None:
    good = (images / "img1.jpg").read_bytes()
    (images / "text.jpg").write_text("I am not a photo.\n")
    (images / "cut.jpg").write_bytes(good[: len(good) // 2])
    (images / "empty.png").touch()
    (images / "img2 (copy).jpg").write_bytes((images / "img2.jpg").read_bytes())
    picture(20).save(images / "lossless.png")
    picture(20).save(images / "zz recompressed.png", compress_level=0)
    picture(21, 63, 200).save(images / "tiny.jpg")
    (images / "clip.mp4").write_bytes(bytes(100))
    (images / "raw.CR2").write_bytes(bytes(100))
    (images / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    (images / "notes.txt").write_text("ignored")
    (images / ".hidden.jpg").write_bytes(good)
    (images / ".thumbnails").mkdir()
    (images / ".thumbnails" / "img9.jpg").write_bytes(good)
    events: list[Event] = []
    capture = build(images, emit=events.append)
    assert [photo.name for photo in capture.photos] == [
        "img1.jpg",
        "img2.jpg",
        "img3.jpg",
        "img4.jpg",
        "lossless.png",
    ]
    found = reasons(capture)
    assert "text file" in found.pop("text.jpg")
    assert "cut off" in found.pop("cut.jpg")
    assert "empty" in found.pop("empty.png")
    assert found.pop("img2 (copy).jpg") == "same file as img2.jpg"
    assert found.pop("zz recompressed.png") == "same picture as lossless.png"
    assert "63x200" in found.pop("tiny.jpg")
    assert "video" in found.pop("clip.mp4")
    assert ".cr2" in found.pop("raw.CR2")
    heic = found.pop("phone.heic")
    assert "damaged HEIC" in heic
    assert not found
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    assert all(any(name in text for text in warnings) for name in reasons(capture))
    progress = [e for e in events if isinstance(e, Progress)]
    assert progress[-1].done == progress[-1].total == 12


def test_many_files_with_one_reason_give_one_warning(images: Path) -> None:
    for index in range(30):
        (images / f"raw{index}.nef").touch()
    events: list[Event] = []
    capture = build(images, emit=events.append)
    assert len(capture.skipped) == 30
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    assert len(warnings) == 1
    assert "27 more" in warnings[0]


def test_one_photo_is_a_capture(images: Path) -> None:
    for number in (2, 3, 4):
        (images / f"img{number}.jpg").unlink()
    assert len(build(images).photos) == 1


def test_smallest_size_is_an_option(images: Path) -> None:
    assert len(build(images, CaptureConfig(min_size=90)).photos) == 4
    with pytest.raises(SplatposeError, match="too small"):
        build(images, CaptureConfig(min_size=91))


@pytest.mark.parametrize("config", [CaptureConfig(min_size=0), CaptureConfig(video_rate=-1)])
def test_impossible_options_are_refused(images: Path, config: CaptureConfig) -> None:
    with pytest.raises(SplatposeError, match=r"capture\..* must be a"):
        build(images, config)


def test_paths_with_spaces_umlauts_and_long_names(tmp_path: Path) -> None:
    folder = tmp_path / "Schöne Fotos (2026) 写真" / ("sehr " * 30)
    folder.mkdir(parents=True)
    names = ["Ä ö ü ß.jpg", "#1 %20 'quoted' \"twice\".jpg", "n" * 240 + ".jpg"]
    for seed, name in enumerate(names):
        picture(seed).save(folder / name)
    capture = build(folder.parent)
    assert {photo.path for photo in capture.photos} == {folder / name for name in names}
    assert all(photo.path.is_file() for photo in capture.photos)


def test_a_name_that_is_not_utf8_is_skipped(images: Path) -> None:
    path = os.fsencode(images) + b"/caf\xe9.jpg"
    try:
        shutil.copy(os.fsencode(images / "img1.jpg"), path)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    capture = build(images)
    assert len(capture.photos) == 4
    assert "UTF-8" in reasons(capture)["caf?.jpg"]
    assert fingerprint(images)


def test_linked_folders_are_read_once(images: Path) -> None:
    (images / "loop").symlink_to(images)
    elsewhere = images.parent / "elsewhere"
    elsewhere.mkdir()
    picture(30).save(elsewhere / "far.jpg")
    (images / "linked").symlink_to(elsewhere)
    (images / "broken.jpg").symlink_to(images / "nowhere.jpg")
    capture = build(images)
    assert len(capture.photos) == 5
    assert capture.photos[-1].name == "linked/far.jpg"
    assert "No such file" in reasons(capture)["broken.jpg"]


def test_our_own_output_inside_the_folder_is_not_read(images: Path) -> None:
    before = fingerprint(images)
    (images / "out" / ".splatpose").mkdir(parents=True)
    (images / "out" / "previews").mkdir()
    picture(40).save(images / "out" / "previews" / "img1.png")
    assert len(build(images).photos) == 4
    assert fingerprint(images) == before
    with pytest.raises(SplatposeError, match="output folder of splatpose"):
        fingerprint(images / "out")


@pytest.mark.parametrize("function", [fingerprint, build])
def test_inputs_without_photos_are_refused(tmp_path: Path, function: object) -> None:
    assert callable(function)
    folder = tmp_path / "photos"
    with pytest.raises(SplatposeError, match="does not exist"):
        function(folder)
    folder.mkdir()
    with pytest.raises(SplatposeError, match="no photos in") as caught:
        function(folder)
    assert all(kind in caught.value.hint for kind in ("JPEG", "PNG", "WebP", "TIFF", "HEIC"))
    (folder / "a.nef").touch()
    with pytest.raises(SplatposeError, match=r"\.nef is not read"):
        function(folder)
    (folder / "clip.mov").touch()
    with pytest.raises(SplatposeError, match="holds a video") as caught:
        function(folder)
    assert str(folder / "clip.mov") in caught.value.hint
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SplatposeError, match="neither a folder nor a video"):
        function(tmp_path / "notes.txt")
    picture(0).save(tmp_path / "one.jpg")
    with pytest.raises(SplatposeError, match="single photo"):
        function(tmp_path / "one.jpg")


def test_a_path_that_cannot_be_looked_at_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="cannot be read: File name too long"):
        fingerprint(tmp_path / ("n" * 300))


def test_what_one_photo_lacks_memory_for_costs_that_photo(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(50, 300, 200).save(images / "large.png")
    load = Image.Image.load

    def short_of_memory(self: Image.Image) -> object:
        if self.size == (300, 200):
            raise MemoryError
        return load(self)

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", short_of_memory, raising=False)
    capture = build(images)
    assert len(capture.photos) == 4
    assert reasons(capture) == {"large.png": "it needs more memory than there is"}


@pytest.mark.parametrize(
    "tags",
    [
        {ExifTags.Base.ExifImageWidth: 120, ExifTags.Base.ExifImageHeight: IFDRational(1, 3)},
        {ExifTags.Base.FocalLength: IFDRational(0, 0), ExifTags.Base.FocalPlaneXResolution: "x"},
        {ExifTags.Base.LensModel: b"\xff\xfe", ExifTags.Base.DigitalZoomRatio: (1, 2, 3)},
        {ExifTags.Base.FocalLengthIn35mmFilm: 65535, ExifTags.Base.FocalPlaneResolutionUnit: 77},
    ],
)
def test_odd_exif_does_not_cost_the_photo(images: Path, tags: dict[int, object]) -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif).update({int(tag): value for tag, value in tags.items()})
    try:
        picture(51).save(images / "odd.jpg", exif=exif)
    except (TypeError, ValueError, struct.error):
        pytest.skip("this version of Pillow writes no such tag")
    capture = build(images)
    assert len(capture.photos) == 5
    assert not any(group.focal_prior for group in capture.groups)


def test_photos_of_a_camera_have_one_white(tmp_path: Path) -> None:
    """A dark photo of 12 bits by itself would pass for one of 10, four times as bright."""
    folder = tmp_path / "photos"
    folder.mkdir()
    bright = np.asarray(picture(60)).astype(np.uint16)
    cv2.imwrite(str(folder / "a.png"), bright * 16)
    cv2.imwrite(str(folder / "b.png"), np.asarray(picture(61)).astype(np.uint16) * 3)
    cv2.imwrite(str(folder / "c.png"), np.asarray(picture(62)))
    events: list[Event] = []
    capture = build(folder, emit=events.append)
    assert [photo.bits for photo in capture.photos] == [12, 12, None]
    dark = read_photo(capture.photos[1].path, bits=capture.photos[1].bits)
    assert np.abs(dark[..., ::-1] - np.asarray(picture(61)) * (3 / 16)).max() <= 1
    told = [event.text for event in events if isinstance(event, Message)]
    assert told == ["2 photos hold values of 12 bits: 4095 is taken for white."]


def test_no_readable_photo(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_text("text")
    (folder / "b.jpg").touch()
    with pytest.raises(SplatposeError, match=r"None of the 2 files .*a\.jpg: a text file"):
        build(folder)


def test_fingerprint_follows_names_and_bytes(images: Path) -> None:
    first = fingerprint(images)
    assert fingerprint(images) == first
    (images / "notes.txt").write_text("of no concern")
    os.utime(images / "img1.jpg", (0, 0))
    assert fingerprint(images) == first
    moved = images.with_name("moved")
    images.rename(moved)
    assert fingerprint(moved) == first
    seen = {first}
    (moved / "img1.jpg").rename(moved / "img01.jpg")
    seen.add(fingerprint(moved))
    data = bytearray((moved / "img2.jpg").read_bytes())
    data[-3] ^= 1
    (moved / "img2.jpg").write_bytes(data)
    seen.add(fingerprint(moved))
    (moved / "img3.jpg").unlink()
    seen.add(fingerprint(moved))
    picture(9).save(moved / "new.png")
    seen.add(fingerprint(moved))
    assert len(seen) == 5


def test_a_renamed_folder_is_the_same_photos(images: Path, tmp_path: Path) -> None:
    def captured(folder: Path) -> tuple[Keyed[Capture], list[str]]:
        events: list[Event] = []
        with RunFolder.open(tmp_path / "out", emit=events.append) as run:
            source = Keyed(folder, key_of(fingerprint(folder)))
            result = run.stage(capture_stage(folder), CaptureConfig(), source)
        return result, [type(event).__name__ for event in events]

    first, told = captured(images)
    assert "StageStarted" in told
    moved = images.rename(images.with_name("moved"))
    again, told = captured(moved)
    assert told == ["StageSkipped"]
    assert again.key == first.key
    assert all(photo.path.is_relative_to(moved) for photo in again.value.photos)
    # Those who read the finished run find the photos too.
    assert load_capture(tmp_path / "out" / ".splatpose" / "capture") == again.value


def test_a_capture_of_another_version_is_refused(images: Path) -> None:
    build(images)
    path = images.parent / "stage" / "capture.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 99'))
    with pytest.raises(SplatposeError, match="version 99"):
        load_capture(path.parent)


@pytest.mark.parametrize(("name", "photos", "cameras"), [("fox", 67, 1), ("sacre_coeur10", 10, 10)])
def test_real_folders(shared: Path, tmp_path: Path, name: str, photos: int, cameras: int) -> None:
    build_capture(shared / "data" / name / "images", CaptureConfig(), tmp_path, ignore_events)
    capture = load_capture(tmp_path)
    assert (len(capture.photos), len(capture.groups)) == (photos, cameras)
    assert not capture.skipped


def test_a_name_that_the_locale_misreads_is_not_called_damaged(tmp_path: Path) -> None:
    """What Python makes of UTF-8 where the locale is ASCII."""
    misread = tmp_path / "f\udcc3\udcb6"
    misread.mkdir()
    assert (tmp_path / "fö").is_dir()
    with pytest.raises(SplatposeError, match="as this locale reads it") as caught:
        scan(misread)
    assert "PYTHONUTF8=1" in caught.value.hint
    damaged = tmp_path / "f\udcff"
    damaged.mkdir()
    with pytest.raises(SplatposeError) as caught:
        scan(damaged)
    assert caught.value.hint == "Rename the folder."
