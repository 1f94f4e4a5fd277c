"""Replacing all outputs of a folder at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .layout import FILES, MODEL, REPORT

_PART = ".outputs.part"
_OLD = ".outputs.old"


@contextmanager
def new_part(out: Path) -> Iterator[Path]:
    """An empty folder in which outputs are written aside; gone at the exit, whatever happens."""
    part = out / _PART
    for leftover in (part, out / _OLD):
        if leftover.exists():
            shutil.rmtree(leftover)
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def put_in_place(part: Path, out: Path) -> None:
    """Renames everything into `out`; the report is gone first and comes last.

    A folder with a report is therefore one whose files belong together.
    """
    old = out / _OLD
    old.mkdir()
    (out / MODEL).parent.mkdir(exist_ok=True)
    (out / REPORT).unlink(missing_ok=True)
    for name in FILES:
        if (out / name).is_dir():
            (out / name).rename(old / name.replace("/", "_"))
        if (part / name).exists():
            (part / name).replace(out / name)
        else:  # could not be made this time: an earlier run's would be of other poses
            (out / name).unlink(missing_ok=True)
    shutil.rmtree(old)
