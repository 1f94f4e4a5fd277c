"""Prior depth of a cluster's photos, its scales and shifts being optimised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ..depth.map_fit import MIN_ALPHA, MapSamples, fit_map, kind_of_maps
from ..depth.sampling import aligned_depth, on_surface, sample_map
from ..scene.camera import Camera
from ..scene.depth_maps import DepthKind
from ..scene.views import Views
from ..sfm.tracks import Tracks

_STRIDE = 4
"""Every so many-th pixel both ways is a point of a cloud (NoPe-NeRF has a quarter as well)."""


@dataclass(frozen=True)
class _Map:
    """One photo's."""

    affine: Float[torch.Tensor, "H W"]
    """alpha D + beta as fitted at the start, over its median; NaN where there is none."""
    middle: float
    """Median of the values: depth, or disparity."""
    cells: torch.Tensor
    """Rows and columns [2, N] of the cloud's points."""
    rays: Float[torch.Tensor, "N 2"]
    colors: Float[torch.Tensor, "N 3"]


class PriorMaps:
    """D* = alpha D + beta of each photo (NoPe-NeRF, eq. 8), or its reciprocal for disparity.

    alpha and beta are kept as changes (A, B) of what the tracks gave at the start: D* is
    A D*_0 + B median(D*_0). The world's scale is fixed by the gauge of the cameras, which leaves
    every alpha free; NoPe-NeRF fixes one alpha instead and leaves the world free.
    """

    def __init__(
        self,
        maps: Sequence[Float[np.ndarray, "_H _W"] | None],
        kind: Literal["auto", "depth", "disparity"],
        views: Views,
        tracks: Tracks,
        seed: int,
    ) -> None:
        """
        Args:
            maps: at the pixels of the views.
            kind: what their values are; auto: as the tracks say.
            views: with poses.
            tracks: which tell the first alpha and beta of each map; a map that contradicts them
                is dropped (see `splatpose.depth.map_fit.DropRule`).
            seed: of the robust fits.
        """
        depths = tracks.depths(views.cam_from_world)
        known = []
        for view, values in enumerate(maps):
            own = tracks.view == view
            if values is None:
                known.append((np.zeros(0), np.zeros(0)))
            else:
                known.append(_known(values, views.Ks[view], tracks.rays[own], depths[own]))
        self._kind: DepthKind = kind_of_maps(known, kind)
        self.maps: list[_Map | None] = []
        for view, values in enumerate(maps):
            fitted = None
            if values is not None:
                fitted = _fitted(
                    values, known[view], self._kind, views.Ks[view], views.images[view], seed
                )
            self.maps.append(fitted)
        self.restart()

    def __len__(self) -> int:
        """How many maps are kept."""
        return sum(one is not None for one in self.maps)

    def restart(self) -> None:
        """Goes back to what the tracks gave."""
        self.changes: list[torch.Tensor] = [
            torch.nn.Parameter(torch.tensor([1.0, 0.0], dtype=torch.float64)) for _ in self.maps
        ]

    def depth(self, view: int, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """D* at pixels of a view with a map; NaN where there is none. Differentiable."""
        one = self.maps[view]
        assert one is not None
        scale, shift = self.changes[view]
        scale = scale.clamp(min=MIN_ALPHA)
        relative = aligned_depth(one.affine[rows, columns], scale, shift, self._kind)
        return relative * (one.middle if self._kind == "depth" else 1 / one.middle)

    def picture(self, view: int, height: int, width: int) -> Float[torch.Tensor, "H W"]:
        """D* of a view at another size of its picture."""
        one = self.maps[view]
        assert one is not None
        tall, wide = one.affine.shape
        rows = ((torch.arange(height) + 0.5) * (tall / height)).long()
        columns = ((torch.arange(width) + 0.5) * (wide / width)).long()
        return self.depth(view, rows[:, None], columns[None, :])

    def cloud(
        self, view: int
    ) -> tuple[Float[torch.Tensor, "N 2"], Float[torch.Tensor, " N"], Float[torch.Tensor, "N 3"]]:
        """Rays, depths and colours of a view's cloud; only where D* is known."""
        one = self.maps[view]
        assert one is not None
        depth = self.depth(view, *one.cells)
        known = depth.detach().isfinite()
        return one.rays[known], depth[known], one.colors[known]


def _known(
    values: Float[np.ndarray, "H W"],
    K: Float[np.ndarray, "3 3"],
    rays: Float[np.ndarray, "N 2"],
    depth: Float[np.ndarray, " N"],
) -> MapSamples:
    """Values of a map where the depth is known from tracks, and that depth."""
    sampled = sample_map(values, rays * K[[0, 1], [0, 1]] + K[:2, 2], *values.shape[::-1])
    known = np.isfinite(sampled) & (depth > 0)
    return sampled[known], depth[known]


def _fitted(
    values: Float[np.ndarray, "H W"],
    known: MapSamples,
    kind: DepthKind,
    K: Float[np.ndarray, "3 3"],
    image: UInt8[np.ndarray, "H W 3"],
    seed: int,
) -> _Map | None:
    """The map aligned to the tracks' depths, jumps between surfaces left out; None if it lies."""
    fit = fit_map(*known, kind, seed=seed)
    if not fit.kept:
        return None
    height, width = values.shape
    affine = fit.alpha * values.astype(np.float64) + fit.beta
    affine[~(affine > 0)] = np.nan
    camera = Camera("PINHOLE", width, height, K[[0, 1, 0, 1], [0, 1, 2, 2]])
    smooth = on_surface(affine if kind == "depth" else 1 / affine, camera)
    affine[~smooth] = np.nan
    if not smooth.any():
        return None
    middle = float(np.nanmedian(affine))
    grid = np.zeros(values.shape, bool)
    grid[_STRIDE // 2 :: _STRIDE, _STRIDE // 2 :: _STRIDE] = True
    cells = np.argwhere(grid & smooth)
    at = (cells[:, ::-1] + 0.5 - K[:2, 2]) / K[[0, 1], [0, 1]]
    return _Map(
        affine=torch.from_numpy(affine / middle),
        middle=middle,
        cells=torch.from_numpy(cells.T.copy()),
        rays=torch.from_numpy(at),
        colors=torch.from_numpy(image[cells[:, 0], cells[:, 1]].astype(np.float64) / 255),
    )
