"""Pictures in the folder of photos that are no photos of their own: told by group, and left out."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes.demo_photos import DEMO

from splatpose.errors import SplatposeError
from splatpose.events import Event, Message, ignore_events
from splatpose.scene.capture import Capture
from splatpose.stages.capture.config import CaptureConfig
from splatpose.stages.capture.sorting import is_included
from splatpose.stages.capture.stage import build_capture, fingerprint, load_capture

COUNT = 6


def read(number: int) -> np.ndarray:
    picture = cv2.imread(str(DEMO / f"photo_{number + 1:02d}.jpg"))
    assert picture is not None
    return cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [read(number) for number in range(COUNT)]


@pytest.fixture
def photos(tmp_path: Path, pictures: list[np.ndarray]) -> Path:
    """Six good photos in `images`."""
    folder = tmp_path / "photos"
    (folder / "images").mkdir(parents=True)
    for number, picture in enumerate(pictures):
        save(folder / "images" / f"p{number}.jpg", picture)
    return folder


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def resized(picture: np.ndarray, scale: float, way: int = cv2.INTER_AREA) -> np.ndarray:
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=way)


def taken(folder: Path, *include: str) -> tuple[Capture, list[str]]:
    """The capture and its warnings."""
    events: list[Event] = []
    out = folder.parent / "stage"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    build_capture(folder, CaptureConfig(include=include), out, events.append)
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    return load_capture(out), warnings


def kinds(capture: Capture) -> Counter[str]:
    return Counter(file.kind for file in capture.skipped)


def names(capture: Capture) -> list[str]:
    return [photo.name for photo in capture.photos]


ORIGINALS = [f"images/p{number}.jpg" for number in range(COUNT)]


@pytest.mark.parametrize("scale", [0.5, 0.3])
@pytest.mark.parametrize("way", [cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_NEAREST])
def test_smaller_copies_are_told_by_group(
    photos: Path, pictures: list[np.ndarray], scale: float, way: int
) -> None:
    folder = f"images_{round(1 / scale)}"
    for number, picture in enumerate(pictures):
        save(photos / folder / f"p{number}.png", resized(picture, scale, way))
    capture, warnings = taken(photos)
    assert names(capture) == ORIGINALS
    assert kinds(capture) == {"smaller copy": COUNT}
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{COUNT} smaller copies in {folder}, left out (p0.png: ")
    assert f"--include '{folder}/*'" in warnings[0]
    assert "smaller copy of images/p0.jpg" in warnings[0]


def test_copies_of_other_names_and_turned_ones_are_found(
    photos: Path, pictures: list[np.ndarray]
) -> None:
    save(photos / "web.jpg", resized(pictures[0], 0.5))
    save(photos / "upright.jpg", np.ascontiguousarray(np.rot90(pictures[1])))
    save(photos / "mirror.png", np.ascontiguousarray(pictures[2][:, ::-1]))
    save(photos / "again" / "p3.png", pictures[3])
    cv2.imwrite(str(photos / "p4.jpg"), pictures[4], [cv2.IMWRITE_JPEG_QUALITY, 60])
    capture, _ = taken(photos)
    assert {file.name: file.kind for file in capture.skipped} == {
        "web.jpg": "smaller copy",
        "upright.jpg": "turned copy",
        "mirror.png": "turned copy",
        "again/p3.png": "second copy",
        "p4.jpg": "second copy",
    }


def test_crops_are_found(photos: Path, pictures: list[np.ndarray]) -> None:
    save(photos / "crop.png", pictures[2][30:200, 60:290])
    save(photos / "small crop.png", resized(pictures[4][20:220, 20:300], 0.8))
    capture, _ = taken(photos)
    assert {file.name: file.reason for file in capture.skipped} == {
        "crop.png": "crop of images/p2.jpg",
        "small crop.png": "crop of images/p4.jpg",
    }


def test_a_zoom_on_the_spot_is_no_crop(photos: Path) -> None:
    """It shows part of another photo, finer than that one does."""
    large = cv2.imread(str(DEMO / "photo_03.jpg"))
    assert large is not None
    save(photos / "zoom.png", large[100:380, 120:490])
    capture, _ = taken(photos)
    assert "zoom.png" in names(capture)


def mask(picture: np.ndarray, levels: int = 2) -> np.ndarray:
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (0, 0), 12)
    ranks = np.digitize(grey, np.quantile(grey, np.arange(1, levels) / levels))
    return (ranks * (255 // (levels - 1))).astype(np.uint8)


@pytest.mark.parametrize(
    ("folder", "suffix", "levels"),
    [
        ("masks", ".png", 2),
        ("masks", ".jpg.png", 2),
        ("masks", ".jpg", 2),
        ("other", ".jpg", 2),
        ("classes", ".png", 5),
        ("images", "_mask.png", 2),
    ],
)
def test_masks_are_left_out(
    photos: Path, pictures: list[np.ndarray], folder: str, suffix: str, levels: int
) -> None:
    for number, picture in enumerate(pictures):
        save(photos / folder / f"p{number}{suffix}", mask(picture, levels))
    capture, warnings = taken(photos)
    assert names(capture) == ORIGINALS
    assert kinds(capture) == {"mask": COUNT}
    assert f"{COUNT} masks in {folder}, left out" in warnings[0]


def test_an_object_before_a_black_background_is_a_photo(
    photos: Path, pictures: list[np.ndarray]
) -> None:
    """Most of it is flat, and it has a namesake, as in rigs of several cameras."""
    shape = np.zeros((240, 320), np.uint8)
    cv2.ellipse(shape, (160, 120), (70, 60), 0, 0, 360, 255, -1)
    for number, picture in enumerate(pictures):
        turned = np.roll(picture, 40 * (number + 1), axis=(0, 1))
        save(photos / "camera 2" / f"p{number}.jpg", np.where(shape[..., None] > 0, turned, 0))
    capture, _ = taken(photos)
    assert not capture.skipped


def test_maps_of_other_programs_go_by_folder_and_name(
    photos: Path, pictures: list[np.ndarray]
) -> None:
    for number, picture in enumerate(pictures):
        blurred = cv2.GaussianBlur(picture, (0, 0), 5)
        shown = cv2.applyColorMap(cv2.cvtColor(blurred, cv2.COLOR_BGR2GRAY), cv2.COLORMAP_VIRIDIS)
        save(photos / "depth" / f"p{number}.png", shown)
        save(photos / "normals" / f"p{number}.png", shown[::-1])
        save(photos / "ours" / "renders" / f"p{number}.png", blurred)
    save(photos / "depth of field" / "other.jpg", read(10))
    capture, _ = taken(photos)
    assert kinds(capture) == {
        "depth map": COUNT,
        "normal map": COUNT,
        "rendered view": COUNT,
    }
    assert names(capture) == ["depth of field/other.jpg", *ORIGINALS]


def test_results_inside_the_folder_are_left_out(photos: Path, pictures: list[np.ndarray]) -> None:
    old = photos / "old result"
    for number in range(2):
        save(old / "previews" / f"{number}.png", np.hstack([pictures[number], read(12 + number)]))
    (old / "report.json").touch()
    (old / "splat.ply").touch()
    for number in range(2):
        save(photos / "ours" / "renders" / f"{number:05d}.png", read(14 + number))
        save(photos / "ours" / "gt" / f"{number:05d}.png", read(16 + number))
    for number, picture in enumerate(pictures):
        bent = cv2.warpAffine(picture, np.array([[1.05, 0.01, -8], [0, 1.05, -6.0]]), (320, 240))
        save(photos / "dense" / "images" / f"p{number}.jpg", bent)
    (photos / "dense" / "sparse").mkdir()
    (photos / "dense" / "stereo").mkdir()
    capture, warnings = taken(photos)
    assert names(capture) == ORIGINALS
    assert kinds(capture) == {
        "preview of an earlier result": 2,
        "rendering": 2,
        "copy beside a rendering": 2,
        "photo that COLMAP has undistorted": COUNT,
    }
    assert any("2 previews of an earlier result in old result/previews" in w for w in warnings)
    # A folder that is laid out so itself is the folder of photos.
    capture, _ = taken(photos / "dense")
    assert len(capture.photos) == COUNT


def beside(first: np.ndarray, second: np.ndarray, gap: int = 8) -> np.ndarray:
    return np.hstack([first, np.full((len(first), gap, 3), 255, np.uint8), second])


def sheet(pictures: list[np.ndarray], columns: int, gap: int) -> np.ndarray:
    small = [resized(picture, 0.5) for picture in pictures]
    line = np.full((small[0].shape[0], gap, 3), 255, np.uint8)
    rows = []
    for start in range(0, len(small), columns):
        parts = [piece for picture in small[start:][:columns] for piece in (line, picture)]
        rows += [np.hstack([*parts, line])]
    bar = np.full((gap, rows[0].shape[1], 3), 255, np.uint8)
    return np.vstack([piece for row in rows for piece in (bar, row)] + [bar])


COMPOSITES: dict[str, Callable[[list[np.ndarray]], np.ndarray]] = {
    "photo beside rendering": lambda p: beside(p[0], cv2.GaussianBlur(p[0], (0, 0), 3)),
    "photo beside another": lambda p: beside(p[0], p[3], gap=0),
    "rendering beside rendering": lambda p: beside(
        cv2.GaussianBlur(read(9), (0, 0), 1), cv2.GaussianBlur(read(9), (0, 0), 2)
    ),
    "above each other": lambda p: np.vstack([p[0], p[2]]),
    "three": lambda p: np.hstack([p[0], p[1], p[2]]),
    "sheet with lines": lambda p: sheet(p, 3, 6),
    "sheet without lines": lambda p: sheet(p, 3, 0),
    "sheet of others": lambda p: sheet([read(i) for i in range(8, 17)], 3, 6),
}


@pytest.mark.parametrize("made", COMPOSITES)
def test_pictures_made_of_pictures_are_left_out(
    photos: Path, pictures: list[np.ndarray], made: str
) -> None:
    save(photos / "made.jpg", COMPOSITES[made](pictures))
    capture, _ = taken(photos)
    assert names(capture) == ORIGINALS
    assert capture.skipped[0].kind in ("contact sheet", "picture of several side by side")


def test_odd_photos_stay(photos: Path, pictures: list[np.ndarray]) -> None:
    """A panorama, an upright photo, another camera, a dark photo: none is made of others."""
    save(photos / "panorama.jpg", np.hstack([read(i)[:, 40:280] for i in (9, 12, 15)]))
    save(photos / "upright.jpg", np.ascontiguousarray(np.rot90(read(11))))
    save(photos / "wide.jpg", cv2.resize(read(17), (400, 225)))
    save(photos / "dark.jpg", (read(18) * 0.2).astype(np.uint8))
    save(photos / "small.jpg", resized(read(19), 0.4))
    capture, _ = taken(photos)
    assert len(capture.photos) == COUNT + 5
    assert len({photo.exposure for photo in capture.photos}) == COUNT + 5


def test_what_is_included_comes_back_and_is_known_as_a_copy(
    photos: Path, pictures: list[np.ndarray]
) -> None:
    for number, picture in enumerate(pictures):
        save(photos / "images_2" / f"p{number}.jpg", resized(picture, 0.5))
        save(photos / "masks" / f"p{number}.png", mask(picture))
    save(photos / "crop.png", pictures[2][30:200, 60:290])
    shutil.copy(photos / "images" / "p5.jpg", photos / "images" / "p5 again.jpg")
    capture, _ = taken(photos, "images_2/p1.jpg", "*again*", "crop.png")
    assert kinds(capture) == {"smaller copy": COUNT - 1, "mask": COUNT}
    exposures = {photo.name: photo.exposure for photo in capture.photos}
    assert exposures["images_2/p1.jpg"] == exposures["images/p1.jpg"]
    assert exposures["images/p5 again.jpg"] == exposures["images/p5.jpg"]
    assert exposures["crop.png"] == exposures["images/p2.jpg"]
    assert len(set(exposures.values())) == COUNT
    with pytest.raises(SplatposeError, match="'imags_2'"):
        taken(photos, "imags_2")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("images_2", ["images_2/a.jpg", "images_2/b c/a.jpg"]),
        ("images_2/", ["images_2/a.jpg", "images_2/b c/a.jpg"]),
        ("images_2/*", ["images_2/a.jpg", "images_2/b c/a.jpg"]),
        ("*/b c", ["images_2/b c/a.jpg"]),
        ("a.jpg", ["a.jpg"]),
        ("*.jpg", ["a.jpg", "images_2/a.jpg", "images_2/b c/a.jpg"]),
        ("images", []),
    ],
)
def test_patterns_name_photos_and_folders(pattern: str, expected: list[str]) -> None:
    given = ["a.jpg", "images_2/a.jpg", "images_2/b c/a.jpg", "images_22/a.png"]
    assert [name for name in given if is_included(name, (pattern,))] == expected


def test_a_burst_is_kept_and_known(photos: Path, pictures: list[np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    for number in range(3):
        noise = rng.normal(0, 2, pictures[0].shape)
        save(photos / f"burst{number}.jpg", np.clip(pictures[0] + noise, 0, 255).astype(np.uint8))
    capture, _ = taken(photos)
    assert len(capture.photos) == COUNT + 3
    assert len({photo.exposure for photo in capture.photos}) == COUNT


def test_pictures_of_one_colour_are_left_out(photos: Path) -> None:
    save(photos / "lens cap.png", np.full((240, 320, 3), 9, np.uint8))
    capture, _ = taken(photos)
    assert names(capture) == ORIGINALS
    assert capture.skipped[0].reason == "it shows a single colour"


def test_masks_alone_are_refused_by_name(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    for number, picture in enumerate(pictures):
        save(tmp_path / "photos" / f"p{number}.png", mask(picture))
    with pytest.raises(SplatposeError, match=r"All 6 pictures in .* are masks") as caught:
        taken(tmp_path / "photos")
    assert "photos that they belong to" in caught.value.hint


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_among_the_photos_is_skipped(photos: Path) -> None:
    os.mkfifo(photos / "pipe.jpg")
    os.mkfifo(photos / "pipe.mp4")
    capture, _ = taken(photos)
    assert names(capture) == ORIGINALS
    assert {f.name: f.reason for f in capture.skipped} == {
        "pipe.jpg": "a named pipe, not a file",
        "pipe.mp4": "a named pipe, not a file",
    }
    with pytest.raises(SplatposeError, match="a named pipe"):
        fingerprint(photos / "pipe.mp4")
    with pytest.raises(SplatposeError, match="a named pipe"):
        build_capture(photos / "pipe.jpg", CaptureConfig(), photos, ignore_events)
