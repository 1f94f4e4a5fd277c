"""Textures of natural and woven surfaces: sRGB arrays [H, W, 3] in 0..1, made from noise."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .noise import cells, fbm, fbm_at, mix, ramp, rgb, smoothstep


def planks(height: int, width: int, *, count: int, seed: int, tone: float = 0.0) -> np.ndarray:
    """Wooden boards along x with grain, rings, a few knots and dark joints."""
    rng = np.random.default_rng(seed)
    board_height = height / count
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    board = np.minimum((y / board_height).astype(int), count - 1)
    warp = fbm(height, width, seed=seed, slope=2.2, stretch=(1, 5))
    for _ in range(count * 2):
        cy, cx = rng.random() * height, rng.random() * width
        distance = np.hypot((y - cy) / board_height * 3, (x - cx) / board_height)
        warp += 4.0 * np.exp(-(distance**2) * 2) * rng.choice([-1, 1])
    offset = rng.random(count)[board] * 9
    rings = np.sin(2 * np.pi * (y / board_height * 1.3 + warp * 0.55 + offset))
    grain = fbm(height, width, seed=seed + 1, slope=0.9, stretch=(1, 18), coarsest=6)
    blotch = fbm(height, width, seed=seed + 2, slope=1.6)
    value = 0.5 + 0.13 * rings + 0.11 * grain + 0.07 * blotch
    value += (rng.random(count)[board] - 0.5) * 0.35 + tone
    color = ramp(
        value,
        (0.0, "#3a2114"),
        (0.35, "#7a4a28"),
        (0.6, "#b07a45"),
        (0.85, "#d3a76c"),
        (1, "#e6c794"),
    )
    edge = np.minimum(y % board_height, board_height - y % board_height)
    joint = smoothstep(3.5, 1.0, edge + fbm(height, width, seed=seed + 3) * 0.5)
    ends = rng.random(count) * width
    joint = np.maximum(joint, smoothstep(3.5, 1.0, np.abs(x - ends[board])))
    return mix(color, rgb("#24140c"), joint * 0.85)


def bricks(height: int, width: int, *, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A brick wall: its colours, and its relief [H, W] in 0..1 (mortar low)."""
    rng = np.random.default_rng(seed)
    brick_h = height / rows
    brick_w = brick_h * 2.9
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x = x + fbm(height, width, seed=seed, slope=1.6, coarsest=4) * brick_h * 0.03
    y = y + fbm(height, width, seed=seed + 1, slope=1.6, coarsest=4) * brick_h * 0.03
    row = np.floor(y / brick_h).astype(int)
    shifted = x + np.where(row % 2 == 0, 0, brick_w / 2) + rng.normal(size=rows + 3)[row] * 6
    column = np.floor(shifted / brick_w).astype(int)
    inside = np.minimum(
        np.minimum(y % brick_h, brick_h - y % brick_h),
        np.minimum(shifted % brick_w, brick_w - shifted % brick_w),
    )
    rough = fbm(height, width, seed=seed + 2, slope=1.1, coarsest=12)
    body = smoothstep(0.045, 0.12, inside / brick_h + rough * 0.015)
    tones = rng.random((rows + 3, int(width / brick_w) + 4))[row, column]
    stain = fbm(height, width, seed=seed + 3, slope=1.6, coarsest=3)
    value = tones * 0.75 + 0.12 * rough + 0.09 * stain + 0.1
    color = ramp(
        value,
        (0, "#4b2a22"),
        (0.25, "#7d3f2e"),
        (0.5, "#a5553a"),
        (0.75, "#bf7a55"),
        (1, "#d8a988"),
    )
    mortar = ramp(0.5 + 0.2 * rough + 0.15 * stain, (0, "#857a6c"), (1, "#cfc5b4"))
    worn = smoothstep(1.1, 1.9, fbm(height, width, seed=seed + 4, slope=1.5, coarsest=5))
    color = mix(color, mortar * 1.05, worn * 0.6)
    relief = body * (0.75 + 0.25 * tones) + 0.05 * rough
    return mix(mortar, color, body), relief


