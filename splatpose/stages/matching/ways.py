"""Which pairs of photos were tried, and the way in which each was matched: lines "i,j,way" that
outlast interruptions."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from ...io.atomic import replacing


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


def write_tried(path: Path, pairs: Int[ndarray, "P 2"], found: Iterable[tuple[int, int]]) -> None:
    """Writes all pairs that need not be tried again.

    Args:
        pairs: that were asked.
        found: further ones that matched.
    """
    every = np.concatenate([pairs, np.array([*found], np.int64).reshape(-1, 2)])
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.unique(every, axis=0).astype(np.int32).reshape(-1, 2))


def read_tried(path: Path) -> Int[ndarray, "P 2"] | None:
    """Reads what `write_tried` wrote; None for matches of which nobody wrote it."""
    return np.load(path).astype(np.int64) if path.exists() else None
