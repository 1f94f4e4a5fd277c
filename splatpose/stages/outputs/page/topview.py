"""The cameras from above: where they stood, where they looked, and what they saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from scipy.spatial import KDTree

from ....geometry.centers import centers_of
from ....scene.sparse_model import SparseModel
from .cards import Card
from .guessed_path import guessed_paths
from .listing import is_many
from .svg import decimal, drawing, element, path

_WIDTH = 720.0
_TALLEST, _FLATTEST = 0.95, 0.5
"""Height over width of the picture."""
_MARGIN = 26.0
_MOST_POINTS = 1800
_REACH = 3.5
"""Distance from the cameras up to which points are shown, over the cameras' extent."""
_MARK, _SMALL_MARK = 4.0, 2.6
"""Half the size of a camera's mark; of many cameras they are smaller."""


def top_view(poses: SparseModel, cards: Sequence[Card]) -> Markup | None:
    """Cameras as seen along gravity, each a link to its photo's card or row; None without any.

    A camera is a wedge as wide as its horizontal angle of view; sparse points are faint dots. The
    picture's right is the world's x, its top is z. Of many cameras all wedges of one verdict are
    one path, and the page's script says which photo a mark is.

    Args:
        cards: those of all V photos, in order.
    """
    shown = np.flatnonzero(poses.registered)
    if not len(shown):
        return None
    cameras = poses.cam_from_world[shown]
    centers = centers_of(cameras)[:, [0, 2]]
    ahead = cameras[:, 2, [0, 2]]
    points = poses.points[np.isfinite(poses.points).all(1)][:, [0, 2]]
    low, high = _extent(centers, points)
    scale, height, origin = _fit(low, high)

    def place(xz: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        return origin + scale * (xz - low) * [1, -1]

    inside = np.flatnonzero(np.all((points >= low) & (points <= high), axis=1))
    every = max(1, -(-len(inside) // _MOST_POINTS))
    cloud = place(points[inside[::every]])
    parts = [element("path", d=_dots(cloud), class_="cloud")]
    at = place(centers)
    parts += guessed_paths(at, [cards[photo] for photo in shown.tolist()])
    half_angles = np.arctan([c.width / 2 / float(c.K[0, 0]) for c in poses.cameras])
    half = half_angles[poses.camera_index[shown]]
    wedges = _wedges(at, ahead * [1, -1], half, _wedge_length(at))
    shown_cards = [cards[photo] for photo in shown.tolist()]
    drawn = _batched if is_many(len(cards)) else _one_by_one
    parts += drawn(at, wedges, shown_cards)
    label = f"{len(shown)} cameras seen from above"
    return drawing(_WIDTH, height, label, *parts, class_="topview")


def _extent(
    centers: Float[np.ndarray, "C 2"], points: Float[np.ndarray, "N 2"]
) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
    """What the picture shows: all cameras, and the bulk of the points that are not too far."""
    low, high = centers.min(0), centers.max(0)
    size = max(float((high - low).max()), 1e-6)
    if len(points):
        near, far = np.percentile(points, 3, axis=0), np.percentile(points, 97, axis=0)
        low = np.minimum(low, np.maximum(near, low - _REACH * size))
        high = np.maximum(high, np.minimum(far, high + _REACH * size))
    margin = 0.03 * float((high - low).max()) + 1e-9
    return low - margin, high + margin


def _fit(
    low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"]
) -> tuple[float, float, Float[np.ndarray, " 2"]]:
    """Pixels a unit, the picture's height, and where `low` lies in it."""
    span = high - low
    ratio = float(np.clip(span[1] / span[0], _FLATTEST, _TALLEST))
    height = round(ratio * _WIDTH)
    room = np.array([_WIDTH, height]) - 2 * _MARGIN
    scale = float((room / span).min())
    left, bottom = (np.array([_WIDTH, height]) - scale * span) / 2
    return scale, float(height), np.array([left, height - bottom])


def _wedge_length(places: Float[np.ndarray, "C 2"]) -> float:
    """About as long as neighbouring cameras are apart, so that wedges can be told apart."""
    if len(places) < 2:
        return 44.0
    nearest, _ = KDTree(places).query(places, k=2)
    return float(np.clip(2 * np.median(nearest[:, 1]), 18, 44))


def _dots(places: Float[np.ndarray, "N 2"]) -> str:
    """Round dots: lines of no length with round ends."""
    return "".join(f"M{decimal(x)} {decimal(y)}h0" for x, y in np.round(places, 1).tolist())


def _wedges(
    at: Float[np.ndarray, "C 2"],
    ahead: Float[np.ndarray, "C 2"],
    half_angle: Float[np.ndarray, " C"],
    length: float,
) -> Float[np.ndarray, "C 3 2"]:
    """Triangles towards where cameras look, shorter where they look up or down."""
    cos, sin = np.cos(half_angle), np.sin(half_angle)
    turn = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
    reach = (length / cos)[:, None]
    left = at + reach * np.einsum("cji,cj->ci", turn, ahead)
    right = at + reach * np.einsum("cij,cj->ci", turn, ahead)
    return np.stack([at, left, right], axis=1)


def _one_by_one(
    at: Float[np.ndarray, "C 2"], wedges: Float[np.ndarray, "C 3 2"], cards: Sequence[Card]
) -> list[Markup]:
    """Each camera with its wedge and what it is, weak ones last, on top."""
    order = sorted(range(len(cards)), key=lambda k: cards[k].level == "weak")
    places = [(x, y) for x, y in at.tolist()]
    return [
        element(
            "a",
            element("title", f"{cards[k].name}: {cards[k].label}"),
            element("path", d=_triangle(wedges[k]), class_="wedge"),
            element("path", d=_mark(cards[k].level, *places[k], _MARK), class_="mark"),
            href=f"#{cards[k].anchor}",
            class_=f"camera v-{cards[k].level}",
        )
        for k in order
    ]


def _batched(
    at: Float[np.ndarray, "C 2"], wedges: Float[np.ndarray, "C 3 2"], cards: Sequence[Card]
) -> list[Markup]:
    """All wedges of a level as one path, then a small mark each."""
    parts, levels = [], sorted({card.level for card in cards}, key=lambda level: level == "weak")
    for level in levels:
        own = [k for k, card in enumerate(cards) if card.level == level]
        d = "".join(_triangle(np.round(wedges[k], 1)) for k in own)
        parts.append(element("path", d=d, class_=f"wedge many v-{level}"))
    places = [(x, y) for x, y in np.round(at, 1).tolist()]
    for level in levels:
        marks = [
            element(
                "a",
                element("path", d=_small_mark(level, *places[k])),
                href=f"#{card.anchor}",
            )
            for k, card in enumerate(cards)
            if card.level == level
        ]
        parts.append(element("g", *marks, class_=f"marks v-{level}"))
    return parts


def _triangle(corners: Float[np.ndarray, "3 2"]) -> str:
    return path([(x, y) for x, y in corners.tolist()], closed=True)


def _small_mark(level: str, x: float, y: float) -> str:
    """As `_mark`, a disc being the round end of a line of no length."""
    if level in ("trusted", "registered"):
        return f"M{decimal(x)} {decimal(y)}h0"
    return _mark(level, x, y, _SMALL_MARK)


def _mark(level: str, x: float, y: float, size: float) -> str:
    """A diamond for weak photos, a square for refused ones, a disc for the others: not by colour
    alone."""
    if level == "weak":
        far = 1.5 * size
        return path([(x, y - far), (x + far, y), (x, y + far), (x - far, y)], closed=True)
    if level in ("refused", "missing"):
        left, top, right, bottom = x - size, y - size, x + size, y + size
        return path([(left, top), (right, top), (right, bottom), (left, bottom)], closed=True)
    r, wide = decimal(size), decimal(2 * size)
    return f"M{decimal(x - size)} {decimal(y)}a{r} {r} 0 1 0 {wide} 0a{r} {r} 0 1 0 -{wide} 0Z"
