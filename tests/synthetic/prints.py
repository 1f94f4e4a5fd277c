"""Printed and painted things of the synthetic scenes: books, posters, a globe, a clock, letters.

Every text is set in the font that Pillow carries inside itself, so no font file is needed.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .noise import fbm, fbm_at, mix, ramp, rgb, smoothstep
from .surfaces import sphere_points

WORDS = (
    "LIGHT", "RAYS", "CAMERA", "FIELD", "DEPTH", "MOTION", "STONES",
    "RIVER", "NORTH", "GARDEN", "ATLAS", "VOYAGE", "SPLAT", "POSES",
    "WINTER", "NOTES", "SIGNAL", "ORBIT", "HARBOUR", "MEADOW", "COPPER",
    "VIOLET", "ECHO", "TIDE", "PRISM", "LENS", "FOREST",
)  # fmt: skip
INKS = ("#8c2f24", "#1f3e5a", "#2f5d50", "#c98a2b", "#5b3a63", "#d9cfb8", "#2b2b2f", "#a65b3a")


def aged(image: Image.Image, *, seed: int, amount: float = 0.06) -> np.ndarray:
    """The drawing as an array with the unevenness of real paper."""
    value = np.asarray(image.convert("RGB")) / 255
    tone = fbm(*value.shape[:2], seed=seed, slope=1.2, coarsest=3)
    return np.clip(value * (1 + amount * tone[..., None]), 0, 1)


def text(
    draw: ImageDraw.ImageDraw, xy: tuple[float, float], word: str, size: float, fill: str
) -> None:
    """Sets a word centred at `xy`, `size` pixels tall."""
    draw.text(xy, word, font=ImageFont.load_default(max(8, int(size))), fill=fill, anchor="mm")


def book_cover(height: int, width: int, *, seed: int) -> np.ndarray:
    """A book's front: frame, title, author and an abstract picture."""
    rng = np.random.default_rng(seed)
    ground, ink, accent = (str(c) for c in rng.choice(INKS, 3, replace=False))
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    m = width // 16
    draw.rectangle([m, m, width - m, height - m], outline=ink, width=max(2, m // 3))
    for _ in range(14):
        x, y = rng.uniform(2 * m, width - 2 * m), rng.uniform(height * 0.38, height * 0.86)
        r = rng.uniform(0.04, 0.16) * width
        fill = str(rng.choice([ink, accent, "#e9dcc0", "#3b3330"]))
        if rng.random() < 0.5:
            draw.ellipse([x - r, y - r, x + r, y + r], fill=fill, outline=ground, width=3)
        else:
            draw.regular_polygon(
                (x, y, r), int(rng.integers(3, 7)), int(rng.integers(360)), fill=fill
            )
    draw.rectangle([m * 2, m * 2, width - m * 2, height * 0.34], fill=accent)
    for line, word in enumerate(rng.choice(WORDS, 2, replace=False)):
        text(draw, (width / 2, height * (0.15 + 0.11 * line)), str(word), width * 0.14, ground)
    text(draw, (width / 2, height * 0.9), f"volume {rng.integers(1, 30)}", width * 0.07, ink)
    return aged(image, seed=seed)


def book_spine(length: int, thickness: int, *, seed: int) -> np.ndarray:
    """A book's spine, title along x: [thickness, length, 3]."""
    rng = np.random.default_rng(seed)
    ground, ink, accent = (str(c) for c in rng.choice(INKS, 3, replace=False))
    image = Image.new("RGB", (length, thickness), ground)
    draw = ImageDraw.Draw(image)
    for x in (0.05, 0.09, 0.75, 0.9):
        jitter = x + rng.uniform(-0.02, 0.02)
        draw.rectangle([jitter * length, 0, (jitter + 0.015) * length, thickness], fill=accent)
    words = " ".join(str(word) for word in rng.choice(WORDS, 2, replace=False))
    text(draw, (length * 0.43, thickness / 2), words, min(thickness * 0.62, length * 0.085), ink)
    draw.regular_polygon(
        (length * 0.83, thickness / 2, thickness * 0.3), int(rng.integers(3, 8)), fill=ink
    )
    return aged(image, seed=seed)


def page_edges(height: int, width: int, *, seed: int) -> np.ndarray:
    """The side of a paper block: fine uneven lines along x."""
    lines = fbm(height, width, seed=seed, slope=0.7, stretch=(1, 30), coarsest=8)
    return rgb("#e3d6ba") * (1 + 0.09 * lines)[..., None]


def page(height: int, width: int, *, seed: int) -> np.ndarray:
    """A printed page: heading, words in lines, a diagram."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), "#efe6d0")
    draw = ImageDraw.Draw(image)
    text(draw, (width / 2, height * 0.07), str(rng.choice(WORDS)), width * 0.11, "#7a2f2a")
    y = height * 0.14
    while y < height * 0.95:
        if height * 0.42 < y < height * 0.66:
            y += 4
            continue
        x = width * 0.08
        while x < width * 0.9:
            w = rng.uniform(0.03, 0.12) * width
            draw.rectangle([x, y, min(x + w, width * 0.92), y + height * 0.012], fill="#3a3733")
            x += w + 0.02 * width
        y += height * 0.03
    for _ in range(9):
        x, yy = rng.uniform(0.15, 0.85) * width, rng.uniform(0.45, 0.62) * height
        r = rng.uniform(0.03, 0.1) * width
        draw.ellipse([x - r, yy - r, x + r, yy + r], outline=str(rng.choice(INKS)), width=5)
    return aged(image, seed=seed)


def poster(height: int, width: int, *, seed: int, title: str) -> np.ndarray:
    """A poster: bold shapes in layers under a title."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), "#e8dcc0")
    draw = ImageDraw.Draw(image)
    for _ in range(70):
        x, y = rng.random() * width, rng.uniform(0.2, 1.0) * height
        r, fill = rng.uniform(0.02, 0.16) * width, str(rng.choice(INKS))
        kind = rng.integers(3)
        if kind == 0:
            draw.ellipse([x - r, y - r, x + r, y + r], fill=fill)
        elif kind == 1:
            draw.regular_polygon(
                (x, y, r), int(rng.integers(3, 7)), int(rng.integers(360)), fill=fill
            )
        else:
            draw.arc(
                [x - r, y - r, x + r, y + r],
                rng.integers(360),
                rng.integers(360),
                fill=fill,
                width=9,
            )
    draw.rectangle([0, 0, width, height * 0.2], fill="#26323a")
    text(draw, (width / 2, height * 0.1), title, width * 1.35 / max(len(title), 4), "#eadfc4")
    draw.rectangle([0, 0, width - 1, height - 1], outline="#3a2418", width=max(6, width // 40))
    return aged(image, seed=seed)


def landscape(height: int, width: int, *, seed: int) -> np.ndarray:
    """A framed painting: sky, ridges into the distance, a lake, brush strokes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / (height, width)[0]
    stroke = fbm(height, width, seed=seed, slope=1.0, stretch=(1, 3), coarsest=6)
    color = ramp(y * 1.6 + 0.07 * stroke, (0, "#4f7fa8"), (0.5, "#e3b98a"), (0.8, "#f0d9a8"))
    sun = np.hypot(y - 0.3, x - 0.7 * width / height)
    color = mix(color, rgb("#fff0c4"), smoothstep(0.09, 0.07, sun))
    tones = ("#8d8fa6", "#6b7a8c", "#4f6b66", "#3c5a3f", "#2a4029")
    for number, tone in enumerate(tones):
        ridge = np.cumsum(rng.normal(size=width)) / np.sqrt(width)
        ridge = np.convolve(np.pad(ridge, 8, "edge"), np.ones(17) / 17, "valid")
        line = 0.36 + 0.12 * number + 0.12 * (ridge - ridge.mean())
        inside = smoothstep(0.0, 0.01, y - line[None])
        color = mix(color, rgb(tone) * (1 + 0.16 * stroke)[..., None], inside)
    frame = np.minimum.reduce([y, 1 - y, x, width / height - x])
    wood = ramp(
        0.5 + 0.2 * fbm(height, width, seed=seed + 9, slope=1.0), (0, "#4a2f17"), (1, "#c59a4d")
    )
    return mix(color, wood, smoothstep(0.07, 0.06, frame))


def globe(*, seed: int, size: int = 768) -> np.ndarray:
    """An invented world as a latitude-longitude map, with a graticule and place names."""
    points = sphere_points(size, 2 * size)
    height = fbm_at(points, seed=seed, scale=1.5, octaves=6)
    detail = fbm_at(points, seed=seed + 1, scale=7, octaves=4)
    sea = ramp(height + 0.06 * detail, (-1.6, "#1f4f74"), (-0.3, "#4a8fae"), (0.12, "#a9cfcf"))
    land = ramp(
        height + 0.2 * detail,
        (0.1, "#c9c08a"),
        (0.5, "#86a35a"),
        (0.9, "#b98f55"),
        (1.5, "#8a5a3a"),
        (2, "#efe8dc"),
    )
    color = mix(sea, land, smoothstep(0.1, 0.13, height))
    coast = smoothstep(0.035, 0.01, np.abs(height - 0.115))
    color = mix(color, rgb("#3a3028"), coast)
    image = Image.fromarray((np.clip(color, 0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for step in range(1, 12):
        y = size * step / 12
        draw.line([(0, y), (2 * size, y)], fill="#5a6a70", width=2)
    for step in range(24):
        x = 2 * size * step / 24
        draw.line([(x, 0), (x, size)], fill="#5a6a70", width=2)
    rng = np.random.default_rng(seed)
    for _ in range(40):
        xy = (rng.random() * 2 * size, rng.uniform(0.2, 0.8) * size)
        text(draw, xy, str(rng.choice(WORDS)), rng.uniform(18, 34), "#3b2018")
    return np.asarray(image) / 255


def clock(size: int = 512) -> np.ndarray:
    """A clock's face on a square, hands at ten past ten."""
    image = Image.new("RGB", (size, size), "#5a3a22")
    draw = ImageDraw.Draw(image)
    c = size / 2
    draw.ellipse([8, 8, size - 8, size - 8], fill="#efe5cc", outline="#2a1a10", width=22)
    for hour in range(1, 13):
        a = np.pi * hour / 6
        text(
            draw,
            (c + 0.36 * size * np.sin(a), c - 0.36 * size * np.cos(a)),
            str(hour),
            size * 0.1,
            "#2b2320",
        )
    for minute in range(60):
        a, inner = np.pi * minute / 30, 0.43 if minute % 5 else 0.415
        line = [(c + r * size * np.sin(a), c - r * size * np.cos(a)) for r in (inner, 0.45)]
        draw.line(line, fill="#2b2320", width=4)
    for angle, length, width in ((-0.96, 0.22, 14), (1.05, 0.33, 9)):
        draw.line(
            [(c, c), (c + length * size * np.sin(angle), c - length * size * np.cos(angle))],
            fill="#7a2f2a",
            width=width,
        )
    text(draw, (c, size * 0.66), "SPLATPOSE", size * 0.06, "#27455c")
    return aged(image, seed=12)


def letter(character: str, *, seed: int, size: int = 128) -> np.ndarray:
    """One face of a toy block: a painted letter in a frame on wood."""
    rng = np.random.default_rng(seed)
    wood = fbm(size, size, seed=seed, slope=1.0, stretch=(1, 10), coarsest=3)
    base = ramp(0.6 + 0.15 * wood, (0, "#9a6a38"), (1, "#e8c48a"))
    image = Image.fromarray((np.clip(base, 0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    ink = str(rng.choice(["#b3342b", "#1f5a8a", "#2f7a4a", "#c7811f", "#6b3a7a"]))
    draw.rectangle([7, 7, size - 8, size - 8], outline=ink, width=7)
    text(draw, (size / 2, size / 2), character, size * 0.78, ink)
    return np.asarray(image) / 255


def label(height: int, width: int, *, seed: int, words: tuple[str, ...]) -> np.ndarray:
    """The paper label around a tin: words, stripes, medals."""
    rng = np.random.default_rng(seed)
    ground, ink, accent = (str(c) for c in rng.choice(INKS, 3, replace=False))
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, height * 0.06, width, height * 0.14], fill=accent)
    draw.rectangle([0, height * 0.84, width, height * 0.94], fill=accent)
    for number, word in enumerate(words):
        x = width * (number + 0.5) / len(words)
        draw.ellipse(
            [x - height * 0.33, height * 0.2, x + height * 0.33, height * 0.8],
            fill="#eadfc4",
            outline=ink,
            width=6,
        )
        text(draw, (x, height * 0.44), word, height * 0.17, ink)
        text(draw, (x, height * 0.62), f"No. {rng.integers(10, 99)}", height * 0.1, ink)
    for _ in range(50):
        x, y, r = rng.random() * width, rng.uniform(0.18, 0.82) * height, rng.uniform(2, 7)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=accent)
    return aged(image, seed=seed)
