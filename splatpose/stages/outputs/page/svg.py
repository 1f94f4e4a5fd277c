"""Inline SVG as escaped markup, and axes that map values to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """One SVG element. Text is escaped, markup is not; `class_` is class, `stroke_width` is
    stroke-width, and an attribute that is None is left out."""
    words = [tag]
    for key, value in attributes.items():
        if value is not None:
            text = value if isinstance(value, str) else decimal(value)
            words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    inner = Markup("").join(children)
    return Markup(f"<{' '.join(words)}>{inner}</{tag}>")


def drawing(
    width: float, height: float, label: str, *children: str, class_: str = "", **data: str
) -> Markup:
    """A picture that scales with the page and says what it shows; `data` are attributes for the
    page's script."""
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {decimal(width)} {decimal(height)}",
        role="img",
        aria_label=label,
        class_=class_ or None,
        **data,
    )


def text(content: str, x: float, y: float, class_: str = "", anchor: str = "start") -> Markup:
    """A line of text whose baseline is at y."""
    return element("text", content, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def decimal(value: float) -> str:
    """A coordinate to a hundredth, as short as can be.

    Raises:
        ValueError: it is NaN or infinite, which no browser can draw.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be drawn")
    digits = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def path(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    """The d attribute of a polyline or polygon."""
    line = "L".join(f"{decimal(x)} {decimal(y)}" for x, y in points)
    return f"M{line}{'Z' if closed else ''}" if points else ""


@dataclass(frozen=True)
class Axis:
    """Maps values in [low, high] to pixels in [start, end]."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values along the axis: decades, or multiples of 1, 2 or 5 times a power of ten."""
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            fine = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
            fine = [value for value in fine if self.low <= value <= self.high]
            if last - first < 2 and fine:
                return fine
            every = max(1, math.ceil((last - first + 1) / most))
            return [10.0**k for k in range(first, last + 1, every)]
        step = nice_step((self.high - self.low) / most)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def nice_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `least`."""
    if not least > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def tick_label(value: float) -> str:
    """A tick's value without needless digits: 0.05, 20, 5,000, 40k, 1.5M."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:,.10g}"
