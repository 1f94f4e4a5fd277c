"""The ways to reconstruct that are tried, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MapperVariant:
    """One way to reconstruct."""

    name: str
    """Name for people and, as it is, for the folder."""
    mapper: Literal["incremental", "global", "view graph"]
    focals: Literal["given", "view graph", "pairs"] = "given"
    """Start from EXIF's focal lengths or the usual ones, from those of the view graph's fundamental
    matrices, or from those that the matches of many pairs together call for."""
    relaxed: bool = False
    """Accept weaker photos and initial pairs (incremental only)."""
    refined: bool = False
    """Set out from relative poses that the local stage refined (view graph only)."""
    by_depth: bool = False
    """Ask depth maps about pairs whose matches say little (view graph only)."""
    restart: int = 0
    """Added to the seed."""
    backbones: tuple[float, ...] = (0.0, 0.6)
    """Shares of `solve_view_graph` to start from (view graph only)."""


ROUNDS: tuple[tuple[MapperVariant, ...], ...] = (
    (
        MapperVariant("global calibrated", "global", focals="view graph"),
        MapperVariant("incremental", "incremental"),
    ),
    (
        MapperVariant("view graph", "view graph", focals="pairs"),
        MapperVariant("incremental calibrated", "incremental", focals="pairs"),
    ),
    (
        MapperVariant("incremental relaxed", "incremental", relaxed=True, restart=1),
        MapperVariant("global", "global"),
        MapperVariant("global restarted", "global", focals="pairs", restart=1),
    ),
)
"""Two independent methods first; the later rounds only where those do not agree."""

MANY_PHOTOS = 100
"""Photos from which on a mapping takes minutes: the cheap ones first, on selected tracks."""
_MOST_INCREMENTAL = 300
"""Photos beyond which incremental mapping, whose cost grows with their square, is not tried."""
ROUNDS_OF_MANY: tuple[tuple[MapperVariant, ...], ...] = (
    (
        MapperVariant("global calibrated", "global", focals="view graph"),
        MapperVariant("view graph", "view graph", focals="pairs", backbones=(0.0,)),
    ),
    (
        MapperVariant("view graph, strong pairs", "view graph", focals="pairs", backbones=(0.6,)),
        MapperVariant("incremental calibrated", "incremental", focals="pairs"),
        MapperVariant("global restarted", "global", focals="pairs", restart=1),
    ),
)
"""The same for many photos: both global methods first."""

FROM_REFINED_PAIRS = MapperVariant(
    "view graph, refined pairs", "view graph", focals="pairs", refined=True
)
"""Beside the plain view graph, where the local stage refined any pairs."""

FROM_DEPTH = MapperVariant("view graph, depth maps", "view graph", focals="pairs", by_depth=True)
"""Beside the plain view graph, where depth maps are to be asked."""


def rounds_of(num_photos: int) -> tuple[tuple[MapperVariant, ...], ...]:
    """What can be tried with so many photos, in the order to try it."""
    if num_photos < MANY_PHOTOS:
        return ROUNDS
    if num_photos <= _MOST_INCREMENTAL:
        return ROUNDS_OF_MANY
    return tuple(tuple(v for v in round_ if v.mapper != "incremental") for round_ in ROUNDS_OF_MANY)
