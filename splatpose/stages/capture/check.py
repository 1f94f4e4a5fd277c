"""Which candidates are good photos: decoded once, small, so that damage shows before the work."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from ...events import EventSink, Progress
from ...io.exif import PhotoHeader
from ...io.photos import UnreadablePhoto, read_header, read_photo, used_bits
from ...scene.capture import SkippedFile
from .scan import Candidate, hash_file

# Small enough for JPEG's quick decoding, large enough that two views never look the same.
_THUMBNAIL = 240


@dataclass(frozen=True)
class GoodPhoto:
    """A photo that can be decoded."""

    candidate: Candidate
    header: PhotoHeader
    sha256: str
    picture: str
    """Hash of size and thumbnail: equal for copies that differ only in metadata."""
    grey: UInt8[np.ndarray, "h w"]
    """The thumbnail without colours."""
    bits: int | None = None
    """Bits a channel that its values use, where its file has room for more than 8."""


def check_photos(
    candidates: Sequence[Candidate],
    min_size: int,
    emit: EventSink,
    is_included: Callable[[str], bool] = lambda name: False,
) -> tuple[list[GoodPhoto], list[SkippedFile]]:
    """Sorts candidates into usable photos and skipped files with a reason, both in order.

    Args:
        candidates: in the order that decides which of two duplicates stays: the first.
        min_size: photos whose shorter side is below this are skipped, in pixels.
        emit: receives progress.
        is_included: whether a photo of this name is taken though it is a duplicate.
    """
    good: list[GoodPhoto] = []
    skipped: list[SkippedFile] = []
    by_bytes: dict[str, str] = {}
    by_picture: dict[str, str] = {}
    # Decoding and hashing release the interpreter's lock.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        results = pool.map(_examine, candidates)
        for index, (candidate, result) in enumerate(zip(candidates, results, strict=True)):
            emit(Progress("capture", index + 1, len(candidates), "photos checked"))
            if isinstance(result, str):
                reason = result
            elif min(result.header.width, result.header.height) < min_size:
                size = f"{result.header.width}x{result.header.height}"
                reason = f"too small: {size} pixels, the shorter side must be at least {min_size}"
            elif result.sha256 in by_bytes and not is_included(candidate.name):
                reason = f"same file as {by_bytes[result.sha256]}"
            elif result.picture in by_picture and not is_included(candidate.name):
                reason = f"same picture as {by_picture[result.picture]}"
            else:
                by_bytes[result.sha256] = by_picture[result.picture] = candidate.name
                good.append(result)
                continue
            skipped.append(SkippedFile(candidate.name, reason))
    return good, skipped


def _examine(candidate: Candidate) -> GoodPhoto | str:
    """The photo, or why it is none."""
    try:
        header = read_header(candidate.path)
        thumbnail = read_photo(candidate.path, max_size=_THUMBNAIL)
        bits = used_bits(candidate.path)
        content = hash_file(candidate.path)
    except UnreadablePhoto as error:
        return error.reason
    except OSError as error:
        return error.strerror or str(error)
    except MemoryError:
        return "it needs more memory than there is"
    picture = hashlib.sha256(f"{header.width}x{header.height}".encode())
    picture.update(thumbnail.tobytes())
    grey = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY)
    return GoodPhoto(candidate, header, content, picture.hexdigest(), grey, bits)
