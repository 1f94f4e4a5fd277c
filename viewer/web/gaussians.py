"""Gaussians as a browser is given them: the ones that matter most first, and not too many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from splatpose.geometry.rotations import matrix_from_quat
from splatpose.scene.splats import Splats

_LARGEST_HALF = 6e4
"""viser sends covariances as half floats, which end at 65504 and lose precision below 6e-5."""
_LARGEST_ZOOM = 200.0


@dataclass(frozen=True)
class BrowserSplats:
    """N Gaussians without view dependence, those that contribute most first."""

    centers: Float[np.ndarray, "N 3"]
    covariances: Float[np.ndarray, "N 3 3"]
    colors: Float[np.ndarray, "N 3"]
    """RGB, 0 to 1."""
    opacities: Float[np.ndarray, "N 1"]

    def __len__(self) -> int:
        return len(self.centers)

    def limited(self, count: int) -> BrowserSplats:
        """The `count` Gaussians that contribute most."""
        return BrowserSplats(
            self.centers[:count],
            self.covariances[:count],
            self.colors[:count],
            self.opacities[:count],
        )

    def zoom(self, size: float) -> float:
        """Factor by which to enlarge the scene for sending, so that covariances suit half floats.

        Args:
            size: factor on the standard deviations with which they will be shown.
        """
        if not len(self):
            return 1.0
        largest = float(np.abs(self.covariances).max()) * size**2
        return float(min(_LARGEST_ZOOM, np.sqrt(_LARGEST_HALF / max(largest, 1e-12))))


def for_browser(splats: Splats) -> BrowserSplats:
    """All finite Gaussians, sorted by what they contribute to pictures.

    That is opacity times the area of the ellipse along the two longer axes, over the squared
    distance from the cameras, which lie within about one unit of the origin.
    """
    from splatpose.io.ply import finite_gaussians
    from splatpose.io.splat32 import SH_C0

    keep = finite_gaussians(splats).cpu().numpy()
    means = splats.means.detach().cpu().numpy()[keep].astype(np.float32)
    scales = np.exp(splats.log_scales.detach().cpu().numpy()[keep].astype(np.float32))
    opacities = 1 / (1 + np.exp(-splats.logit_opacities.detach().cpu().numpy()[keep]))
    area = np.sort(scales, axis=1)[:, 1:].prod(axis=1)
    contribution = opacities * area / (1 + (means**2).sum(1))
    order = np.argsort(-contribution, kind="stable")
    quats = splats.quats.detach().cpu().numpy()[keep][order]
    axes = matrix_from_quat(unit_quats(quats)) * scales[order][:, None, :]
    colors = 0.5 + SH_C0 * splats.sh[:, 0].detach().cpu().numpy()[keep][order]
    return BrowserSplats(
        centers=means[order],
        covariances=axes @ axes.transpose(0, 2, 1),
        colors=np.clip(colors, 0, 1).astype(np.float32),
        opacities=opacities[order].astype(np.float32)[:, None],
    )


def unit_quats(quats: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N 4"]:
    """Normalised; those that are zero stand for no turn."""
    norm = np.linalg.norm(quats, axis=1, keepdims=True)
    identity = np.array([1, 0, 0, 0], np.float32)
    return np.where(norm > 0, quats / np.where(norm > 0, norm, 1), identity)
