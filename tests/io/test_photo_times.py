"""Times of photos: by names, by EXIF, by a video, and when nothing tells them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from splatpose.io.photo_times import MEANINGS, exif_seconds, times_in_names, times_of_photos

NOON = datetime(2021, 7, 31, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("names", "seconds"),
    [
        (["1311868169_163498.jpg", "1311868169_199000.jpg"], [1311868169.163498, 1311868169.199]),
        (["1311868169_163498.jpg", "1311868170_3498.jpg"], [1311868169.163498, 1311868170.003498]),
        (["rgb/1311868169.1635.png", "rgb/1311868170.2.png"], [1311868169.1635, 1311868170.2]),
        (["1311868169.163498", "1311868169.2"], [1311868169.163498, 1311868169.2]),
        (["left-1311868169163.png", "left-1311868169164.png"], [1311868169.163, 1311868169.164]),
        (["1403636579763555584.png"], [1403636579.763555584]),
        (["IMG_20210731_120000.jpg", "PXL_20210731_120001250.MP.jpg"], [NOON, NOON + 1.25]),
        (["2021-07-31 12.00.00.jpg", "2021-07-31 12.00.01-1.jpg"], [NOON, NOON + 1.1]),
        (["Screenshot 2021-07-31 at 12.00.07.png"], [NOON + 7]),
        (["0.033.png", "0.066.png"], [0.033, 0.066]),
    ],
)
def test_names_that_tell_times(names: list[str], seconds: list[float]) -> None:
    assert times_in_names(names) == pytest.approx(seconds, abs=2e-7)


@pytest.mark.parametrize(
    "names",
    [
        ["frame_000001.jpg", "frame_000002.jpg"],
        ["IMG_4711.jpg"],
        ["0000000001.png"],
        ["2021073101.jpg"],  # a date and a number
        ["20210731_996100.jpg"],  # no time of day
        ["1.jpg", "2.5.jpg"],
        ["1311868169_163498.jpg", "cover.jpg"],
        ["²³.jpg", "①.jpg"],
    ],
)
def test_names_that_tell_none(names: list[str]) -> None:
    assert times_in_names(names) is None


@pytest.mark.parametrize(
    ("date", "fraction", "offset", "seconds"),
    [
        ("2021:07:31 12:00:00", "", "", NOON),
        ("2021:07:31 12:00:00", "25", "", NOON + 0.25),
        ("2021:07:31 12:00:00", "004", "+02:00", NOON - 7200 + 0.004),
        ("2021:07:31 12:00:00", "", "-03:30", NOON + 12600),
        ("2021:07:31 12:00:00", "x", "Z", NOON),
        ("0000:00:00 00:00:00", "", "", None),
        ("1970:01:01 00:00:00", "", "", None),  # a clock that was never set
        ("", "5", "", None),
    ],
)
def test_exif(date: str, fraction: str, offset: str, seconds: float | None) -> None:
    assert exif_seconds(date, fraction, offset) == (seconds and pytest.approx(seconds, abs=1e-6))


def times(names: list[str], **known: list[float | None]) -> tuple[tuple[float, ...], str]:
    nothing: list[float | None] = [None] * len(names)
    found = times_of_photos(
        names, known.get("video", nothing), known.get("exif", nothing), [7 * i for i in range(9)]
    )
    return found.seconds[: len(names)], found.source


def test_a_video_s_time_comes_before_names_and_these_before_exif() -> None:
    stamped = ["1311868169_1.jpg", "1311868169_2.jpg"]
    assert times(stamped, video=[0.5, 1.0], exif=[5.0, 6.0]) == ((0.5, 1.0), "video")
    assert times(stamped, exif=[5.0, 6.0])[1] == "names"
    assert times(["a.jpg", "b.jpg"], exif=[6.5, 5.0]) == ((6.5, 5.0), "exif")


def test_what_some_photos_lack_is_used_for_none() -> None:
    assert times(["a.jpg", "b.jpg"], exif=[6.0, None]) == ((0.0, 7.0), "numbers")
    assert times(["1311868169_1.jpg", "b.jpg"], exif=[6.0, 8.0])[1] == "exif"


def test_photos_of_one_second_are_spread_over_it() -> None:
    names = [f"{i}.jpg" for i in range(4)]
    assert times(names, exif=[100.0, 100.0, 101.0, 100.0])[0] == pytest.approx(
        (100, 100 + 1 / 3, 101, 100 + 2 / 3)
    )
    assert times(names[:2], exif=[100.5, 100.5])[1] == "numbers", "copies of one photo"


def test_the_same_time_in_two_folders_is_of_two_cameras() -> None:
    rig = ["cam0/1403636579763555584.png", "cam1/1403636579763555584.png"]
    assert times(rig)[1] == "names"
    assert times(["a-1403636579763555584.png", "b-1403636579763555584.png"])[1] == "numbers"


def test_every_kind_says_what_it_is() -> None:
    assert all(MEANINGS.values())
    assert "no times" in MEANINGS["numbers"]
