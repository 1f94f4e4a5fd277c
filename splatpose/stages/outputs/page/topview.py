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
from .svg import decimal, drawing, element, path

_WIDTH = 720.0
_TALLEST, _FLATTEST = 0.95, 0.5
"""Height over width of the picture."""
_MARGIN = 26.0
_MOST_POINTS = 1800
_REACH = 3.5
"""Distance from the cameras up to which points are shown, over the cameras' extent."""


def top_view(poses: SparseModel, cards: Sequence[Card]) -> Markup | None:
    """Cameras as seen along gravity, each a link to its photo's card; None without any.

    A camera is a wedge as wide as its horizontal angle of view; sparse points are faint dots. The
    picture's right is the world's x, its top is z.

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
    length = _wedge_length(at)
    numbers = shown.tolist()
    # Weak ones last, on top.
    for k in sorted(range(len(numbers)), key=lambda k: cards[numbers[k]].level == "weak"):
        photo = numbers[k]
        camera = poses.cameras[int(poses.camera_index[photo])]
        half = np.arctan(camera.width / 2 / float(camera.K[0, 0]))
        parts.append(_camera(at[k], ahead[k] * [1, -1], float(half), length, cards[photo]))
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


def _camera(
    at: Float[np.ndarray, " 2"],
    ahead: Float[np.ndarray, " 2"],
    half_angle: float,
    length: float,
    card: Card,
) -> Markup:
    """A wedge towards where the camera looks, shorter where it looks up or down, and a mark."""
    turn = np.array(
        [[np.cos(half_angle), -np.sin(half_angle)], [np.sin(half_angle), np.cos(half_angle)]]
    )
    reach = length / np.cos(half_angle)
    left, right = at + reach * (turn.T @ ahead), at + reach * (turn @ ahead)
    wedge = [(float(p[0]), float(p[1])) for p in (at, left, right)]
    return element(
        "a",
        element("title", f"{card.name}: {card.label}"),
        element("path", d=path(wedge, closed=True), class_="wedge"),
        element("path", d=_mark(card.level, float(at[0]), float(at[1])), class_="mark"),
        href=f"#{card.anchor}",
        class_=f"camera v-{card.level}",
    )


def _mark(level: str, x: float, y: float) -> str:
    """A diamond for weak photos, a square for refused ones, a disc for the others: not by colour
    alone."""
    if level == "weak":
        return path([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)], closed=True)
    if level in ("refused", "missing"):
        return path([(x - 4, y - 4), (x + 4, y - 4), (x + 4, y + 4), (x - 4, y + 4)], closed=True)
    x, r = x - 4, 4
    return f"M{decimal(x)} {decimal(y)}a{r} {r} 0 1 0 8 0a{r} {r} 0 1 0 -8 0Z"