def plaster(height: int, width: int, *, seed: int, color: str = "#c9b48a") -> np.ndarray:
    """Old painted plaster: stains, brush strokes, cracks and patches where an older coat shows."""
    tone = fbm(height, width, seed=seed, slope=1.3, coarsest=3)
    stroke = fbm(height, width, seed=seed + 1, slope=0.9, stretch=(4, 1), coarsest=10)
    near, second, _ = cells(height, width, height / 5, seed=seed)
    crack = smoothstep(0.03, 0.005, second - near + 0.02 * fbm(height, width, seed=seed + 2))
    patch = smoothstep(0.55, 0.75, fbm(height, width, seed=seed + 3, slope=1.7, coarsest=3))
    base = rgb(color) * (1 + 0.09 * tone + 0.07 * stroke)[..., None]
    older = rgb("#6f8f8a") * (1 + 0.1 * tone + 0.1 * stroke)[..., None]
    return mix(mix(base, older, patch * 0.85), rgb("#4c4136"), crack * 0.6)


def wallpaper(height: int, width: int, *, seed: int, ground: str = "#2f4d4a") -> np.ndarray:
    """Painted leaves and berries scattered without repetition, on a mottled ground."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    greens = ["#6f9a63", "#88ad6a", "#4f7f5d", "#a9bf7e", "#3f6b5a", "#c7b565", "#8fae9c"]
    for _ in range(int(height * width / 2600)):
        x, y, angle = rng.random() * width, rng.random() * height, rng.random() * 2 * np.pi
        length, slim = rng.uniform(28, 74), rng.uniform(0.25, 0.42)
        t = np.linspace(0, 1, 14)
        side = np.sin(np.pi * t**0.8) * length * slim / 2
        along = np.stack(
            [np.concatenate([t, t[::-1]]) * length, np.concatenate([side, -side[::-1]])]
        )
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        outline = [tuple(p) for p in (turn @ along).T + np.array((x, y))]
        draw.polygon(outline, fill=str(rng.choice(greens)), outline="#22332f")
        tip = turn @ (length, 0)
        draw.line([(x, y), (x + tip[0], y + tip[1])], fill="#dfe3b4", width=2)
        if rng.random() < 0.3:
            for _ in range(5):
                bx, by = x + rng.normal() * 16, y + rng.normal() * 16
                r = rng.uniform(3, 8)
                fill = str(rng.choice(["#c8553d", "#e08e45", "#d9c26a", "#b83b5e"]))
                draw.ellipse([bx - r, by - r, bx + r, by + r], fill=fill, outline="#3b1f1a")
    paint = 1 + 0.07 * fbm(height, width, seed=seed, slope=1.1, coarsest=8)
    return np.asarray(image) / 255 * paint[..., None]


def kilim(height: int, width: int, *, seed: int) -> np.ndarray:
    """A flat-woven rug: bands of triangles, diamonds and stripes in wool colours."""
    rng = np.random.default_rng(seed)
    wool = ["#7c2f2b", "#c0694a", "#e1c699", "#27455c", "#5f7d6b", "#d99b4a", "#3b2a2a", "#a9b7a0"]
    image = Image.new("RGB", (width, height), "#7c2f2b")
    draw = ImageDraw.Draw(image)
    y = 0
    while y < height:
        band = int(rng.integers(height // 26, height // 11))
        ground, figure, accent = (str(c) for c in rng.choice(wool, 3, replace=False))
        draw.rectangle([0, y, width, y + band], fill=ground)
        step = int(band * rng.uniform(0.7, 1.5))
        kind = int(rng.integers(4))
        for number, x in enumerate(range(-step, width + step, step)):
            fill = figure if number % 3 else accent
            middle = x + step / 2
            if kind == 0:
                draw.polygon([(x, y + band), (middle, y), (x + step, y + band)], fill=fill)
            elif kind == 1:
                half = y + band / 2
                draw.polygon(
                    [(x, half), (middle, y), (x + step, half), (middle, y + band)], fill=fill
                )
            elif kind == 2:
                draw.rectangle([x, y + band // 4, x + step // 2, y + 3 * band // 4], fill=fill)
            else:
                draw.line([(x, y + band), (x + step, y)], fill=fill, width=max(3, band // 5))
        draw.rectangle([0, y + band - 4, width, y + band], fill=accent)
        y += band
    rows, columns = np.mgrid[0:height, 0:width]
    weave = 1 + 0.06 * np.sin(rows * np.pi / 3) + 0.05 * np.sin(columns * np.pi / 2.5)
    fade = 1 + 0.10 * fbm(height, width, seed=seed, slope=1.3, coarsest=3)
    return np.asarray(image) / 255 * (weave * fade)[..., None]


def linen(height: int, width: int, *, seed: int) -> np.ndarray:
    """A table runner: woven ground with embroidered flowers and a striped border."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), "#c9b894")
    draw = ImageDraw.Draw(image)
    for x0, color in ((18, "#35507a"), (38, "#b3472f"), (58, "#35507a")):
        for x in (x0, width - x0):
            draw.line([(x, 0), (x, height)], fill=color, width=9)
    for _ in range(int(height * width / 5200)):
        x, y = rng.uniform(90, width - 90), rng.random() * height
        radius, petals = rng.uniform(14, 34), int(rng.integers(5, 9))
        color = str(rng.choice(["#35507a", "#b3472f", "#d8912f", "#577a4a", "#7a3f6b"]))
        turn = rng.random() * 6
        for petal in range(petals):
            angle = turn + 2 * np.pi * petal / petals
            px, py = x + radius * np.cos(angle), y + radius * np.sin(angle)
            r = radius * 0.45
            draw.ellipse([px - r, py - r, px + r, py + r], fill=color, outline="#2a2a33")
        r = radius * 0.5
        draw.ellipse([x - r, y - r, x + r, y + r], fill="#ead27a", outline="#6b4a1f")
    rows, columns = np.mgrid[0:height, 0:width]
    weave = 1 + 0.04 * np.sin(rows * 1.3) + 0.04 * np.sin(columns * 1.3)
    return np.asarray(image) / 255 * (weave + 0.05 * fbm(height, width, seed=seed))[..., None]


