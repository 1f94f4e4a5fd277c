"""`--json`, the same in all commands: `--json FILE` writes an object, `-` or no name prints it.

What a person reads goes to stderr while stdout is for the object.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from ..io.atomic import json_text, write_json

STDOUT = "-"


def with_target(words: Sequence[str]) -> list[str]:
    """The command line with `-` after a `--json` that names no file."""
    result: list[str] = []
    for place, word in enumerate(words):
        result.append(word)
        following = words[place + 1] if place + 1 < len(words) else "--"
        if word == "--json" and following.startswith("-") and following != STDOUT:
            result.append(STDOUT)
    return result


class JsonTarget:
    """Where a command's figures go; nowhere without a name."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stdout = sys.stdout

    @contextmanager
    def leaving_stdout(self) -> Iterator[JsonTarget]:
        """Sends what is printed meanwhile to stderr, where stdout is for the object."""
        if self._path != Path(STDOUT):
            yield self
            return
        with redirect_stdout(sys.stderr):
            yield self

    def write(self, value: dict[str, Any]) -> None:
        """Writes or prints the object."""
        if self._path is None:
            return
        if self._path == Path(STDOUT):
            self._stdout.write(json_text(value))
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path, value)
