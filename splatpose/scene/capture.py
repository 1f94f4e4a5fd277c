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
    video_seconds: float | None = None
    """Time of a video's frame since the video's start."""
    exif_seconds: float | None = None
    """EXIF time of the photo with its fraction, since 1970."""
    bits: int | None = None
    """Bits a channel that values use in the photos of this camera, where their files have room for
    more than 8; None for ordinary photos."""
    exposure: int | None = None
    """Number of what the photo shows, equal for near-copies (copies at other sizes, crops, a burst
    from a tripod), which no measurement may part; None where nobody has looked."""


@dataclass(frozen=True)
class SkippedFile:
    """A file that looked like a photo and is not used."""

    name: str
    """Path relative to the folder of photos, with forward slashes."""
    reason: str
    """Why it is not used, in a sentence."""
    kind: str = ""
    """What it is, where it can be read and is left out because it is no photo of its own:
    "smaller copy", "mask", "contact sheet"."""


@dataclass(frozen=True)
class Span:
    """A span of a video, in seconds from its first frame, of which no frame is used."""

    start: float
    """First moment of it."""
    end: float
    """Last moment of it."""
    reason: str
    """Why none of its frames is used."""


@dataclass(frozen=True)
class VideoUse:
    """How much of a video the photos stand for."""

    name: str
    """Name of the file."""
    seconds: float
    """Time in seconds at which its last frame ends, by the frames' time stamps."""
    unused: tuple[Span, ...] = ()
    """Spans of which no frame is used, in their order."""
    notes: tuple[str, ...] = ()
    """What else a person should know of the file."""


@dataclass(frozen=True)
class Capture:
    """What the user gave us: the usable photos in natural name order, and what was skipped."""

    photos: tuple[Photo, ...]
    groups: tuple[CameraGroup, ...]
    skipped: tuple[SkippedFile, ...] = ()
    video: VideoUse | None = None
    """Where the photos are frames of a video."""
