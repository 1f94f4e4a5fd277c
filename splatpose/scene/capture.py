"""What the user gave us: photos, the cameras that took them, and what was skipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CameraGroup:
    """Photos taken with one camera at one zoom and one size: they share intrinsics."""

    label: str
    """Name for people: make, model and focal length where EXIF has them, else the size."""
    width: int
    height: int
    focal_prior: float | None
    """Focal length in pixels from EXIF, or None where the photos do not say."""


@dataclass(frozen=True)
class Photo:
    """One usable photo. Width and height are those after EXIF orientation is applied."""

    name: str
    """Path relative to the input folder with forward slashes: unique, and stable between runs."""
    path: Path
    width: int
    height: int
    group: int
    """Index into `Capture.groups`."""
    sha256: str
    """Hash of the file's bytes."""
    orientation: int = 1
    """EXIF orientation 1-8 of the pixels as the file stores them."""
    seconds: float | None = None
    """Time in seconds from the first frame of the video that the photo is a frame of."""
    exif_seconds: float | None = None
    """EXIF time of the photo with its fraction, since 1970."""


@dataclass(frozen=True)
class SkippedFile:
    """A file that looked like a photo and is not used."""

    name: str
    reason: str


@dataclass(frozen=True)
class Capture:
    """What the user gave us: the usable photos in natural name order, and what was skipped."""

    photos: tuple[Photo, ...]
    groups: tuple[CameraGroup, ...]
    skipped: tuple[SkippedFile, ...] = ()
