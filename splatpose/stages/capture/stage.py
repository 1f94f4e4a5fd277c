"""Which files are photos, which camera took them, what is left out and why."""

from __future__ import annotations

from pathlib import Path

from ...errors import SplatposeError
from ...events import EventSink, Message
from ...io.photos import FORMATS_TEXT, HEIC_REASON
from ...keys import Stage
from ...scene.capture import Capture, SkippedFile
from .cameras import group_photos
from .check import check_photos
from .config import CaptureConfig
from .frames import take_frames
from .scan import hash_inputs, scan
from .storage import read_capture, save_capture


def fingerprint(images: Path) -> str:
    """Hash of everything in `images` that the stage may read: relative names and bytes.

    Raises:
        SplatposeError: the path is missing, or there is nothing that could be a photo or a video.
    """
    return hash_inputs(scan(images))


def build_capture(images: Path, config: CaptureConfig, folder: Path, emit: EventSink) -> str:
    """Finds the usable photos, groups them into cameras and writes the capture into `folder`.

    Args:
        images: a folder of photos (searched recursively) or a video file.
        config: how files are chosen.
        folder: receives `capture.json`, and the frames of a video under `frames/`.
        emit: receives progress, and a warning for what is skipped.

    Raises:
        SplatposeError: nothing in `images` can be used; says what is read and what was found.
    """
    _check_config(config)
    found = scan(images)
    if found.video is not None:
        candidates = take_frames(found.video, config, folder, emit)
    else:
        candidates = found.photos
    usable, skipped = check_photos(candidates, config.min_size, emit)
    skipped = (*found.skipped, *skipped)
    _tell_skipped(skipped, emit)
    if not usable:
        raise _nothing_usable(images, skipped)
    photos, groups = group_photos(usable)
    capture = Capture(photos, groups, tuple(sorted(skipped, key=lambda file: file.name)))
    save_capture(capture, folder, None if found.video is not None else images)
    return _summary(capture)


def load_capture(folder: Path) -> Capture:
    """Reads back what `build_capture` wrote; frames of a video are where `folder` is now."""
    return read_capture(folder)


def _check_config(config: CaptureConfig) -> None:
    for name in ("min_size", "video_rate", "max_frames"):
        if not getattr(config, name) > 0:
            raise SplatposeError(
                f"capture: {name} must be above 0, not {getattr(config, name)}.", f"Change {name}."
            )


def _tell_skipped(skipped: tuple[SkippedFile, ...], emit: EventSink) -> None:
    """One warning a reason: a folder may hold hundreds of files of the same kind."""
    by_reason: dict[str, list[str]] = {}
    for file in skipped:
        by_reason.setdefault(file.reason, []).append(file.name)
    for reason, names in by_reason.items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        emit(Message("capture", f"Skipped {shown}: {reason}", "warning"))


def _nothing_usable(images: Path, skipped: tuple[SkippedFile, ...]) -> SplatposeError:
    reasons = [file.reason for file in skipped]
    if all(reason == HEIC_REASON for reason in reasons):
        return SplatposeError(
            f"All {len(skipped)} photos in {images} are HEIC, which needs an extra package.",
            "Run: pip install 'splatpose[heic]'",
        )
    examples = "; ".join(f"{file.name}: {file.reason}" for file in skipped[:3])
    return SplatposeError(
        f"None of the {len(skipped)} files in {images} can be used as a photo ({examples}).",
        f"Put photos in it. splatpose reads {FORMATS_TEXT}.",
    )


def _summary(capture: Capture) -> str:
    photos, cameras = len(capture.photos), len(capture.groups)
    text = f"{photos} photo{'s' * (photos != 1)} from {cameras} camera{'s' * (cameras != 1)}"
    with_focal = sum(group.focal_prior is not None for group in capture.groups)
    if with_focal == cameras:
        text += ", focal length given by EXIF"
    elif with_focal:
        text += f", focal length given by EXIF for {with_focal}"
    else:
        text += ", focal length unknown"
    if capture.skipped:
        text += f", {len(capture.skipped)} file{'s' * (len(capture.skipped) != 1)} skipped"
    return text


CAPTURE = Stage("capture", build_capture, load_capture)
