"""What moves all cameras together and no picture: similarities of the whole world."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from .rotations import cross_matrix


def gauge_basis(cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, "V 6 7"]:
    """First-order twists of the cameras (see `twists`) when the world moves and changes its size.

    Columns: rotation about x, y, z, translation along x, y, z, and scale, of the world.
    """
    R, t = cam_from_world[:, :3, :3], cam_from_world[:, :3, 3]
    basis = np.zeros((len(R), 6, 7))
    basis[:, :3, :3] = -R
    basis[:, 3:, :3] = -cross_matrix(t) @ R
    basis[:, 3:, 3:6] = -R
    basis[:, 3:, 6] = t
    return basis
