"""The matches of many photos as one picture, and all that is told of their pairs in few bytes."""

from __future__ import annotations

import base64
import io

import numpy as np
from jaxtyping import Int, UInt8
from markupsafe import Markup
from PIL import Image

from .svg import element

STRENGTHS = (0.0, 0.16, 0.32, 0.52, 0.76, 1.0)
"""How much of the darkest shade a cell of each level has, none first."""
_MOST_CELLS = 600
"""Most cells a side: about as many as the page has pixels for. Of more photos several share one."""
_MOST_PAIRS = 30_000
_LARGEST = np.iinfo(np.uint16).max


def pictured(
    pairs: Int[np.ndarray, "P 2"], levels: Int[np.ndarray, " P"], num_photos: int
) -> UInt8[np.ndarray, "N N"]:
    """The level of every cell, the largest of the pairs in it, both ways round."""
    step = -(-num_photos // _MOST_CELLS)
    cells = np.zeros((-(-num_photos // step),) * 2, np.uint8)
    i, j = (pairs // step).T
    np.maximum.at(cells, (i, j), levels.astype(np.uint8))
    return np.maximum(cells, cells.T)


def shaded(
    cells: UInt8[np.ndarray, "N N"], name: str, frame: tuple[float, float, float], class_: str
) -> Markup:
    """A square of the colour that the class has, as dense as the levels of the cells say.

    Args:
        name: id of the mask.
        frame: left, top and side of the square.
    """
    x, y, side = frame
    image, data = Image.fromarray(cells, "P"), io.BytesIO()
    image.putpalette([round(255 * strength) for strength in STRENGTHS for _ in "rgb"])
    image.save(data, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii")
    where = {"x": x, "y": y, "width": side, "height": side}
    picture = element("image", href=uri, preserveAspectRatio="none", **where)
    mask = element("mask", picture, id=name)
    return Markup("").join([mask, element("rect", mask=f"url(#{name})", class_=class_, **where)])


def packed(rows: Int[np.ndarray, "P 5"]) -> tuple[str, int]:
    """Rows of `Matrix.pairs` as base64 of their columns, 16 bits a number but for the last two,
    which have 8; and the number of matches below which pairs are left out."""
    least = 0
    if len(rows) > _MOST_PAIRS:
        order = np.argsort(-rows[:, 2], kind="stable")
        least = int(rows[order[_MOST_PAIRS], 2]) + 1
        rows = rows[rows[:, 2] >= least]
    wide = np.clip(rows[:, :3], 0, _LARGEST).T.astype("<u2").tobytes()
    narrow = np.clip(rows[:, 3:], -1, 127).T.astype("<i1").tobytes()
    return base64.b64encode(wide + narrow).decode("ascii"), least
