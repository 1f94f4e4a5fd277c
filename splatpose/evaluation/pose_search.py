"""Poses of test photos found by looking at the photos, with the Gaussians held fast.

What methods do that know no poses of test photos (CF-3DGS, Fu et al., CVPR 2024): a pose starts
from that of the training photo next to it and follows the photometric gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from ..geometry.twists import se3_exp
from ..render import Backend
from ..render.reference import RasterizeMode
from ..scene.splats import Splats


@dataclass(frozen=True)
class PoseSearch:
    """How poses of test photos are optimised. The defaults are those of CF-3DGS."""

    steps: int = 200
    """Steps of Adam."""
    rate: float = 1e-3
    """Learning rate, of the rotation in radians and of the translation in units of the world."""
    dssim_weight: float = 0.2
    """Weight of 1 - SSIM in the loss; the rest is the absolute difference."""


class FrozenSplats:
    """Gaussians that are only looked at."""

    def __init__(self, splats: Splats, backend: Backend) -> None:
        """
        Args:
            splats: what is rendered, on black.
            backend: renders them.
        """
        self.backend = backend
        self._device = torch.device(backend.device)
        self._means, self._quats = self._placed(splats.means), self._placed(splats.quats)
        self._scales = self._placed(splats.log_scales.exp())
        self._opacities = self._placed(splats.logit_opacities.sigmoid())
        self._sh = self._placed(splats.sh)
        self._degree = splats.sh_degree
        self._mode: RasterizeMode = "antialiased" if splats.antialiased else "classic"

    def render(
        self,
        cam_from_world: Float[torch.Tensor, "4 4"],
        K: Float[torch.Tensor, "3 3"],
        size: tuple[int, int],
    ) -> Float[torch.Tensor, "H W 3"]:
        """The picture of `size` (width, height), differentiable with respect to the pose."""
        black = cam_from_world.new_zeros(1, 3)
        picture, _, _ = self.backend.rasterization(
            self._means,
            self._quats,
            self._scales,
            self._opacities,
            self._sh,
            cam_from_world[None],
            K[None],
            size[0],
            size[1],
            sh_degree=self._degree,
            backgrounds=black,
            rasterize_mode=self._mode,
        )
        return picture[0]

    def _placed(self, values: torch.Tensor) -> torch.Tensor:
        return values.detach().to(self._device, torch.float32).contiguous()


def optimise_pose(
    splats: FrozenSplats,
    start: Float[np.ndarray, "4 4"],
    K: Float[torch.Tensor, "3 3"],
    target: Float[torch.Tensor, "H W 3"],
    mask: Bool[torch.Tensor, "H W"] | None,
    config: PoseSearch,
) -> Float[np.ndarray, "4 4"]:
    """cam_from_world of a photo, from a pose in its neighbourhood.

    The pose is a twist away from the start, in the camera's frame, so that turning the camera does
    not move it.

    Args:
        splats: held fast.
        start: cam_from_world to set out from.
        K: calibration of the photo in pixels.
        target: the photo, colours in [0, 1], on the backend's device.
        mask: where it has pixels.
        config: how.
    """
    base = torch.from_numpy(np.asarray(start, np.float64))
    twist = torch.nn.Parameter(torch.zeros(6, dtype=torch.float64))
    optimizer = torch.optim.Adam([twist], lr=config.rate)
    size = (target.shape[1], target.shape[0])
    for _ in range(config.steps):
        pose = (se3_exp(twist) @ base).to(target.device, torch.float32)
        picture = splats.render(pose, K, size)
        loss = splats.backend.photometric_loss(
            picture, target, mask, dssim_weight=config.dssim_weight
        )
        if not bool(torch.isfinite(loss)):
            break
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    with torch.no_grad():
        return (se3_exp(twist) @ base).numpy()
