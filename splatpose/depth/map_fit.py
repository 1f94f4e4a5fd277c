"""How each photo's depth map follows the points of a reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ..geometry.projection import project
from ..scene.depth_maps import DepthFit, DepthKind
from ..scene.sparse_model import SparseModel
from .alignment import DropRule, fit_map, kind_of
from .keypoints import KeypointPriors


@dataclass(frozen=True)
class FittedMap:
    """A photo's map at the points that the photo observes, and the fit to their depths."""

    photo: int
    rows: Int[np.ndarray, " N"]
    """Of the model's observations."""
    values: Float[np.ndarray, " N"]
    fit: DepthFit


def fit_maps(model: SparseModel, priors: KeypointPriors) -> tuple[DepthKind, list[FittedMap]]:
    """What all maps are, and how each follows the depths of the model's points."""
    samples = []
    for photo in np.flatnonzero(model.registered).tolist():
        own = np.flatnonzero(model.observations[:, 1] == photo)
        values = priors.values[photo][model.observations[own, 2]]
        _, z = project(
            model.cameras[model.camera_index[photo]],
            model.cam_from_world[photo],
            model.points[model.observations[own, 0]],
        )
        valid = np.isfinite(values) & (z > 0)
        samples.append((photo, own[valid], values[valid], z[valid]))
    kind = priors.kind
    if kind == "auto":
        kind = kind_of([(values, z) for _, _, values, z in samples])
    fitted = [
        FittedMap(photo, own, values, fit_map(values, z, kind, DropRule(), seed=photo))
        for photo, own, values, z in samples
    ]
    return kind, fitted
