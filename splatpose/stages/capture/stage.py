"""Which files are photos of the scene, which camera took them, what is left out and why."""

from __future__ import annotations

from pathlib import Path

from ...bounds import check_bounds
from ...errors import SplatposeError
from ...events import EventSink, Message
from ...keys import Stage
from ...scene.capture import Capture, Photo
from .cameras import group_photos
from .check import check_photos
from .config import CaptureConfig
from .frames import take_frames
from .scan import hash_inputs, scan
from .skipped import nothing_usable, tell_skipped
from .sorting import is_included, sort_out
from .storage import read_capture, relocate_capture, save_capture


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
    check_bounds(config, "capture")
    found = scan(images)
    video = None if found.video is None else take_frames(found.video, config, folder, emit)
    candidates = found.photos if video is None else video.candidates
    # Frames of a video are all of one kind.
    include = config.include or () if video is None else ("*",)
    _check_included(include, [candidate.name for candidate in candidates])
    good, skipped = check_photos(
        candidates, config.min_size, emit, lambda name: is_included(name, include)
    )
    chosen = sort_out(good, found.outputs, include)
    skipped = (*found.skipped, *skipped, *chosen.left_out)
    tell_skipped(skipped, emit)
    if not chosen.photos:
        raise nothing_usable(images, skipped)
    photos, groups = group_photos(chosen.photos, chosen.exposures)
    _tell_bits(photos, emit)
    capture = Capture(
        photos,
        groups,
        tuple(sorted(skipped, key=lambda file: file.name)),
        None if video is None else video.use,
    )
    save_capture(capture, folder, None if found.video is not None else images)
    return _summary(capture)


def load_capture(folder: Path) -> Capture:
    """Reads back what `build_capture` wrote; frames of a video are where `folder` is now."""
    return read_capture(folder)


def _check_included(include: tuple[str, ...], names: list[str]) -> None:
    """A pattern that is mistyped would leave out what is wanted."""
    for pattern in include:
        if not any(is_included(name, (pattern,)) for name in names):
            raise SplatposeError(
                f"capture: include names {pattern!r}, which no picture in the folder is called.",
                "Give a name, a folder or a pattern relative to the folder of photos.",
            )


def _tell_bits(photos: tuple[Photo, ...], emit: EventSink) -> None:
    """What decides the brightness of photos of more than 8 bits a channel."""
    for bits in sorted({photo.bits for photo in photos if photo.bits not in (None, 16)}):
        count = sum(photo.bits == bits for photo in photos)
        of = f"{count} photo{'s' * (count != 1)}"
        text = f"{of} hold values of {bits} bits: {2**bits - 1} is taken for white."
        emit(Message("capture", text))


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


def capture_stage(images: Path) -> Stage[Capture]:
    """The stage, whose finished result is of photos that lie in `images` now.

    A folder of photos that was moved or renamed holds the same photos.
    """

    def load(folder: Path) -> Capture:
        relocate_capture(folder, images)
        return load_capture(folder)

    return Stage("capture", build_capture, load)
