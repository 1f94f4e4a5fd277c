"""No Gaussian larger than what a photo could tell of it.

A Gaussian that grows to the size of the room is drawn behind everything in the training photos and
hangs as a veil before a camera that stands elsewhere, because splats are sorted by their centres.
"""

from __future__ import annotations

import torch
from jaxtyping import Float

_CHUNK = 1 << 22
_GPU_CHUNK = 1 << 26
"""Distances at a time; a GPU is slower with many small pieces than with few large ones."""


@torch.no_grad()
def limit_scales(
    means: Float[torch.Tensor, "N 3"],
    log_scales: Float[torch.Tensor, "N 3"],
    centers: Float[torch.Tensor, "V 3"],
    share: float,
) -> None:
    """Bounds every standard deviation by `share` of the distance to the nearest camera.

    Args:
        means: positions in world units.
        log_scales: changed in place.
        centers: of the training cameras, in world units.
        share: tangent of the angle that a standard deviation may span in the nearest photo.
    """
    chunk = _CHUNK if means.device.type == "cpu" else _GPU_CHUNK
    rows = max(1, chunk // max(1, len(centers)))
    nearest = torch.cat(
        [torch.cdist(part, centers).min(dim=1).values for part in means.split(rows)]
    )
    log_scales.clamp_(max=(share * nearest).clamp_min(1e-12).log()[:, None])
