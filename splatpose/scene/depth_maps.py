"""What a prior says of a photo's depth, and what the triangulated points make of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

DepthKind = Literal["depth", "disparity"]
"""depth: bigger values are farther, D* = alpha D + beta. disparity: bigger values are nearer,
1 / D* = alpha D + beta."""


@dataclass(frozen=True)
class DepthPriors:
    """One map of relative depth or disparity a photo, each with a scale and shift of its own.

    A map covers the whole photo as given (orientation applied) at a resolution of its own:
    the centre of its top-left value is at (0.5, 0.5), as in photos.
    """

    names: tuple[str, ...]
    """All V photos of the capture, in its order."""
    source: str
    """Origin of the maps: a folder, or the network's name."""
    kind: Literal["auto", "depth", "disparity"]
    """What the values are; auto: `splatpose.depth.alignment.align` finds out from the matches."""
    paths: tuple[Path | None, ...]
    """Each photo's map, a .npy file; None where a photo has none."""
    reasons: tuple[str, ...]
    """Why a photo has no map; empty where it has one."""

    def __len__(self) -> int:
        return sum(path is not None for path in self.paths)

    def values(self, photo: int) -> Float[np.ndarray, "H W"] | None:
        """The photo's map as float32, NaN where it says nothing; None where there is no map."""
        path = self.paths[photo]
        return None if path is None else np.load(path)


@dataclass(frozen=True)
class DepthFit:
    """One photo's map against the depths of its triangulated points."""

    kept: bool
    """Whether the map agrees with the matches."""
    reason: str
    """One sentence for a person: how good, or why dropped."""
    alpha: float = float("nan")
    """Scale, in world units (or one over them for disparity) per unit of the map."""
    beta: float = float("nan")
    """Shift, in world units (or one over them for disparity)."""
    points: int = 0
    """Triangulated points that lie on valid values of the map."""
    rank_correlation: float = float("nan")
    """Spearman's rank correlation of map and triangulated depths, positive where the map orders
    them as its kind says."""
    residual: float = float("nan")
    """Median of |aligned depth / triangulated depth - 1|."""
    flat_residual: float = float("nan")
    """Median of |constant depth / triangulated depth - 1| for the best constant: what a map without
    any information would reach."""


@dataclass(frozen=True)
class DepthAlignment:
    """The scale and shift of every map, in the frame of the poses that it was made from."""

    names: tuple[str, ...]
    source: str
    kind: DepthKind
    fits: tuple[DepthFit, ...]

    @property
    def kept(self) -> Bool[np.ndarray, " V"]:
        """Photos whose map agrees with the matches."""
        return np.array([fit.kept for fit in self.fits], bool)

    @property
    def alpha(self) -> Float[np.ndarray, " V"]:
        """NaN where the map is dropped."""
        return np.array([fit.alpha if fit.kept else np.nan for fit in self.fits], np.float64)

    @property
    def beta(self) -> Float[np.ndarray, " V"]:
        """NaN where the map is dropped."""
        return np.array([fit.beta if fit.kept else np.nan for fit in self.fits], np.float64)
