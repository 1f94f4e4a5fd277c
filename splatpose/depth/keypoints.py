"""What prior maps say at the keypoints of their photos, before there is any reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from ..scene.depth_maps import DepthPriors
from .sampling import sample_map


@dataclass(frozen=True)
class KeypointPriors:
    """Values of each photo's map at its keypoints, each map with a scale and shift of its own."""

    values: tuple[Float[np.ndarray, " _K"], ...]
    """Values of each photo's map at its keypoints; NaN where its map says nothing, or there is
    none."""
    kind: Literal["auto", "depth", "disparity"]
    """auto: the depths that matches give tell; see `splatpose.depth.map_fit.kind_of_maps`."""


def sample_priors(
    priors: DepthPriors,
    keypoints: Sequence[Float[np.ndarray, "_K 2"]],
    sizes: Sequence[tuple[int, int]],
) -> KeypointPriors:
    """Reads every map once.

    Args:
        priors: the maps.
        keypoints: of each photo, in its pixels.
        sizes: width and height of each photo in pixels.
    """
    values = []
    for photo, (xy, size) in enumerate(zip(keypoints, sizes, strict=True)):
        whole = priors.values(photo)
        if whole is None:
            values.append(np.full(len(xy), np.nan))
        else:
            values.append(sample_map(whole, xy.astype(np.float64), *size))
    return KeypointPriors(tuple(values), priors.kind)
