"""`Capture` on disk: capture.json in the stage's folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ...errors import SplatposeError
from ...io.atomic import write_json
from ...scene.capture import CameraGroup, Capture, Photo, SkippedFile, Span, VideoUse
from .frames import FRAMES

_FILE = "capture.json"
_VERSION = 1


def save_capture(capture: Capture, folder: Path, images: Path | None) -> None:
    """Writes `capture` into `folder`.

    Args:
        capture: what to write.
        folder: the stage's folder, which may move later.
        images: the folder that the photos' names are relative to; None for frames of a video,
            which lie in `folder`.
    """
    value = dataclasses.asdict(capture)
    for photo in value["photos"]:
        del photo["path"]
    root = None if images is None else str(images.absolute())
    write_json(folder / _FILE, {"images": root, **value}, _VERSION)


def relocate_capture(folder: Path, images: Path) -> None:
    """Notes in a finished stage's folder that the photos lie in `images` now.

    Nothing is done for frames of a video, which move with the stage's folder.
    """
    value = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    root = str(images.absolute())
    if value["images"] not in (None, root) and images.is_dir():
        write_json(folder / _FILE, {**value, "images": root}, _VERSION)


def read_capture(folder: Path) -> Capture:
    """Reads `capture.json` from `folder`; the photos' paths are absolute.

    Raises:
        SplatposeError: another version of splatpose wrote it.
    """
    value = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    if value["version"] != _VERSION:
        raise SplatposeError(
            f"{folder / _FILE} has version {value['version']}, not {_VERSION}.",
            "Run again with --overwrite.",
        )
    root = Path(value["images"] or folder.absolute() / FRAMES)
    return Capture(
        photos=tuple(Photo(path=root / photo["name"], **photo) for photo in value["photos"]),
        groups=tuple(CameraGroup(**group) for group in value["groups"]),
        skipped=tuple(SkippedFile(**file) for file in value["skipped"]),
        video=_video(value.get("video")),
    )


def _video(value: dict[str, Any] | None) -> VideoUse | None:
    if value is None:
        return None
    spans = tuple(Span(**span) for span in value["unused"])
    return VideoUse(value["name"], value["seconds"], spans, tuple(value["notes"]))
