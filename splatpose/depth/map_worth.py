"""How much of a photo's relief its map knows where no point tells it: evidence that costs no photo.

Points are left out part by part of the photo, and the map, fitted to the others, predicts theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ..scene.depth_maps import DepthKind
from .fitting import fit_scale_shift
from .sampling import aligned_depth

_PARTS = 3
"""Parts of a photo in either direction, each with as many points."""


@dataclass(frozen=True)
class MapWorth:
    """Median relative errors of depths that were left out."""

    by_map: float
    """Of the map, fitted to the points of the other parts; infinite where it cannot be."""
    flat: float
    """Of the median depth of the other parts, which knows no relief."""

    @property
    def known_relief(self) -> float:
        """Share of the relief that the map predicts: 1 of a perfect one, 0 or less of a useless."""
        return 1 - self.by_map / self.flat if self.flat > 0 else 0.0


def map_worth(
    values: Float[np.ndarray, " N"],
    depth: Float[np.ndarray, " N"],
    pixels: Float[np.ndarray, "N 2"],
    kind: DepthKind,
    *,
    seed: int = 0,
) -> MapWorth:
    """How well a map predicts the points of a part of the photo that it was not fitted to.

    Args:
        values: of the map at the points, at least as many as there are parts.
        depth: of the points along the camera's z axis, > 0.
        pixels: of the points in the photo.
        kind: whether the values grow with depth or with disparity.
        seed: of the robust fits.
    """
    part = _parts(pixels)
    by_map, flat = np.full(len(depth), np.inf), np.empty(len(depth))
    for number in range(_PARTS**2):
        left_out = part == number
        known = ~left_out
        line = fit_scale_shift(values[known], depth[known], kind, seed=seed)
        if line is not None:
            found = aligned_depth(values[left_out], line.alpha, line.beta, kind)
            by_map[left_out] = np.nan_to_num(np.abs(found / depth[left_out] - 1), nan=np.inf)
        flat[left_out] = np.abs(np.median(depth[known]) / depth[left_out] - 1)
    return MapWorth(float(np.median(by_map)), float(np.median(flat)))


def _parts(pixels: Float[np.ndarray, "N 2"]) -> Int[np.ndarray, " N"]:
    """Columns with as many points each, and in each rows with as many points."""
    column = _shares(pixels[:, 0])
    part = np.zeros(len(pixels), np.int64)
    for number in range(_PARTS):
        own = column == number
        part[own] = number * _PARTS + _shares(pixels[own, 1])
    return part


def _shares(x: Float[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Which of equally large shares, by its rank, each value is in."""
    rank = np.empty(len(x), np.int64)
    rank[np.argsort(x, kind="stable")] = np.arange(len(x))
    return rank * _PARTS // max(1, len(x))
