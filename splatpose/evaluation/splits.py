"""Which photos are test photos: named, so that nothing that is trained ever sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import SplatposeError
from ..io.regular_files import is_regular, read_text

FAMILY_RATE = 2
"""One test photo in so many of Tanks & Temples Family; elsewhere NoPe-NeRF holds out every 8th."""
DEFAULT_SPLIT = "every:8"
_EVERY = re.compile(r"(every|family)(?::([0-9]{1,9}))?")


def held_out_names(names: Sequence[str], split: str) -> tuple[str, ...]:
    """The test photos of a split.

    Args:
        names: all photos of a scene in the order of the capture.
        split: `every:N` for `ids[N//2::N]` (NoPe-NeRF, Bian et al., CVPR 2023: N = 8); `family` or
            `family:2` for what it does with Tanks & Temples Family; a file with a name a line or
            a JSON list of names; `none`.

    Raises:
        SplatposeError: the split is not understood, or names photos that are not there.
    """
    if split == "none":
        return ()
    match = _EVERY.fullmatch(split)
    if match:
        rate = int(match[2] or (FAMILY_RATE if match[1] == "family" else 8))
        if rate < 2:
            raise SplatposeError(
                f"The split {split} would leave no photo to train on.", "Use every:2 or more."
            )
        return tuple(names[rate // 2 :: rate])
    return _names_in_file(names, Path(split))


def _names_in_file(names: Sequence[str], path: Path) -> tuple[str, ...]:
    if not is_regular(path):
        raise SplatposeError(
            f"{path} is neither a split nor a file.",
            "Use every:8, family, none, or a file with the name of a test photo a line.",
        )
    try:
        text = read_text(path)
        chosen = json.loads(text) if text.lstrip().startswith("[") else text.split("\n")
        wanted = {name.strip() for name in chosen} - {""}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SplatposeError(
            f"{path} cannot be read as names of photos ({error}).",
            "Give a file with the name of a test photo a line, or a JSON list of names.",
        ) from error
    unknown = sorted(wanted - set(names))
    if unknown:
        raise SplatposeError(
            f"{path} names {len(unknown)} test photos that are not there, {unknown[0]!r} for one.",
            "Give names relative to the folder of photos, as report.json has them.",
        )
    return tuple(name for name in names if name in wanted)
