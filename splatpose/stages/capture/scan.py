"""What lies in the input: files that may be photos, or one video."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import SplatposeError
from ...io.photo_names import natural_key
from ...io.photos import FORMATS_TEXT, HEIF_SUFFIXES, PHOTO_SUFFIXES, heif_available
from ...io.regular_files import NotRegularFile, check_regular, open_regular
from ...io.video import VIDEO_SUFFIXES
from ...runs.folder import WORK
from ...scene.capture import SkippedFile
from .layouts import output_folders

# Pictures of a kind that is not read: worth a word, unlike any other file in the folder.
_OTHER_PICTURES = frozenset(
    f".{name}"
    for name in (
        *("arw", "cr2", "cr3", "dng", "nef", "orf", "pef", "raf", "rw2", "srw"),
        *("avif", "bmp", "exr", "gif", "hdr", "jp2", "jxl"),
    )
)
_PICTURES = PHOTO_SUFFIXES | VIDEO_SUFFIXES | _OTHER_PICTURES
# Thumbnails that Synology and macOS leave beside the photos.
_FOREIGN_FOLDERS = frozenset({"@eaDir", "__MACOSX"})


@dataclass(frozen=True)
class Candidate:
    """A file that may be a photo."""

    name: str
    """Path relative to the input folder, with forward slashes."""
    path: Path
    seconds: float | None = None
    """Time of a video's frame since the video's start."""


_UTF8_HINT = "set PYTHONUTF8=1 or LC_ALL=C.UTF-8"


@dataclass(frozen=True)
class Found:
    """What lies in the input, in natural name order. Either `video` or `photos` is set."""

    photos: tuple[Candidate, ...]
    skipped: tuple[SkippedFile, ...] = ()
    video: Path | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Folders (relative names) in which a program put pictures, and what these are."""


def scan(images: Path) -> Found:
    """Lists the input without opening any photo.

    Hidden files, folders that splatpose wrote and files that are no pictures are passed over.

    Raises:
        SplatposeError: missing path, a file that is no video, a folder without a candidate.
    """
    try:
        images.stat()
    except FileNotFoundError as error:
        hint = "Check the path of the photo folder."
        raise SplatposeError(f"{images} does not exist.", hint) from error
    except OSError as error:
        hint = "Check the path of the photo folder, and who may read it."
        raise SplatposeError(f"{images} cannot be read: {error.strerror}.", hint) from error
    if not _is_utf8(whole := str(images.absolute())):
        misread = _in_this_locale(whole)
        raise SplatposeError(
            f"{_printable(str(images))} is not valid UTF-8{misread}.",
            f"To mend it, {_UTF8_HINT}." if misread else "Rename the folder.",
        )
    if not images.is_dir():
        return _scan_file(images)
    root = images.absolute()
    if (root / WORK).is_dir():
        raise SplatposeError(
            f"{images} is an output folder of splatpose, not a folder of photos.",
            "Give the folder with your photos first and the output folder with -o.",
        )
    photos, skipped, videos = [], [], []
    outputs: dict[Path, str] = {}
    for path in _walk(root, set(), skipped, root, outputs):
        name = path.relative_to(root).as_posix()
        suffix = path.suffix.lower()
        if not _is_utf8(name):
            mend = _UTF8_HINT if _in_this_locale(name) else "rename it"
            skipped.append(SkippedFile(_printable(name), f"its name is not valid UTF-8: {mend}"))
        elif suffix in _PICTURES and (reason := _no_file(path)):
            skipped.append(SkippedFile(name, reason))
        elif suffix in PHOTO_SUFFIXES:
            photos.append(Candidate(name, path))
        elif suffix in VIDEO_SUFFIXES:
            videos.append(path)
            skipped.append(SkippedFile(name, "a video: give it alone instead of the folder"))
        elif suffix in _OTHER_PICTURES:
            skipped.append(SkippedFile(name, f"{suffix} is not read: convert it to JPEG or PNG"))
    if not photos:
        raise _nothing_found(images, skipped, videos)
    photos.sort(key=lambda candidate: natural_key(candidate.name))
    named = {folder.relative_to(root).as_posix(): what for folder, what in outputs.items()}
    return Found(tuple(photos), tuple(skipped), outputs=named)


