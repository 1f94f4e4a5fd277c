"""What planning has to know of the photos before any is undistorted at its final size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ..config import TrainingConfig
from ..densification import Refinement
from ..schedule import Schedule


@dataclass(frozen=True)
class PhotoSet:
    """V photos by their sizes alone."""

    sizes: Int[np.ndarray, "V 2"]
    """Width and height of each undistorted photo where it is not scaled down, in pixels."""
    num_held_out: int
    """Photos that are measured and not trained on."""
    num_points: int
    """Sparse points, of which the first Gaussians are made."""

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def num_training(self) -> int:
        """Photos that are trained on."""
        return max(1, len(self) - self.num_held_out)

    def long_side(self, max_size: int) -> int:
        """Long side of the largest photo, scaled down to `max_size`, in pixels."""
        return int(min(max_size, self.sizes.max()))

    def pixels(self, max_size: int) -> float:
        """Pixels of a photo, scaled down to `max_size`, in the mean over all of them."""
        sides: Float[np.ndarray, " V"] = self.sizes.max(axis=1).astype(np.float64)
        areas = self.sizes.prod(axis=1) * np.minimum(1.0, max_size / sides) ** 2
        return float(areas.mean())


def growth(config: TrainingConfig, photos: PhotoSet, max_size: int) -> Refinement:
    """How the number of Gaussians grows in a training, and where it ends."""
    first = min(max(photos.num_points, config.fill_below), config.max_gaussians)
    schedule = Schedule(config, photos.long_side(max_size), 1.0)
    return schedule.refinement(int(photos.pixels(max_size) * photos.num_training), first)


def most_gaussians(config: TrainingConfig, photos: PhotoSet, max_size: int) -> int:
    """Gaussians at the end of a training: the bound, or fewer where the pixels call for no more."""
    refinement = growth(config, photos, max_size)
    return max(refinement.first_gaussians, refinement.max_gaussians)
