"""Writes that either happen wholly or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .file_names import shortened
from .json_numbers import without_nan


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yields a temporary path in the same folder; on success it is renamed to `path`.

    On any error the temporary file is removed and whatever was at `path` stays as it was.

    Args:
        durable: wait until the disk has it. What is written anew every few seconds need not.
    """
    path = Path(path)
    # The temporary name must not be too long where the name itself is not.
    prefix, suffix = f".{shortened(path.stem)}.", shortened(path.suffix, 60)
    fd, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=path.parent)
    os.close(fd)
    temporary = Path(name)
    try:
        yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        # mkstemp makes private files; give the usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Removes a folder at once: whoever finds it later finds it whole, whatever ended this.

    What an earlier end left of it goes too; where there is none, nothing happens.
    """
    gone = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    if folder.exists():
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any, version: int = 1, *, durable: bool = True) -> None:
    """Writes a JSON object atomically, with `version` as its first key.

    NaN and infinity are written as null, see `io.json_numbers`. `durable` as in
    `replacing`.
    """
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(json_text(value, version).encode())


def json_text(value: Any, version: int = 1) -> str:
    """The object as `write_json` writes it."""
    text = json.dumps({"version": version, **without_nan(value)}, indent=2, ensure_ascii=False)
    return text + "\n"
