"""Fronts of houses as one picture each: wall, windows, a door, posters, stains, signs."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .. import prints, surfaces
from ..noise import fbm, mix, rgb, smoothstep

PIXELS = 110
"""A metre of a front."""
TINTS = (
    "#ffffff", "#ffd9b8", "#cfe3ff", "#d8f0c8", "#ffe9a8", "#f3c9d0", "#bcd8cc", "#d9c8f0",
    "#ffc59a", "#c4cbd4", "#e8d6b4", "#a9c4e0",
)  # fmt: skip
PLASTERS = (
    "#c9b48a", "#a9bfb8", "#c79a80", "#b9bba0", "#d8cfc0", "#8fa3b5", "#b5847a", "#d6b75e",
    "#93a878", "#c8c4bb", "#a88fa8", "#7f9a96",
)  # fmt: skip
SHUTTERS = ("#2f5d50", "#8c2f24", "#1f3e5a", "#7a5a3c", "#c98a2b", "#5b3a63", "#e3dccb", "#3b4a2f")
KINDS = ("bricks", "plaster", "planks", "stone", "ivy", "plaster")


def front(width: float, height: float, *, seed: int) -> np.ndarray:
    """A house as it is seen from the street, sRGB [H, W, 3]; metres. No two seeds look alike."""
    rng = np.random.default_rng([seed, 71])
    rows, columns = int(height * PIXELS), int(width * PIXELS)
    canvas = bare_wall(rows, columns, kind=KINDS[seed % len(KINDS)], seed=seed)
    bays = max(2, int(width / rng.uniform(1.35, 1.75)))
    door = int(rng.integers(bays))
    style = int(rng.integers(4))
    colors = [str(c) for c in rng.choice(SHUTTERS, 2, replace=False)]
    bay = columns / bays
    for number in range(bays):
        middle = (number + 0.5 + rng.uniform(-0.07, 0.07)) * bay
        if number == door:
            picture = _door(int(2.15 * PIXELS), int(0.95 * PIXELS), colors, rng)
            _paste(canvas, picture, rows, middle)
        elif rng.random() < 0.72:
            tall, wide = int(rng.uniform(1.0, 1.35) * PIXELS), int(min(0.55 * bay, 0.9 * PIXELS))
            picture = _window(tall, wide, style, colors, rng)
            _paste(canvas, picture, rows - int(0.85 * PIXELS), middle)
        else:
            _notices(canvas, rows - int(0.7 * PIXELS), middle, bay, rng)
        if height > 3.4 and rng.random() < 0.85:
            tall = int(min(rng.uniform(0.7, 1.0), height - 2.75) * PIXELS)
            picture = _window(tall, int(0.5 * bay), style, colors, rng)
            _paste(canvas, picture, rows - int(2.6 * PIXELS), middle)
    if rng.random() < 0.5:
        _sign(canvas, rows - int(2.28 * PIXELS), colors, rng)
    return _weathered(canvas, rng)


def bare_wall(rows: int, columns: int, *, kind: str, seed: int) -> np.ndarray:
    """A wall of "bricks", "plaster", "planks", "stone" or "ivy" in a colour of its own."""
    tint = rgb(TINTS[(seed * 7 + seed // 12) % len(TINTS)])
    if kind == "bricks":
        wall = surfaces.bricks(rows, columns, rows=int(rows / PIXELS / 0.11), seed=seed)[0]
    elif kind == "plaster":
        color = PLASTERS[(seed * 5 + seed // 12) % len(PLASTERS)]
        return surfaces.plaster(rows, columns, seed=seed, color=color)
    elif kind == "planks":
        count = int(columns / PIXELS / 0.19)
        wall = np.rot90(surfaces.planks(columns, rows, count=count, seed=seed, tone=0.1))
        wall = wall[:rows, :columns]
    elif kind == "ivy":
        ground = ("#2f4d3a", "#4a4a30", "#5d3b34")[seed % 3]
        return fine_leaves(rows, columns, seed=seed, ground=ground)
    else:
        from ..stress.rooms import paving

        wall = paving(rows, columns, count=int(rows / PIXELS / 0.4), seed=seed)
    return np.clip(wall * tint * 1.05, 0, 1)


def fine_leaves(rows: int, columns: int, *, seed: int, ground: str) -> np.ndarray:
    """Leaves and berries of half the size that the wallpaper has, which is drawn for rooms."""
    large = surfaces.wallpaper(2 * rows, 2 * columns, seed=seed, ground=ground)
    return large.reshape(rows, 2, columns, 2, 3).mean((1, 3))


def blank_wall(width: float, height: float, *, seed: int) -> np.ndarray:
    """Fresh paint with the faintest of stains: next to nothing to match."""
    rows, columns = int(height * PIXELS), int(width * PIXELS)
    tone = fbm(rows, columns, seed=seed, slope=1.9, coarsest=2)
    return np.clip(rgb("#cdc7b8") * (1 + 0.02 * tone)[..., None], 0, 1)


def _paste(canvas: np.ndarray, picture: np.ndarray, bottom: int, middle: float) -> None:
    """Puts a picture with its lower edge at row `bottom`, centred at column `middle`."""
    high, wide = picture.shape[:2]
    top, left = max(0, bottom - high), int(middle - wide / 2)
    first, last = max(0, left), min(canvas.shape[1], left + wide)
    if last > first and bottom > top:
        part = picture[high - (bottom - top) :, first - left : last - left]
        canvas[top:bottom, first:last] = part


def _window(
    tall: int, wide: int, style: int, colors: list[str], rng: np.random.Generator
) -> np.ndarray:
    """Panes with what stands behind them; some with shutters, flowers, an arch of stones."""
    side = int(0.38 * wide) if style in (1, 3) else 8
    image = Image.new("RGB", (wide + 2 * side, tall + 16), str(rng.choice(SHUTTERS)))
    draw = ImageDraw.Draw(image)
    if side > 8:
        for x in (0, wide + side):
            draw.rectangle([x, 8, x + side - 3, tall + 8], fill=colors[0])
            for y in range(14, tall, int(rng.integers(9, 16))):
                draw.line([(x + 4, y), (x + side - 7, y)], fill=colors[1], width=2)
    box = [side, 8, side + wide, tall + 8]
    draw.rectangle(box, fill=str(rng.choice(["#27313a", "#46545c", "#5c4a38", "#1d2a33"])))
    for _ in range(int(rng.integers(5, 14))):
        x, y = side + rng.random() * wide, 8 + rng.uniform(0.1, 1.0) * tall
        r, fill = rng.uniform(0.04, 0.2) * wide, str(rng.choice(prints.INKS))
        draw.ellipse([x - r, y - r, x + r, y + r * 1.5], fill=fill)
    if rng.random() < 0.6:
        for end in (side, side + wide):
            fold = rng.uniform(0.15, 0.4) * wide * (1 if end == side else -1)
            draw.polygon(
                [(end, 8), (end + fold, 8), (end + 0.3 * fold, tall + 8), (end, tall + 8)],
                fill=str(rng.choice(["#e3d8c0", "#c8a0a0", "#9fb4c4", "#d9c27a"])),
            )
    bars, ledge = str(rng.choice(["#efe8dc", "#4a2f17", colors[1]])), 6
    for share in np.linspace(0, 1, int(rng.integers(2, 4)) + 1):
        x = side + share * wide
        draw.rectangle([x - 3, 8, x + 3, tall + 8], fill=bars)
    for share in np.linspace(0, 1, int(rng.integers(2, 5)) + 1):
        draw.rectangle([side, 5 + share * tall, side + wide, 10 + share * tall], fill=bars)
    draw.rectangle([0, tall + 16 - ledge, wide + 2 * side, tall + 16], fill="#b9b0a0")
    return np.asarray(image) / 255


def _door(tall: int, wide: int, colors: list[str], rng: np.random.Generator) -> np.ndarray:
    """A panelled door with a number, in its frame."""
    image = Image.new("RGB", (wide, tall), str(rng.choice(["#d9cfb8", "#6b6257", "#3a3733"])))
    draw = ImageDraw.Draw(image)
    draw.rectangle([9, 9, wide - 9, tall], fill=colors[1])
    for row in range(int(rng.integers(2, 5))):
        for column in range(2):
            x, y = 18 + column * (wide - 30) / 2, tall * (0.24 + 0.19 * row)
            fill = str(rng.choice([*colors, "#2b2b2f", "#d9cfb8"]))
            draw.rectangle([x, y, x + (wide - 54) / 2, y + tall * 0.14], fill=fill)
    prints.text(draw, (wide / 2, tall * 0.12), str(rng.integers(1, 99)), wide * 0.4, "#eadfc4")
    draw.ellipse([wide - 28, tall * 0.55, wide - 16, tall * 0.55 + 12], fill="#e0c060")
    return np.asarray(image) / 255


def _notices(
    canvas: np.ndarray, bottom: int, middle: float, bay: float, rng: np.random.Generator
) -> None:
    """A poster or two, pasted onto the wall."""
    for shift in (-0.2, 0.22)[: int(rng.integers(1, 3))]:
        own = int(rng.integers(1 << 30))
        wide = int(min(0.38 * bay, 0.8 * PIXELS) * rng.uniform(0.8, 1.1))
        kind = int(rng.integers(3))
        if kind == 0:
            picture = prints.landscape(int(0.7 * wide), wide, seed=own)
        elif kind == 1:
            picture = prints.book_cover(int(1.35 * wide), wide, seed=own)
        else:
            title = str(rng.choice(prints.WORDS))
            picture = prints.poster(int(1.3 * wide), wide, seed=own, title=title)
        lift = int(rng.uniform(0, 0.5) * PIXELS)
        _paste(canvas, picture, bottom - lift, middle + shift * bay)


def _sign(canvas: np.ndarray, bottom: int, colors: list[str], rng: np.random.Generator) -> None:
    """The board of a shop, above the door."""
    words = " ".join(str(word) for word in rng.choice(prints.WORDS, 2, replace=False))
    wide = int(canvas.shape[1] * rng.uniform(0.4, 0.75))
    image = Image.new("RGB", (wide, int(0.36 * PIXELS)), colors[0])
    draw = ImageDraw.Draw(image)
    prints.text(draw, (wide / 2, 0.18 * PIXELS), words, 0.24 * PIXELS, "#f0e6c8")
    draw.rectangle([2, 2, wide - 3, 0.36 * PIXELS - 3], outline=colors[1], width=4)
    middle = canvas.shape[1] * rng.uniform(0.4, 0.6)
    _paste(canvas, np.asarray(image) / 255, bottom, middle)


def _weathered(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stains that run down, a dirty foot and uneven light."""
    rows, columns = canvas.shape[:2]
    seed = int(rng.integers(1 << 30))
    runs = fbm(rows, columns, seed=seed, slope=1.3, stretch=(6, 1), coarsest=4)
    blotch = fbm(rows, columns, seed=seed + 1, slope=1.5, coarsest=2)
    dark = 0.25 * smoothstep(0.6, 2.2, runs) + 0.3 * smoothstep(0.9, 2.0, blotch)
    from_foot = (rows - np.arange(rows))[:, None] / PIXELS
    dark = dark + 0.35 * smoothstep(0.45, 0.0, from_foot + 0.15 * blotch)
    return mix(canvas, rgb("#3b342a"), dark)
