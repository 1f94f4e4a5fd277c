"""What is said of files that are not used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ...errors import SplatposeError
from ...events import EventSink, Message
from ...io.photos import FORMATS_TEXT, HEIC_REASON
from ...scene.capture import SkippedFile


def tell_skipped(skipped: Sequence[SkippedFile], emit: EventSink) -> None:
    """One warning a reason, or a kind and folder: there may be hundreds of files of one kind."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    by_kind: dict[tuple[str, str], list[SkippedFile]] = defaultdict(list)
    for file in skipped:
        if file.kind:
            by_kind[file.kind, PurePosixPath(file.name).parent.as_posix()].append(file)
        else:
            by_reason[file.reason].append(file.name)
    for reason, names in by_reason.items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        emit(Message("capture", f"Skipped {shown}: {reason}", "warning"))
    for (kind, folder), files in by_kind.items():
        emit(Message("capture", _group(kind, folder, files), "warning"))


def nothing_usable(images: Path, skipped: Sequence[SkippedFile]) -> SplatposeError:
    """The refusal of a folder without a photo, by its commonest cause."""
    reasons = [file.reason for file in skipped]
    kinds = {file.kind for file in skipped}
    if reasons and all(reason == HEIC_REASON for reason in reasons):
        return SplatposeError(
            f"All {len(skipped)} photos in {images} are HEIC, which cannot be read here.",
            "Run: pip install pillow-heif",
        )
    if kinds == {"mask"}:
        return SplatposeError(
            f"All {len(skipped)} pictures in {images} are masks, not photos ({reasons[0]}).",
            "Give the folder of the photos that they belong to.",
        )
    examples = "; ".join(f"{file.name}: {file.reason}" for file in skipped[:3])
    hint = f"Put photos in it. splatpose reads {FORMATS_TEXT}."
    if kinds - {""}:
        hint += " --include NAME takes what was left out by mistake."
    return SplatposeError(
        f"None of the {len(skipped)} files in {images} can be used as a photo ({examples}).", hint
    )


def _group(kind: str, folder: str, files: Sequence[SkippedFile]) -> str:
    """Such as "21 smaller copies in images_2, left out"."""
    first = files[0]
    one = len(files) == 1
    where = "" if folder == "." else f" in {folder}"
    again = f"{folder}/*" if folder != "." else first.name if one else "NAME"
    text = f"{len(files)} {kind if one else _plural(kind)}{where}, left out"
    example = f"{PurePosixPath(first.name).name}: {first.reason}"
    return f"{text} ({example}). --include '{again}' takes them all the same."


def _plural(kind: str) -> str:
    noun, _, rest = kind.partition(" of ")
    ends = noun[:-1] + "ies" if noun.endswith("py") else f"{noun}s"
    return f"{ends} of {rest}" if rest else ends
