"""Histogram, curves and strips of dots: small charts of one look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from .svg import Axis, decimal, drawing, element, path, text, tick_label

WIDTH, HEIGHT = 500, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 38
_BINS = 36


@dataclass(frozen=True)
class Dot:
    """One value of a strip."""

    position: int
    value: float
    label: str
    target: str
    """Fragment that a click leads to."""
    words: str = ""
    """What the value says of its photo, with {} in its place."""


def histogram(values: Float[np.ndarray, " N"], label: str) -> Markup | None:
    """How often errors in pixels occur, the largest hundredth in the last bar; None without any.

    The median and the 90th percentile are marked.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    median, most, far = (float(np.percentile(values, q)) for q in (50, 90, 99))
    high = max(far * 1.02, 1e-3)
    counts, edges = np.histogram(np.minimum(values, high), _BINS, (0.0, high))
    x, y = _x_axis(0.0, high), _y_axis(0.0, float(counts.max()) * 1.12)
    base = y(0)
    bars = "".join(
        f"M{decimal(x(a) + 0.6)} {decimal(base)}V{decimal(y(n))}H{decimal(x(b) - 0.6)}"
        f"V{decimal(base)}Z"
        for n, a, b in zip(counts, edges, edges[1:], strict=False)
        if n
    )
    marks = [
        _marked(x(median), f"median {median:.2f} px", 0),
        _marked(x(most), f"90 % below {most:.2f} px", 1),
    ]
    parts = [*_grid(y), element("path", d=bars, class_="bars"), *marks]
    parts += _bottom(x, "reprojection error, px")
    return drawing(WIDTH, HEIGHT, label, *parts, class_="chart")


def curve(
    steps: Sequence[float],
    values: Sequence[float],
    label: str,
    *,
    log: bool = False,
    area: bool = False,
) -> Markup | None:
    """A value over the training steps; None where fewer than two are finite.

    Args:
        log: logarithmic values, where all are positive.
        area: shade what is below, for counts that begin at zero.
    """
    points = [
        (s, v)
        for s, v in zip(steps, values, strict=True)
        if math.isfinite(v) and (v > 0 or not log)
    ]
    if len(points) < 2:
        return None
    low, high = min(v for _, v in points), max(v for _, v in points)
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    low, high = (low / 1.15, high * 1.15) if log else (low - margin, high + margin)
    x = _x_axis(min(points[0][0], 0), points[-1][0])
    y = _y_axis(0 if area else low, high, log=log)
    line = [(x(s), y(v)) for s, v in points]
    parts = _grid(y)
    if area:
        below = [(line[0][0], y(0)), *line, (line[-1][0], y(0))]
        parts.append(element("path", d=path(below, closed=True), class_="area"))
    parts.append(element("path", d=path(line), class_="line"))
    parts.append(element("circle", cx=line[-1][0], cy=line[-1][1], r=3.5, class_="end"))
    parts += _bottom(x, "training step")
    return drawing(WIDTH, HEIGHT, label, *parts, class_="chart")


def strip(
    series: Sequence[tuple[str, Sequence[Dot]]],
    label: str,
    *,
    floor: float,
    unit: str,
    batched: bool = False,
) -> Markup | None:
    """Dots over the photos in order, one kind of dot a series, on a logarithmic scale.

    Args:
        series: class of the dots, and the dots.
        floor: smaller values, zero among them, are drawn here.
        unit: after the tick's numbers.
        batched: draw the dots of a series as one path without links; the page's script finds the
            photo under a pointer by its place.
    """
    dots = [dot for _, row in series for dot in row if math.isfinite(dot.value)]
    if not dots:
        return None
    low = max(min(dot.value for dot in dots), floor) / 1.5
    high = max(*(dot.value for dot in dots), 10 * low) * 1.5
    count = max(dot.position for dot in dots) + 2
    x = _x_axis(0.0, float(count))
    y = _y_axis(low, high, log=True)
    parts = _grid(y, unit)
    for kind, row in series:
        finite = [dot for dot in row if math.isfinite(dot.value)]
        places = [(x(dot.position + 1), y(max(dot.value, floor))) for dot in finite]
        parts += (_batch if batched else _linked)(kind, finite, places)
        if finite:
            middle = y(max(float(np.median([dot.value for dot in finite])), floor))
            ends = [(x.start, middle), (x.end, middle)]
            parts.append(element("path", d=path(ends), class_=f"median {kind}"))
    parts += _bottom(x, "photo, in order of names")
    if batched:
        frame = " ".join(map(decimal, (x.start, x.end, count)))
        return drawing(WIDTH, HEIGHT, label, *parts, class_="chart strip", data_frame=frame)
    return drawing(WIDTH, HEIGHT, label, *parts, class_="chart")


def _linked(kind: str, dots: Sequence[Dot], places: Sequence[tuple[float, float]]) -> list[Markup]:
    """Each dot a link that says what it is."""
    return [
        element(
            "a",
            element("title", dot.label),
            _diamond(*at) if kind == "second" else _disc(*at),
            href=dot.target,
            class_=f"dot {kind}",
        )
        for dot, at in zip(dots, places, strict=True)
    ]


def _batch(kind: str, dots: Sequence[Dot], places: Sequence[tuple[float, float]]) -> list[Markup]:
    """All dots as lines of no length, whose ends are round or square, with their values."""
    d = "".join(f"M{decimal(round(x, 1))} {decimal(round(y, 1))}h0" for x, y in places)
    values = {dot.position: f"{dot.value:.3g}" for dot in dots}
    told = " ".join(values.get(at, "") for at in range(max(values, default=-1) + 1))
    words = dots[0].words if dots else ""
    return [element("path", d=d, class_=f"dots {kind}", data_values=told, data_words=words)]


def _x_axis(low: float, high: float) -> Axis:
    return Axis(low, high, _LEFT, WIDTH - _RIGHT)


def _y_axis(low: float, high: float, *, log: bool = False) -> Axis:
    return Axis(low, high, HEIGHT - _BOTTOM, _TOP, log)


def _grid(y: Axis, unit: str = "") -> list[Markup]:
    parts = []
    for value in y.ticks(4):
        at = y(value)
        ends = [(_LEFT, at), (WIDTH - _RIGHT, at)]
        parts.append(element("path", d=path(ends), class_="grid"))
        parts.append(text(tick_label(value) + unit, _LEFT - 7, at + 4, "tick", "end"))
    return parts


def _bottom(x: Axis, title: str) -> list[Markup]:
    at = HEIGHT - _BOTTOM
    parts = [element("path", d=path([(_LEFT, at), (WIDTH - _RIGHT, at)]), class_="axis")]
    parts += [text(tick_label(v), x(v), at + 16, "tick", "middle") for v in x.ticks(6)]
    parts.append(text(title, WIDTH - _RIGHT, HEIGHT - 3, "tick title", "end"))
    return parts


def _marked(x: float, words: str, row: int) -> Markup:
    ends = [(x, _TOP + 14.0 * row + 2), (x, float(HEIGHT - _BOTTOM))]
    side = 5 if x < WIDTH * 0.7 else -5
    where = text(words, x + side, _TOP + 14.0 * row + 9, "note", "start" if side > 0 else "end")
    return element("g", element("path", d=path(ends), class_="mark"), where)


def _disc(x: float, y: float) -> Markup:
    return element("circle", cx=x, cy=y, r=3)


def _diamond(x: float, y: float) -> Markup:
    corners = [(x, y - 4), (x + 4, y), (x, y + 4), (x - 4, y)]
    return element("path", d=path(corners, closed=True))