def sphere_points(height: int, width: int) -> np.ndarray:
    """Unit vectors [H, W, 3] under the pixels of a latitude-longitude texture."""
    latitude = np.linspace(np.pi / 2, -np.pi / 2, height)[:, None]
    longitude = np.linspace(0, 2 * np.pi, width)[None]
    return np.stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude) * np.ones_like(longitude),
        ],
        -1,
    )


def fruit(kind: str, *, seed: int, size: int = 256) -> np.ndarray:
    """Skin of an "orange", "apple", "lemon", "plum" or "pear" as a latitude-longitude texture."""
    points = sphere_points(size, 2 * size)
    low = fbm_at(points, seed=seed, scale=1.3, octaves=3)
    fine = fbm_at(points, seed=seed + 1, scale=9, octaves=3)
    streak = fbm_at(points * (1, 1, 0.12), seed=seed + 2, scale=9, octaves=3)
    if kind == "orange":
        color = ramp(
            0.5 + 0.2 * low + 0.13 * fine, (0, "#c2560c"), (0.5, "#ee8a1d"), (1, "#f7b24a")
        )
    elif kind == "lemon":
        color = ramp(
            0.5 + 0.2 * low + 0.12 * fine, (0, "#b89a12"), (0.5, "#ecd03a"), (1, "#f6e889")
        )
    elif kind == "plum":
        color = ramp(
            0.5 + 0.3 * low + 0.15 * fine, (0, "#2a1636"), (0.5, "#4f2c5c"), (1, "#9a7fae")
        )
    elif kind == "pear":
        color = ramp(
            0.5 + 0.2 * low + 0.12 * fine, (0, "#7d8a22"), (0.5, "#b9bd45"), (1, "#dccb6a")
        )
    else:
        value = 0.5 + 0.25 * low + 0.22 * streak
        color = ramp(value, (0, "#7d1016"), (0.45, "#bb2a22"), (0.7, "#d97a35"), (1, "#e6cf62"))
    freckle = smoothstep(1.6, 2.1, fbm_at(points, seed=seed + 3, scale=16, octaves=2))
    stalk = smoothstep(0.975, 0.995, np.abs(points[..., 2]))
    return mix(mix(color, rgb("#5a3a16"), freckle * 0.55), rgb("#3e2c14"), stalk)


