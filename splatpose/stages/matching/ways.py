"""The way in which each pair of photos was matched: lines "i,j,way" that outlast interruptions."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from jaxtyping import Int
from numpy import ndarray


def append_ways(path: Path, ways: Iterable[tuple[int, int, str]]) -> None:
    """Adds the ways of pairs, by photo indices; what is said of a pair last counts."""
    torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write("\n" if torn else "")
        csv.writer(file, lineterminator="\n").writerows(ways)


def read_ways(path: Path, pairs: Int[ndarray, "P 2"]) -> tuple[str, ...]:
    """The way of each pair, "" where none is told; torn lines of an interrupted run are none."""
    if not path.exists():
        return ("",) * len(pairs)
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == 3]
    told = {(int(i), int(j)): way for i, j, way in rows if i.isdecimal() and j.isdecimal()}
    return tuple(told.get((i, j), "") for i, j in pairs.tolist())
