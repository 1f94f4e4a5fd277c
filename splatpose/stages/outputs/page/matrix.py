"""Which photos share matches with which, as a square of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from markupsafe import Markup

from ....scene.matches import MatchGraph
from .support import PairSupport
from .svg import decimal, drawing, element, text

LEVELS = (1, 15, 50, 150, 500)
"""Verified matches from which on a cell is a shade darker: about three times as many a step."""
_SIDE = 560.0
_LEFT, _TOP = 30.0, 20.0
_SEPARATE = 80
"""Most photos with which cells stand apart; with more, cells touch and runs of equal ones are drawn
as one."""


@dataclass(frozen=True)
class Matrix:
    """The picture, and what a pointer over it is told."""

    picture: Markup
    pairs: list[list[int]]
    """Rows (photo, photo, verified matches, percent that agree or -1, row of `ways` or -1) of the
    pairs that have verified matches or a way."""
    ways: list[str]
    """How pairs were matched, each way once."""
    contradicted: int
    """Pairs most of whose matches contradict the poses."""
    frame: tuple[float, float, float]
    """Left, top and side of the square in the picture's units."""


def match_matrix(graph: MatchGraph, support: PairSupport, num_photos: int) -> Matrix | None:
    """The matrix of verified matches; None with fewer than two photos."""
    if num_photos < 2:
        return None
    count = graph.num_verified
    shade = np.zeros((num_photos, num_photos), np.int64)
    i, j = graph.pairs[:, 0], graph.pairs[:, 1]
    shade[i, j] = shade[j, i] = np.searchsorted(LEVELS, count, side="right")
    cell = _SIDE / num_photos
    gap = min(1.2, 0.08 * cell) if num_photos <= _SEPARATE else 0.0
    ground = element("rect", x=_LEFT, y=_TOP, width=_SIDE, height=_SIDE, class_="ground")
    parts = [ground, element("path", d=_diagonal(num_photos, cell), class_="diagonal")]
    for level in range(1, len(LEVELS) + 1):
        d = _cells(shade, level, cell, gap)
        if d:
            parts.append(element("path", d=d, class_=f"m{level}"))
    bad = np.flatnonzero(support.contradicted)
    if len(bad):
        parts.append(element("path", d=_outlines(graph.pairs[bad], cell), class_="against"))
    parts += _numbers(num_photos, cell)
    label = (
        f"Verified matches between {num_photos} photos: {int((count > 0).sum())} pairs have any, "
        f"{len(bad)} contradict the poses"
    )
    agree = np.where(np.isfinite(support.agreeing), np.round(100 * support.agreeing), -1)
    ways = sorted({*graph.ways} - {""})
    way = np.array([ways.index(w) if w else -1 for w in graph.ways] or [-1] * len(count), int)
    told = (count > 0) | (way >= 0)
    rows = np.column_stack([i, j, count, np.nan_to_num(agree, nan=-1), way])[told].astype(int)
    return Matrix(
        drawing(_SIDE + _LEFT + 2, _SIDE + _TOP + 2, label, *parts, class_="matrix"),
        rows.tolist(),
        ways,
        len(bad),
        (_LEFT, _TOP, _SIDE),
    )


def _cells(shade: Int[np.ndarray, "V V"], level: int, cell: float, gap: float) -> str:
    """All cells of one shade as one path."""
    parts = []
    for row, own in enumerate(shade == level):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], own.astype(np.int8), [0]])))
        for start, end in edges.reshape(-1, 2).tolist():
            stops = range(start, end) if gap else (start,)
            width = 1 if gap else end - start
            for column in stops:
                x, y = _LEFT + cell * column + gap / 2, _TOP + cell * row + gap / 2
                w, h = decimal(cell * width - gap), decimal(cell - gap)
                parts.append(f"M{decimal(x)} {decimal(y)}h{w}v{h}h-{w}z")
    return "".join(parts)


def _outlines(pairs: Int[np.ndarray, "B 2"], cell: float) -> str:
    side = decimal(max(cell, 4))
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return "".join(
        f"M{decimal(_LEFT + cell * b)} {decimal(_TOP + cell * a)}h{side}v{side}h-{side}z"
        for a, b in both.tolist()
    )


def _diagonal(num_photos: int, cell: float) -> str:
    end = cell * num_photos
    return f"M{decimal(_LEFT)} {decimal(_TOP)}l{decimal(end)} {decimal(end)}"


def _numbers(num_photos: int, cell: float) -> list[Markup]:
    """Every few photos' numbers at the top and the left."""
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if num_photos <= 16 * n)
    parts = []
    for number in sorted({1, *range(every, num_photos + 1, every)}):
        at = cell * (number - 0.5)
        parts.append(text(str(number), _LEFT + at, _TOP - 7, "tick", "middle"))
        parts.append(text(str(number), _LEFT - 7, _TOP + at + 4, "tick", "end"))
    return parts
