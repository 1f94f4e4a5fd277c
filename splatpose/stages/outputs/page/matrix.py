"""Which photos share matches with which, as a square of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from markupsafe import Markup

from ....scene.matches import MatchGraph
from .listing import is_many
from .pair_picture import packed, pictured, shaded
from .support import PairSupport
from .svg import decimal, drawing, element, text

LEVELS = (1, 15, 50, 150, 500)
"""Verified matches from which on a cell is a shade darker: about three times as many a step."""
_SIDE = 560.0
_LEFT, _TOP = 30.0, 20.0
_WIDER = 14.0
"""Further room on the left for numbers of four digits."""
_SEPARATE = 80
"""Most photos with which cells stand apart; with more, cells touch and runs of equal ones are drawn
as one."""


@dataclass(frozen=True)
class Matrix:
    """The picture, and what a pointer over it is told."""

    picture: Markup
    pairs: list[list[int]] | str
    """Rows (photo, photo, verified matches, percent that agree or -1, row of `ways` or -1) of the
    pairs that have verified matches or a way; of many photos as `pair_picture.packed` has them."""
    least: int
    """Verified matches below which pairs are left out of `pairs`."""
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
    bad = np.flatnonzero(support.contradicted)
    frame = (_LEFT + (_WIDER if num_photos >= 1000 else 0.0), _TOP, _SIDE)
    levels = np.searchsorted(LEVELS, count, side="right")
    parts = [_ground(frame), element("path", d=_diagonal(frame), class_="diagonal")]
    if is_many(num_photos):
        parts += _pictures(graph.pairs, levels, bad, num_photos, frame)
    else:
        parts += _paths(graph.pairs, levels, bad, num_photos)
    parts += _numbers(num_photos, frame)
    label = (
        f"Verified matches between {num_photos} photos: {int((count > 0).sum())} pairs have any, "
        f"{len(bad)} contradict the poses"
    )
    ways = sorted({*graph.ways} - {""})
    rows, least = _told(graph, support, ways), 0
    if is_many(num_photos):
        pairs, least = packed(rows)
    else:
        pairs = rows.tolist()
    return Matrix(
        drawing(_SIDE + frame[0] + 2, _SIDE + _TOP + 2, label, *parts, class_="matrix"),
        pairs,
        least,
        ways,
        len(bad),
        frame,
    )


def _told(graph: MatchGraph, support: PairSupport, ways: list[str]) -> Int[np.ndarray, "P 5"]:
    """Rows of `Matrix.pairs`."""
    count = graph.num_verified
    agree = np.where(np.isfinite(support.agreeing), np.round(100 * support.agreeing), -1)
    number = {"": -1, **{way: place for place, way in enumerate(ways)}}
    way = np.array([number[w] for w in graph.ways] or [-1] * len(count), int)
    told = (count > 0) | (way >= 0)
    return np.column_stack([graph.pairs, count, np.nan_to_num(agree, nan=-1), way])[told].astype(
        int
    )


def _paths(
    pairs: Int[np.ndarray, "P 2"],
    levels: Int[np.ndarray, " P"],
    bad: Int[np.ndarray, " B"],
    num_photos: int,
) -> list[Markup]:
    """Cells of one shade as one path, and outlines of those that contradict the poses."""
    shade = np.zeros((num_photos, num_photos), np.int64)
    i, j = pairs[:, 0], pairs[:, 1]
    shade[i, j] = shade[j, i] = levels
    cell = _SIDE / num_photos
    gap = min(1.2, 0.08 * cell) if num_photos <= _SEPARATE else 0.0
    parts = []
    for level in range(1, len(LEVELS) + 1):
        d = _cells(shade, level, cell, gap)
        if d:
            parts.append(element("path", d=d, class_=f"m{level}"))
    if len(bad):
        parts.append(element("path", d=_outlines(pairs[bad], cell), class_="against"))
    return parts


def _pictures(
    pairs: Int[np.ndarray, "P 2"],
    levels: Int[np.ndarray, " P"],
    bad: Int[np.ndarray, " B"],
    num_photos: int,
    frame: tuple[float, float, float],
) -> list[Markup]:
    """All cells as one picture, and one of those that contradict the poses."""
    parts = [shaded(pictured(pairs, levels, num_photos), "shades", frame, "m5")]
    if len(bad):
        most = np.full(len(bad), len(LEVELS))
        cells = pictured(pairs[bad], most, num_photos)
        parts.append(shaded(cells, "against", frame, "denied"))
    return parts


def _ground(frame: tuple[float, float, float]) -> Markup:
    left, top, side = frame
    return element("rect", x=left, y=top, width=side, height=side, class_="ground")


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


def _diagonal(frame: tuple[float, float, float]) -> str:
    left, top, side = map(decimal, frame)
    return f"M{left} {top}l{side} {side}"


def _numbers(num_photos: int, frame: tuple[float, float, float]) -> list[Markup]:
    """Every few photos' numbers at the top and the left."""
    left, top, side = frame
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if num_photos <= 16 * n)
    parts = []
    for number in sorted({1, *range(every, num_photos + 1, every)}):
        at = side * (number - 0.5) / num_photos
        beyond = number > 99 and at > 0.97 * side
        x, anchor = (left + side + 2, "end") if beyond else (left + at, "middle")
        parts.append(text(str(number), x, top - 7, "tick", anchor))
        parts.append(text(str(number), left - 7, top + at + 4, "tick", "end"))
    return parts
