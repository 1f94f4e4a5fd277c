"""Depth of keypoints as trained Gaussians have it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from ..depth.sampling import on_surface, sample_map
from ..geometry.projection import normalized_from_pixels
from ..render import Backend
from ..scene.camera import Camera
from ..scene.sparse_model import SparseModel
from ..scene.splats import Splats
from ..scene.views import Views

_MIN_ALPHA = 0.5
"""Opacity that a pixel must have gathered: its depth is the mean over the Gaussians there."""


def keypoint_depths(
    splats: Splats,
    views: Views,
    model: SparseModel,
    keypoints: Sequence[Float[np.ndarray, "_K 2"]],
    backend: Backend,
) -> tuple[Float[np.ndarray, " _K"], ...]:
    """Renders the expected depth in every view and reads it at the keypoints of its photo.

    Args:
        views: the registered photos, in the order of `model`.
        model: cameras of the photos as given.
        keypoints: of each photo, in its pixels.

    Returns:
        For each photo, along its z axis in world units; NaN where the Gaussians say nothing, at
        jumps of depth, and for photos that are not registered.
    """
    found = [np.full(len(xy), np.nan) for xy in keypoints]
    for view, photo in enumerate(np.flatnonzero(model.registered).tolist()):
        height, width = views.images[view].shape[:2]
        K = views.Ks[view]
        depth = _rendered(splats, views.cam_from_world[view], K, (width, height), backend)
        params = np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
        pinhole = Camera("PINHOLE", width, height, params)
        depth[~on_surface(depth, pinhole)] = np.nan
        camera = model.cameras[model.camera_index[photo]]
        xy = normalized_from_pixels(camera, keypoints[photo].astype(np.float64))
        found[photo] = sample_map(depth, xy * params[:2] + params[2:], width, height)
    return tuple(found)


@torch.no_grad()
def _rendered(
    splats: Splats,
    cam_from_world: Float[np.ndarray, "4 4"],
    K: Float[np.ndarray, "3 3"],
    size: tuple[int, int],
    backend: Backend,
) -> Float[np.ndarray, "H W"]:
    """Expected depth of each pixel; NaN where Gaussians hide too little of what is behind."""

    def on(value: np.ndarray | torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(value).to(backend.device, torch.float32)

    depth, alpha, _ = backend.rasterization(
        on(splats.means),
        on(splats.quats),
        on(splats.log_scales).exp(),
        on(splats.logit_opacities).sigmoid(),
        on(splats.means[:, :1]),
        on(cam_from_world)[None],
        on(K)[None],
        *size,
        render_mode="ED",
    )
    result = depth[0, ..., 0].cpu().numpy().astype(np.float64)
    result[alpha[0, ..., 0].cpu().numpy() < _MIN_ALPHA] = np.nan
    return result