def hash_inputs(found: Found) -> str:
    """Hash of the names and bytes of what `scan` found."""
    total = hashlib.sha256()
    if found.video is not None:
        total.update(f"video {hash_file(found.video)}\n".encode())
    for candidate in found.photos:
        try:
            content = hash_file(candidate.path)
        except OSError as error:
            content = f"unreadable {error.errno}"
        total.update(f"{content} {candidate.name}\n".encode())
    for folder, what in sorted(found.outputs.items()):
        total.update(f"outputs {folder} {what}\n".encode())
    for file in found.skipped:
        total.update(f"skipped {file.name} {file.reason}\n".encode())
    if any(candidate.path.suffix.lower() in HEIF_SUFFIXES for candidate in found.photos):
        # Installing the reader later must bring the skipped photos in.
        total.update(f"heif {heif_available()}\n".encode())
    return total.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # nothing in its folder may be looked at; reading it says so
        return False


def _no_file(path: Path) -> str | None:
    """Why a path leads to no file; None where it does, or nowhere (which reading it tells)."""
    try:
        check_regular(path)
    except NotRegularFile as error:
        return error.strerror
    except OSError:
        return None
    return None


def _scan_file(path: Path) -> Found:
    if reason := _no_file(path):
        raise SplatposeError(f"{path} is {reason}.", "Give a folder of photos or a video.")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return Found((), video=path.absolute())
    if path.suffix.lower() in PHOTO_SUFFIXES:
        raise SplatposeError(
            f"{path} is a single photo.", "Give the folder that holds all photos of the scene."
        )
    raise SplatposeError(
        f"{path} is neither a folder nor a video that is read.",
        f"Give a folder of photos ({FORMATS_TEXT}) or a video ({_list(VIDEO_SUFFIXES)}).",
    )


def _walk(
    folder: Path,
    seen: set[tuple[int, int]],
    skipped: list[SkippedFile],
    root: Path,
    outputs: dict[Path, str],
) -> Iterator[Path]:
    """Files below `folder`; linked folders are followed, each folder once.

    Args:
        folder: where to begin.
        seen: folders that have been read; added to.
        skipped: folders that cannot be read; added to.
        root: what names are relative to.
        outputs: folders in which a program put pictures; added to.
    """
    try:
        status = folder.stat()
        with os.scandir(folder) as entries:
            paths = sorted(Path(entry.path) for entry in entries)
    except OSError as error:
        name = _printable(folder.relative_to(root).as_posix())
        skipped.append(SkippedFile(name, f"the folder cannot be read: {error.strerror}"))
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    paths = [p for p in paths if p.name[0] != "." and p.name not in _FOREIGN_FOLDERS]
    folders = [path for path in paths if _is_folder(path)]
    outputs |= output_folders([path for path in paths if path not in folders], folders)
    for path in paths:
        if path not in folders:
            yield path
        elif not _is_folder(path / WORK):
            yield from _walk(path, seen, skipped, root, outputs)


def _nothing_found(images: Path, skipped: list[SkippedFile], videos: list[Path]) -> SplatposeError:
    if videos:
        return SplatposeError(
            f"{images} holds {'a video' if len(videos) == 1 else 'videos'} but no photos.",
            f"Give the video itself in place of the folder: '{videos[0]}'",
        )
    seen = f", only {skipped[0].name} ({skipped[0].reason})" if skipped else ""
    if len(skipped) > 1:
        seen += f" and {len(skipped) - 1} more such file{'s' * (len(skipped) > 2)}"
    return SplatposeError(
        f"There are no photos in {images}{seen}.",
        f"Put photos in it. splatpose reads {FORMATS_TEXT}.",
    )


def _is_utf8(name: str) -> bool:
    # Names that are not UTF-8 carry surrogates, which JSON and COLMAP cannot store.
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _in_this_locale(name: str) -> str:
    """Words where a name is UTF-8, and Python reads it otherwise; "" where it is not."""
    try:
        os.fsencode(name).decode("utf-8")
    except UnicodeError:
        return ""
    return f" as this locale reads it ({sys.getfilesystemencoding()})"


def _printable(name: str) -> str:
    return name.encode("utf-8", errors="replace").decode()


def _list(suffixes: frozenset[str]) -> str:
    return ", ".join(sorted(suffixes))
