"""Which files show the same exposure: smaller, turned and second copies, and crops."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from .looks import COARSE_SIDE, Look, correlations, details, nearly_same, same_shape

CopyKind = Literal["smaller copy", "turned copy", "second copy", "crop"]

_SAME = 0.95
"""Least correlation of a copy at another size with its original, whatever their names."""
_SAME_NAME = 0.88
"""Least correlation at `COARSE_SIDE` for files of one name, which may be very small copies."""
_SAME_FOLDER = 0.6
"""Least correlation in a folder that holds copies otherwise, each of its own name."""
_MOSTLY = 0.6
"""Share of a folder's files from which on it holds copies."""
_NEAR = 0.97
"""Correlation of two photos of one size from which on they are looked at closely."""
_SAME_AREA = 0.02
"""Relative difference of areas up to which photos are of one size."""
_MOST_TURNED = 1000
"""Most photos among which turned copies are looked for."""


@dataclass(frozen=True)
class Copy:
    """A file that shows no other exposure than `original`."""

    copy: int
    original: int
    kind: CopyKind


def find_copies(looks: Sequence[Look]) -> list[Copy]:
    """Copies, each with the original that would stay: the largest, then that of the fuller folder.

    Photos of one size are copies only where their names agree too: a burst is no copy.
    """
    if len(looks) < 2:
        return []
    alike = _alike(looks)
    rank = _ranks(looks)
    found = []
    for i in range(len(looks)):
        # The best ranked of all that it is a copy of, so that originals stay originals.
        over = [j for j in np.flatnonzero(alike.any[i]).tolist() if rank[j] < rank[i]]
        if over:
            original = min(over, key=lambda j: rank[j])
            found.append(Copy(i, original, _kind(looks[i], looks[original], alike, i, original)))
    return found


def exposure_numbers(
    looks: Sequence[Look], parts: Sequence[tuple[int, int]] = ()
) -> tuple[int, ...]:
    """For each photo the number of what it shows: equal for near-copies, bursts among them.

    What is nearly the same as a near-copy counts as one too.

    Args:
        looks: the photos.
        parts: pairs of which one photo is known to show part of the other.
    """
    groups = _Groups(len(looks))
    for i, j in parts:
        groups.join(i, j)
    if len(looks) > 1:
        alike = _alike(looks)
        for i, j in np.argwhere(np.triu(alike.any, 1)).tolist():
            groups.join(i, j)
        close = np.triu((alike.fine >= _NEAR) & alike.same_area, 1)
        for i, j in np.argwhere(close).tolist():
            # Of a long burst only neighbours are compared.
            if groups.leader(i) != groups.leader(j) and nearly_same(looks[i], looks[j]):
                groups.join(i, j)
    number: dict[int, int] = {}
    return tuple(number.setdefault(groups.leader(i), len(number)) for i in range(len(looks)))


class _Groups:
    """Sets of photos that grow together, each led by its first."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def leader(self, i: int) -> int:
        while self._above[i] != i:
            self._above[i] = self._above[self._above[i]]
            i = self._above[i]
        return i

    def join(self, i: int, j: int) -> None:
        first, second = sorted((self.leader(i), self.leader(j)))
        self._above[second] = first


@dataclass(frozen=True)
class _Alike:
    any: Bool[np.ndarray, "N N"]
    turned: Bool[np.ndarray, "N N"]
    fine: Float[np.ndarray, "N N"]
    same_area: Bool[np.ndarray, "N N"]


def _alike(looks: Sequence[Look]) -> _Alike:
    upright, fine = same_shape(looks), details(looks)
    coarse = details(looks, COARSE_SIDE)
    full = correlations(fine, fine)
    areas = np.log([look.width * look.height for look in looks])
    same_area = np.abs(areas[:, None] - areas[None, :]) <= _SAME_AREA
    stems = np.unique([look.stem for look in looks], return_inverse=True)[1]
    named = stems[:, None] == stems[None, :]
    rough = correlations(coarse, coarse)
    other_size = upright & ~same_area
    smaller = other_size & ((full >= _SAME) | (named & (rough >= _SAME_NAME)))
    smaller |= other_size & named & (rough >= _SAME_FOLDER) & _copying_folders(looks, smaller)
    second = upright & same_area & named & (full >= _NEAR)
    for i, j in np.argwhere(np.triu(second, 1)):
        second[i, j] = second[j, i] = nearly_same(looks[i], looks[j], strict=False)
    turned = _turned(looks, fine) & ~smaller & ~second
    everything = smaller | second | turned
    np.fill_diagonal(everything, False)
    return _Alike(everything, turned, full, same_area & upright)


def _copying_folders(
    looks: Sequence[Look], smaller: Bool[np.ndarray, "N N"]
) -> Bool[np.ndarray, "N N"]:
    """Pairs of photos of two folders, of which one holds copies of the other's."""
    folders = [look.folder for look in looks]
    total, copies = Counter(folders), defaultdict(set)
    areas = [look.width * look.height for look in looks]
    for i, j in np.argwhere(smaller):
        if areas[i] < areas[j] and folders[i] != folders[j]:
            copies[folders[i], folders[j]].add(int(i))
    copying = {pair for pair, which in copies.items() if len(which) >= _MOSTLY * total[pair[0]]}
    names, number = np.unique(folders, return_inverse=True)
    table = np.zeros((len(names), len(names)), bool)
    place = {name: k for k, name in enumerate(names.tolist())}
    for one, other in copying:
        table[place[one], place[other]] = table[place[other], place[one]] = True
    return table[number][:, number]


def _turned(looks: Sequence[Look], fine: Float[np.ndarray, "N S S"]) -> Bool[np.ndarray, "N N"]:
    """Copies turned by quarters or mirrored, which upright ones have no such likeness to."""
    count = len(looks)
    found = np.zeros((count, count), bool)
    if count > _MOST_TURNED:
        return found
    for mirrored in (False, True):
        for quarters in range(4):
            if not (mirrored or quarters):
                continue
            changed = fine[:, :, ::-1] if mirrored else fine
            changed = np.rot90(changed, quarters, axes=(1, 2))
            shape = same_shape(looks, turned=bool(quarters % 2))
            alike = shape & (correlations(fine, np.ascontiguousarray(changed)) >= _SAME)
            found |= alike | alike.T
    # What looks the same to itself when turned, a ring say, tells nothing.
    symmetric = np.diagonal(found)
    return found & ~symmetric[:, None] & ~symmetric[None, :]


def _ranks(looks: Sequence[Look]) -> list[int]:
    full = Counter(look.folder for look in looks)

    def key(i: int) -> tuple[int, int, int, int]:
        look = looks[i]
        return -look.width * look.height, -full[look.folder], look.name.count("/"), i

    order = sorted(range(len(looks)), key=key)
    ranks = [0] * len(looks)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks


def _kind(copy: Look, original: Look, alike: _Alike, i: int, j: int) -> CopyKind:
    if alike.turned[i, j]:
        return "turned copy"
    smaller = copy.width * copy.height < (1 - _SAME_AREA) * original.width * original.height
    return "smaller copy" if smaller else "second copy"
