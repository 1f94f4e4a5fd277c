"""What a training costs in memory: a model of bytes by Gaussians, pixels and photos.

The figures are those of trainings on a CPU. For a GPU, where other kernels hold other things, they
are an estimate.
"""

from __future__ import annotations

from ...render.cpu import loss
from .. import training_photos
from ..config import TrainingConfig
from ..schedule import Schedule
from .photo_set import PhotoSet, most_gaussians

_FLOAT = 4
_ONCE = 100 * 2**20
"""Bytes that kernels, their threads and workspaces take when the first step is made."""
_COPIES = 8
"""Of every parameter: itself, its gradient, two moments, and what projection, its gradient and a
densification hold of it for a moment."""
_BYTES_A_GAUSSIAN = 320
"""Bytes of its places in the tiles' lists, and of what is kept of it until the gradient."""
_BYTES_A_PIXEL = 160
"""Bytes of a render, its gradient and what the loss makes of both."""


def training_bytes(config: TrainingConfig, photos: PhotoSet, max_size: int, base: int = 0) -> int:
    """Bytes that a training holds at its most.

    Args:
        config: number of Gaussians and degree of colour, and the sizes that training makes.
        photos: what is trained on.
        max_size: long side of the photos at most, in pixels.
        base: bytes that the process holds before.
    """
    pixels = photos.pixels(max_size)
    values = 11 + 3 * (config.sh_degree + 1) ** 2
    a_gaussian = _COPIES * _FLOAT * values + _BYTES_A_GAUSSIAN
    factors = Schedule(config, photos.long_side(max_size), 1.0).factors
    a_photo = 3 * pixels * (1 + sum(1 / factor**2 for factor in factors))
    at_size = pixels * photos.num_training
    kept = min(training_photos.KEPT_BYTES, training_photos.FLOAT_PIXEL_BYTES * at_size)
    kept += min(loss.KEPT_BYTES, loss.BLURS_PIXEL_BYTES * at_size)
    shown = _BYTES_A_PIXEL * pixels
    gaussians = most_gaussians(config, photos, max_size)
    return int(base + _ONCE + gaussians * a_gaussian + len(photos) * a_photo + kept + shown)
