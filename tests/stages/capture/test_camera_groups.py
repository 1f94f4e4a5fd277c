"""Which photos share a camera, and the focal length that EXIF tells."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from splatpose.io.exif import PhotoHeader
from splatpose.stages.capture.cameras import focal_pixels, group_photos
from splatpose.stages.capture.check import GoodPhoto
from splatpose.stages.capture.scan import Candidate

PHONE = PhotoHeader(
    width=4000,
    height=3000,
    orientation=1,
    make="Maker",
    model="Maker One",
    focal_mm=4.25,
    focal_35mm=26.0,
    exif_size=(4000, 3000),
)
# 22.5 mm wide sensor, 4500 pixels: 200 pixels a mm.
CAMERA = PhotoHeader(
    width=4500,
    height=3000,
    orientation=1,
    make="Maker",
    model="SLR",
    focal_mm=18.0,
    pixels_per_mm=200.0,
    exif_size=(4500, 3000),
)
GREY = np.zeros((3, 4), np.uint8)
BARE = PhotoHeader(width=1000, height=750, orientation=1)


def groups_of(*headers: PhotoHeader) -> list[int]:
    photos = [
        GoodPhoto(Candidate(f"{i}.jpg", Path(f"{i}.jpg")), header, str(i), str(i), GREY)
        for i, header in enumerate(headers)
    ]
    result, groups = group_photos(photos)
    for photo in result:
        group = groups[photo.group]
        assert (photo.width, photo.height) == (group.width, group.height)
    assert {photo.group for photo in result} == set(range(len(groups)))
    return [photo.group for photo in result]


def turned(header: PhotoHeader) -> PhotoHeader:
    return replace(header, width=header.height, height=header.width, orientation=6)


def test_focal_from_the_35mm_equivalent() -> None:
    # A lens that covers the film's diagonal covers the photo's diagonal.
    film = math.hypot(36, 24)
    assert focal_pixels(PHONE) == pytest.approx(26 / film * 5000)
    assert focal_pixels(turned(PHONE)) == focal_pixels(PHONE)
    small = replace(PHONE, width=400, height=300)
    assert focal_pixels(small) == pytest.approx(26 / film * 500)
    full_frame = replace(PHONE, width=3600, height=2400, focal_35mm=50.0, exif_size=None)
    assert focal_pixels(full_frame) == pytest.approx(50 / 36 * 3600)


def test_focal_from_the_sensor() -> None:
    assert focal_pixels(CAMERA) == pytest.approx(3600)
    assert focal_pixels(turned(CAMERA)) == pytest.approx(3600)
    assert focal_pixels(replace(CAMERA, width=1500, height=1000)) == pytest.approx(1200)
    assert focal_pixels(replace(CAMERA, digital_zoom=2.0)) == pytest.approx(7200)
    assert focal_pixels(replace(CAMERA, exif_size=None)) is None


@pytest.mark.parametrize(
    "header",
    [
        BARE,
        replace(PHONE, focal_35mm=None),
        # Not a lens: 0.16 and 18 times the long side.
        replace(PHONE, focal_35mm=5.5),
        replace(PHONE, focal_35mm=630.0),
        # Cropped after it was taken.
        replace(PHONE, width=3000, height=3000),
        replace(CAMERA, width=4500, height=2500),
    ],
)
def test_no_focal_where_exif_does_not_know(header: PhotoHeader) -> None:
    assert focal_pixels(header) is None


def test_zoom_size_and_orientation_tell_cameras_apart() -> None:
    zoomed = replace(PHONE, focal_35mm=52.0, digital_zoom=2.0)
    other = replace(PHONE, model="Two")
    small = replace(PHONE, width=2000, height=1500)
    assert groups_of(PHONE, other, PHONE, zoomed, small, turned(PHONE), turned(PHONE)) == [
        *(0, 1, 0, 2, 3, 4, 4)
    ]
    upside_down = replace(PHONE, orientation=3)
    square = replace(PHONE, width=3000, height=3000)
    assert groups_of(PHONE, upside_down) == [0, 0]
    assert groups_of(square, turned(square)) == [0, 0]
    assert groups_of(replace(PHONE, serial="1"), replace(PHONE, serial="2")) == [0, 1]


def test_without_exif_the_size_decides() -> None:
    portrait = turned(BARE)
    assert groups_of(BARE, BARE, portrait, BARE) == [0, 0, 1, 0]
    assert groups_of(BARE, PHONE, BARE) == [0, 1, 0]


def test_a_mixed_collection_without_exif_shares_nothing() -> None:
    sizes = [(1000, 750), (1000, 667), (1000, 750), (1000, 660), (700, 1000)]
    headers = [replace(BARE, width=w, height=h) for w, h in sizes]
    assert groups_of(*headers) == [0, 1, 2, 3, 4]
    # Photos with EXIF among them still share their camera.
    assert groups_of(PHONE, *headers, PHONE) == [0, 1, 2, 3, 4, 5, 0]


def test_labels_are_for_people() -> None:
    photos = [
        GoodPhoto(Candidate("a.jpg", Path("a.jpg")), header, str(i), str(i), GREY)
        for i, header in enumerate((PHONE, CAMERA, BARE))
    ]
    _, groups = group_photos(photos)
    assert [group.label for group in groups] == [
        "Maker One 4.25 mm 4000x3000",
        "Maker SLR 18 mm 4500x3000",
        "1000x750",
    ]
