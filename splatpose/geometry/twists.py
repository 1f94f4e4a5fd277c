"""Small motions of cameras, without those of them that only move the whole world.

A motion of a camera is a twist xi = (rotation vector, translation) applied from the left, in the
camera's own frame: cam_from_world = Exp(xi) cam_from_world_0. Rotations are then about the
camera's own centre, and a twist shifts its picture alike wherever the world's origin is.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from .gauge import gauge_basis


def se3_exp(twists: Float[torch.Tensor, "*B 6"]) -> Float[torch.Tensor, "*B 4 4"]:
    """Rigid motions of twists (rotation vector in radians, translation); differentiable at zero."""
    w, v = twists[..., :3], twists[..., 3:]
    zero = torch.zeros_like(w[..., 0])
    x, y, z = w.unbind(-1)
    rows = [
        torch.stack([zero, -z, y, v[..., 0]], -1),
        torch.stack([z, zero, -x, v[..., 1]], -1),
        torch.stack([-y, x, zero, v[..., 2]], -1),
        torch.zeros_like(torch.stack([zero] * 4, -1)),
    ]
    return torch.linalg.matrix_exp(torch.stack(rows, -2))


class Gauge:
    """Takes out of a set of cameras' twists what all of them have in common.

    Photos and tracks say nothing about a similarity of the whole world, so nothing but noise
    would move it. Twists count in units in which their six numbers weigh alike.
    """

    def __init__(
        self, cam_from_world: Float[np.ndarray, "V 4 4"], units: Float[np.ndarray, " 6"]
    ) -> None:
        basis = gauge_basis(cam_from_world) / units[:, None]
        # Orthonormal; a lone camera or two may span fewer than seven directions.
        U, singular, _ = np.linalg.svd(basis.reshape(-1, 7), full_matrices=False)
        self._directions = torch.from_numpy(U[:, singular > 1e-9 * singular[0]].copy())

    def removed(self, twists: Float[torch.Tensor, "V 6"]) -> Float[torch.Tensor, "V 6"]:
        """The twists without their common similarity."""
        U = self._directions.to(twists)
        flat = twists.reshape(-1)
        return (flat - U @ (U.T @ flat)).reshape(twists.shape)
