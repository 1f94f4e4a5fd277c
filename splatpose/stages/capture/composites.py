"""Pictures made of several pictures: photos side by side, and contact sheets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from .looks import COARSE_SIDE, Look, detail, details

READ_SIZE = 1280
"""Long side in pixels at which a picture is searched for others."""
_MOST = 12
"""Most pictures in a row or column of a sheet."""
_SHAPE = 0.08
"""Largest difference of the logarithms of two aspects that count as one."""
_COPY = 0.93
"""Least correlation of a part of a picture with the photo that it shows."""
_ALIKE = 0.75
"""Least correlation of two halves that show the same: photo and rendering, or a stereo pair."""
_UNIFORM = 6.0
"""Standard deviation of grey levels along a line up to which it separates pictures."""
_REGULAR = 6
"""Fewest equal parts between uniform lines that make a sheet, whatever they show."""

_FEW = 3
"""Most pictures that lie side by side rather than on a sheet."""
_SMALLEST = 48
"""Shorter side in pixels of the smallest picture on a sheet."""
_SEAM = 1.5
"""Least jump of grey levels where pictures meet, in those between other neighbouring pixels."""

Grey = UInt8[np.ndarray, "_ _"]
Composite = tuple[str, tuple[int, ...]]
"""What a picture is in words, and the photos that it shows, by their numbers."""


class Composites:
    """Recognises pictures that are made of others of the same folder.

    Args:
        looks: all pictures of the folder.
        read: a picture in grey, at most `READ_SIZE` pixels long; None where it cannot be read.
    """

    def __init__(self, looks: Sequence[Look], read: Callable[[int], Grey | None]) -> None:
        self._looks, self._read = looks, read
        sizes = Counter(look.size_class for look in looks)
        self._usual, often = sizes.most_common(1)[0] if sizes else ((0, 0), 0)
        self._has_usual = 2 * often > len(looks) or often > 2
        self._details = details(looks, COARSE_SIDE).reshape(len(looks), COARSE_SIDE**2)
        aspects = Counter(round(look.aspect, 2) for look in looks if look.size_class == self._usual)
        self._aspects = [aspect for aspect, _ in aspects.most_common(2)]

    def find(self) -> dict[int, Composite]:
        """What each composite is, by its number."""
        if len(self._looks) < 3:
            return {}
        found: dict[int, Composite] = {}
        for i, look in enumerate(self._looks):
            if self._has_usual and look.size_class == self._usual:
                continue
            composite = self._describe(i, look)
            if composite is not None:
                found[i] = composite
        return found

    def _describe(self, i: int, look: Look) -> Composite | None:
        grids = self._grids(look)
        if not grids and not _separated(look.grey):
            return None
        grey = self._read(i)
        if grey is None:
            return None
        others = self._details.copy()
        others[i] = 0
        for columns, rows in grids:
            if columns * rows <= _FEW or _has_seams(grey, columns, rows):
                composite = _by_grid(grey, columns, rows, others)
                if composite is not None:
                    return composite
        return _sheet(grey, others)

    def _grids(self, look: Look) -> list[tuple[int, int]]:
        """Columns and rows in which photos of the usual shape would fill the picture."""
        return [
            (columns, rows)
            for columns in range(1, min(_MOST, look.width // _SMALLEST) + 1)
            for rows in range(1, min(_MOST, look.height // _SMALLEST) + 1)
            if columns * rows > 1
            and any(
                abs(np.log(look.aspect * rows / columns / aspect)) <= _SHAPE
                for aspect in self._aspects
            )
        ]


def _by_grid(
    grey: Grey, columns: int, rows: int, others: Float[np.ndarray, "N D"]
) -> Composite | None:
    """What a picture is that equal parts fill without gaps, or with narrow ones."""
    bands = np.array_split(grey, rows, axis=0)
    cells = [part for band in bands for part in np.array_split(band, columns, axis=1)]
    if len(cells) <= _FEW:
        cells = [_trimmed(cell) for cell in cells]
    if min(min(cell.shape) for cell in cells) < COARSE_SIDE // 2:
        return None
    parts, shown = _shown(cells, others)
    if len(shown) >= (1 if len(cells) <= _FEW else max(2, len(cells) / 2)):
        return _named(len(cells)), shown
    if len(cells) == 2 and float(parts[0] @ parts[1]) >= _ALIKE:
        return _named(2), ()
    return None


def _shown(
    cells: list[Grey], others: Float[np.ndarray, "N D"]
) -> tuple[Float[np.ndarray, "C D"], tuple[int, ...]]:
    """Details of parts of a picture, and the photos that they show."""
    parts = np.stack([detail(cell, COARSE_SIDE).ravel() for cell in cells])
    alike = parts @ others.T
    best = alike.argmax(axis=1)
    return parts, tuple(best[alike.max(axis=1) >= _COPY].tolist())


def _has_seams(grey: Grey, columns: int, rows: int) -> bool:
    """Whether grey levels jump where the parts of a grid would meet."""
    for axis, count in ((1, columns), (0, rows)):
        jumps = np.abs(np.diff(grey.astype(np.float32), axis=axis)).mean(axis=1 - axis)
        seams = np.round(np.arange(1, count) * grey.shape[axis] / count).astype(np.int64) - 1
        near = [jumps[max(0, seam - 1) : seam + 2].max() for seam in seams]
        if len(near) and np.mean(near) < _SEAM * np.median(jumps):
            return False
    return True


def _sheet(grey: Grey, others: Float[np.ndarray, "N D"]) -> Composite | None:
    """A contact sheet by the uniform lines between its pictures."""
    across, down = _runs(grey.std(axis=0) > _UNIFORM), _runs(grey.std(axis=1) > _UNIFORM)
    cells = [grey[top:bottom, left:right] for top, bottom in down for left, right in across]
    least = COARSE_SIDE // 2
    cells = [cell for cell in cells if min(cell.shape) >= least and cell.std() > _UNIFORM]
    if len(cells) < 2:
        return None
    _, shown = _shown(cells, others)
    if len(shown) >= max(2, len(cells) / 2) or (shown and len(cells) <= _FEW):
        return _named(len(cells)), shown
    regular = len(across) > 1 and len(down) > 1 and _equal(across) and _equal(down)
    return (_named(len(cells)), shown) if regular and len(cells) >= _REGULAR else None


def _trimmed(cell: Grey) -> Grey:
    """A part of a picture without the uniform lines at its edges, where it shows anything."""
    across, down = cell.std(axis=0) > _UNIFORM, cell.std(axis=1) > _UNIFORM
    if not (across.any() and down.any()):
        return cell
    left, right = np.flatnonzero(across)[[0, -1]]
    top, bottom = np.flatnonzero(down)[[0, -1]]
    return cell[top : bottom + 1, left : right + 1]


def _separated(grey: Grey) -> bool:
    """Whether uniform lines cut a small picture into several parts."""
    return len(_runs(grey.std(axis=0) > _UNIFORM)) * len(_runs(grey.std(axis=1) > _UNIFORM)) > 1


def _runs(busy: Bool[np.ndarray, " L"]) -> list[tuple[int, int]]:
    """Stretches of busy lines; much shorter ones than the longest are captions."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], busy.astype(np.int8), [0]])))
    runs = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
    longest = max((b - a for a, b in runs), default=0)
    return [(a, b) for a, b in runs if b - a >= 0.4 * longest]


def _equal(runs: list[tuple[int, int]]) -> bool:
    lengths = np.array([b - a for a, b in runs])
    return bool(lengths.min() >= 0.95 * lengths.max())


def _named(count: int) -> str:
    few = count <= _FEW
    return f"{count} pictures side by side" if few else f"a contact sheet of {count} pictures"