def stone(*, seed: int, size: int = 384) -> np.ndarray:
    """Speckled, veined rock as a latitude-longitude texture."""
    points = sphere_points(size, 2 * size)
    base = fbm_at(points, seed=seed, scale=2.5, octaves=5)
    vein = smoothstep(0.16, 0.02, np.abs(fbm_at(points, seed=seed + 1, scale=1.6, octaves=4)))
    speck = fbm_at(points, seed=seed + 2, scale=18, octaves=2)
    palettes = (("#3d4148", "#7c828a", "#b9bcb8"), ("#51443a", "#93806b", "#cbb89b"))
    dark, middle, light = palettes[seed % 2]
    color = ramp(0.5 + 0.22 * base + 0.15 * speck, (0, dark), (0.5, middle), (1, light))
    return mix(color, rgb("#e6dfd0"), vein * 0.7)


def leaves(*, seed: int, size: int = 256) -> np.ndarray:
    """Four leaf blades side by side, veined, from fresh to yellow green. Blade along +y."""
    rng = np.random.default_rng(seed)
    greens = (
        ("#2f5a2a", "#5d8f3f"),
        ("#3f6f2c", "#86a94a"),
        ("#234a33", "#4a7f55"),
        ("#6d7a25", "#b5b04d"),
    )
    blades = []
    for number, (dark, light) in enumerate(greens):
        y, x = np.mgrid[0:size, 0:size] / size
        side = np.abs(x - 0.5)
        rib = smoothstep(0.035, 0.012, side)
        vein = smoothstep(0.75, 0.97, np.cos(2 * np.pi * (y * 7 + side * 6 + rng.random())))
        mottle = fbm(size, size, seed=seed + number, slope=1.2, coarsest=3)
        blade = ramp(0.45 + 0.25 * mottle - side * 0.5, (0, dark), (1, light))
        blades.append(mix(blade, rgb("#c9d48a"), np.maximum(rib, 0.45 * vein)))
    return np.concatenate(blades, 1)


def glaze(height: int, width: int, *, seed: int, style: str) -> np.ndarray:
    """Hand-painted ceramics: "vase" (dark bands, flowers), "bowl" (blue waves) or "mug"."""
    rng = np.random.default_rng(seed)
    grounds = {"vase": "#e7dcc3", "bowl": "#e9e6da", "mug": "#d8b45a"}
    inks = {
        "vase": ["#1f3f77", "#a63a28", "#d08a2a", "#2f6b58"],
        "bowl": ["#27508f", "#4f86b8", "#1b2f57"],
        "mug": ["#7a2f2a", "#274b4f", "#efe6cf", "#3a2a22"],
    }[style]
    image = Image.new("RGB", (width, height), grounds[style])
    draw = ImageDraw.Draw(image)
    y = 0
    while y < height:
        band = int(rng.integers(height // 14, height // 5))
        ink, other = (str(c) for c in rng.choice(inks, 2, replace=False))
        draw.rectangle([0, y, width, y + max(4, band // 9)], fill=ink)
        x = 0.0
        while x < width:
            r = rng.uniform(0.28, 0.48) * band
            cx, cy = x + r, y + band * 0.55
            for petal in range(int(rng.integers(4, 8))):
                a = petal + rng.random()
                px, py = cx + 0.6 * r * np.cos(a), cy + 0.6 * r * np.sin(a)
                draw.ellipse([px - r / 3, py - r / 3, px + r / 3, py + r / 3], fill=ink)
            draw.ellipse([cx - r / 4, cy - r / 4, cx + r / 4, cy + r / 4], fill=other)
            draw.arc([cx - r, cy - r, cx + r, cy + r], rng.uniform(0, 90), 300, fill=other, width=4)
            x += r * rng.uniform(2.1, 3.2)
        y += band
    wash = 1 + 0.05 * fbm(height, width, seed=seed, slope=1.4, coarsest=3)
    return np.asarray(image) / 255 * wash[..., None]
