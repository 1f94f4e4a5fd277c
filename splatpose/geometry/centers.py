"""Where cameras stand."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def centers_of(cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, "V 3"]:
    """Camera centres in the world."""
    return -np.einsum("vji,vj->vi", cam_from_world[:, :3, :3], cam_from_world[:, :3, 3])


def rms_radius(centers: Float[np.ndarray, "V 3"]) -> float:
    """Root mean square distance of points from their mean; NaN without any."""
    if not len(centers):
        return float("nan")
    return float(np.sqrt(((centers - centers.mean(0)) ** 2).sum(1).mean()))
