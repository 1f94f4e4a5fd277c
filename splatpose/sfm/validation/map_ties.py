"""What depth maps say of the scale of a part of a model against that of the rest."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ...depth.keypoints import KeypointPriors
from ...depth.map_fit import fit_map, fitted_depth, kind_of_maps
from ...geometry.robust import sigma_by_median
from ...scene.depth_maps import DepthKind
from ...scene.sparse_model import SparseModel
from ..thresholds import DEPTH
from .thresholds import SCALE_TIES


class MapTies:
    """Depth maps of photos that see points of both sides: a map that follows either side's depths
    with one scale and shift ties the sides' scales."""

    def __init__(self, model: SparseModel, priors: KeypointPriors) -> None:
        track, photo = model.observations[:, 0], model.observations[:, 1]
        pose = model.cam_from_world[photo]
        z = np.einsum("oi,oi->o", pose[:, 2, :3], model.points[track]) + pose[:, 2, 3]
        value = np.full(len(track), np.nan)
        for index in np.unique(photo).tolist():
            own = photo == index
            value[own] = priors.values[index][model.observations[own, 2]]
        known = np.isfinite(value) & (z > 0)
        self._track, self._photo, self._seen = track, photo, known
        self._value, self._depth = value, z
        self._num_tracks = len(model.points)
        samples = []
        for index in np.unique(photo[known]).tolist():
            own = known & (photo == index)
            samples.append((value[own], z[own]))
        self._kind: DepthKind | None = kind_of_maps(samples, priors.kind) if samples else None

    def sigma(self, side: Bool[np.ndarray, " V"]) -> float:
        """Standard deviation of the logarithm of the scale of a part, infinite where no map tells
        it; what maps have it off by counts as if it were chance."""
        ratios = self._ratios(side)
        if not len(ratios):
            return float("inf")
        middle = float(np.median(ratios))
        spread = sigma_by_median(ratios - middle) / len(ratios) ** 0.5
        return float(np.hypot(np.hypot(middle, spread), SCALE_TIES.of_maps))

    def _ratios(self, side: Bool[np.ndarray, " V"]) -> Float[np.ndarray, " N"]:
        """Logarithm of the scale of the part over that of the rest, by each map that tells it."""
        inside = side[self._photo]
        one = np.bincount(self._track[inside], minlength=self._num_tracks)[self._track]
        two = np.bincount(self._track[~inside], minlength=self._num_tracks)[self._track]
        own = self._seen & (one - inside >= 2) & (two - ~inside == 0)
        rest = self._seen & (two - ~inside >= 2) & (one - inside == 0)
        fewest = DEPTH.min_part_points
        count = len(side)
        enough = (np.bincount(self._photo[own], minlength=count) >= fewest) & (
            np.bincount(self._photo[rest], minlength=count) >= fewest
        )
        found = [
            self._ratio(own & (self._photo == p), rest & (self._photo == p))
            for p in np.flatnonzero(enough).tolist()
        ]
        return np.array([ratio for ratio in found if np.isfinite(ratio)])

    def _ratio(self, own: Bool[np.ndarray, " O"], rest: Bool[np.ndarray, " O"]) -> float:
        """By one map, aligned to the depths of the side of which it sees more."""
        assert self._kind is not None
        turned = own.sum() > rest.sum()
        aligned, other = (own, rest) if turned else (rest, own)
        fit = fit_map(self._value[aligned], self._depth[aligned], self._kind)
        depth = fitted_depth(self._value[other], fit, self._kind)
        known = np.isfinite(depth)
        if known.sum() < DEPTH.min_part_points:
            return float("nan")
        ratio = float(np.median(np.log(self._depth[other][known] / depth[known])))
        return -ratio if turned else ratio


__all__ = ["MapTies"]
