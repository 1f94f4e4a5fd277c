"""When photos were taken: what their names say, and what a trajectory's timestamps are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Literal

TimeSource = Literal["video", "names", "exif", "numbers"]
"""video: seconds since its start. names: what the photos' names say. exif: the camera's clock.
numbers: no times, the photos are counted from 0."""

MEANINGS: dict[TimeSource, str] = {
    "video": "seconds since the video's start",
    "names": "time in the photo's name, in seconds",
    "exif": "EXIF time of the photo, in seconds since 1970",
    "numbers": "number of the photo, from 0; the photos have no times",
}

_EARLIEST, _LATEST = 100_000_000, 2_000_000_000
"""Seconds since 1970 that are taken for a time: 1973 to 2033; 2021073101 is a date and a number."""
_DECIMAL = re.compile(r"(?<![\d.])(\d{9,10})\.(\d{1,9})(?![\d.])")
_JOINED = re.compile(r"(?<!\d)(\d{10})[_-](\d{1,9})(?!\d)")
_INTEGER = re.compile(r"(?<!\d)(\d{10}|\d{13}|\d{16}|\d{19})(?!\d)")
_RELATIVE = re.compile(r"\d{1,8}\.\d+")
_CALENDAR = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)[-_ T.]*(?:at )?"
    r"(\d\d)([-_.:h]?)(\d\d)[-_.:m]?(\d\d)(?:[-_.,]?(\d{1,6}))?(?!\d)"
)


@dataclass(frozen=True)
class PhotoTimes:
    """A time for each photo, all of one kind."""

    seconds: tuple[float, ...]
    source: TimeSource


def times_of_photos(
    names: Sequence[str],
    video: Sequence[float | None],
    exif: Sequence[float | None],
    numbers: Sequence[int],
) -> PhotoTimes:
    """The best times that all photos have: of the video, else in their names, else EXIF's.

    Photos of one whole second of EXIF are spread over it in their order. Where nothing tells all
    photos' times apart they are counted.

    Args:
        names: with their folders; the same time in two folders is of two cameras.
        video: seconds since a video's start.
        exif: seconds since 1970.
        numbers: what to count photos by.
    """
    if names:
        of_video = [value for value in video if value is not None]
        if len(of_video) == len(names) and _distinct(names, of_video):
            return PhotoTimes(tuple(of_video), "video")
        of_names = times_in_names(names)
        if of_names is not None and _distinct(names, of_names):
            return PhotoTimes(tuple(of_names), "names")
        of_exif = [value for value in exif if value is not None]
        if len(of_exif) == len(names):
            spread = _spread(of_exif)
            if spread is not None:
                return PhotoTimes(tuple(spread), "exif")
    return PhotoTimes(tuple(map(float, numbers)), "numbers")


def times_in_names(names: Sequence[str]) -> list[float] | None:
    """Seconds that all names tell in the same way, or None.

    Read are seconds since 1970 (1311868169.163498, 1311868169_163498, or whole milli-, micro- and
    nanoseconds), dates with times of day (20210731_154233, 2021-07-31 15.42.33.123), and, where
    names are nothing else, decimal seconds. Plain numbers count photos.
    """
    stems = [_stem(name) for name in names]
    for read in (_decimal, _joined, _integer, _calendar, _relative):
        found = read(stems)
        if found is not None:
            return found
    return None


def exif_seconds(date: str, fraction: str = "", offset: str = "") -> float | None:
    """Seconds since 1970 of EXIF's date, fraction of a second and distance from UTC; None where
    the date is none. Without a distance the camera's clock is taken for UTC."""
    try:
        moment = datetime.strptime(date.strip(), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    if moment.year < 1973:
        return None
    seconds = moment.timestamp()
    if re.fullmatch(r"[0-9]{1,9}", fraction.strip()):
        seconds += float(f"0.{fraction.strip()}")
    ahead = re.fullmatch(r"([+-])([0-9]{2}):?([0-9]{2})", offset.strip())
    if ahead:
        minutes = int(ahead[2]) * 60 + int(ahead[3])
        seconds -= 60 * (minutes if ahead[1] == "+" else -minutes)
    return seconds


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    # A number's fraction is no suffix.
    return path.name if re.fullmatch(r"\.\d+", path.suffix) else path.stem


def _all(
    stems: Sequence[str], pattern: re.Pattern[str], read: Callable[[re.Match[str]], float | None]
) -> list[float] | None:
    """What one pattern reads, where it reads every name."""
    found = []
    for stem in stems:
        match = pattern.search(stem)
        value = None if match is None else read(match)
        if value is None:
            return None
        found.append(value)
    return found


def _plausible(seconds: float) -> float | None:
    return seconds if _EARLIEST <= seconds <= _LATEST else None


def _decimal(stems: Sequence[str]) -> list[float] | None:
    return _all(stems, _DECIMAL, lambda match: _plausible(float(match[0])))


def _joined(stems: Sequence[str]) -> list[float] | None:
    """Seconds and their fraction, which is in whole micro- or other units where its digits vary."""
    matches = [_JOINED.search(stem) for stem in stems]
    lengths = {len(match[2]) for match in matches if match is not None}
    if None in matches or not lengths:
        return None
    digits = max(lengths)
    if len(lengths) > 1:
        digits = next(unit for unit in (3, 6, 9) if unit >= digits)
    return _all(
        stems, _JOINED, lambda match: _plausible(int(match[1]) + int(match[2]) / 10**digits)
    )


def _integer(stems: Sequence[str]) -> list[float] | None:
    return _all(
        stems,
        _INTEGER,
        lambda match: _plausible(int(match[0]) / 10 ** (len(match[0]) - 10)),
    )


def _calendar(stems: Sequence[str]) -> list[float] | None:
    def read(match: re.Match[str]) -> float | None:
        year, _, month, day, hour, _, minute, second, fraction = match.groups()
        date = f"{year}:{month}:{day} {hour}:{minute}:{second}"
        return exif_seconds(date, fraction or "")

    return _all(stems, _CALENDAR, read)


def _relative(stems: Sequence[str]) -> list[float] | None:
    if not all(_RELATIVE.fullmatch(stem) for stem in stems):
        return None
    return [float(stem) for stem in stems]


def _distinct(names: Sequence[str], times: Sequence[float]) -> bool:
    """Whether no two photos of one folder have the same time."""
    folders = [PurePosixPath(name).parent for name in names]
    return len(set(zip(folders, times, strict=True))) == len(times)


def _spread(times: Sequence[float]) -> list[float] | None:
    """Times of which those that are the same whole second are spread over it, in their order."""
    places: dict[float, list[int]] = {}
    for place, time in enumerate(times):
        places.setdefault(time, []).append(place)
    result = list(times)
    for time, same in places.items():
        if len(same) > 1 and not time.is_integer():
            return None
        for order, place in enumerate(same):
            result[place] = time + order / len(same)
    return result if len(set(result)) == len(result) else None
