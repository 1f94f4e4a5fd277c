"""What changes over the steps of a training: resolution, colour degree, learning rates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .config import TrainingConfig
from .densification import Refinement

_SMALLEST_SIDE = 100
"""Photos are not made smaller than this many pixels on their long side."""


def most_gaussians(config: TrainingConfig, num_training_pixels: int) -> int:
    """What the config and the pixels of all training photos together allow."""
    return min(config.max_gaussians, int(num_training_pixels / config.pixels_per_gaussian))


@dataclass(frozen=True)
class Schedule:
    """The config, turned into values at a step.

    Steps below `config.steps` belong to the main training, those from there on to the last pass.
    """

    config: TrainingConfig
    long_side: int
    """Long side of the largest photo, in pixels."""
    scene_scale: float
    """Length that the positions' learning rates are relative to, in world units."""

    @cached_property
    def factors(self) -> tuple[float, ...]:
        """How many times smaller the photos are made, largest first, in steps of sqrt 2."""
        limit = max(1.0, min(self.config.coarse_factor, self.long_side / _SMALLEST_SIDE))
        factors = [1.0]
        while factors[-1] * 2**0.5 <= limit * 1.001:
            factors.append(factors[-1] * 2**0.5)
        return tuple(reversed(factors))

    @property
    def ends(self) -> tuple[int, int]:
        """Steps after which the main training and the last pass are done."""
        return self.config.steps, self.config.steps + self.config.final_steps

    def factor(self, step: int) -> float:
        """How many times smaller the photos are at `step`."""
        coarse = self.config.coarse_share * self.config.steps
        factors = self.factors
        if step >= coarse:
            return 1.0
        return factors[min(int(step / coarse * (len(factors) - 1)), len(factors) - 1)]

    def sh_degree(self, step: int) -> int:
        """Degree of the spherical harmonics at `step`."""
        return min(self.config.sh_degree, step // max(1, self.config.sh_every))

    def progress(self, step: int) -> float:
        """From 0 at the first step to 1 at the end of the main training and beyond."""
        return min(1.0, step / max(1, self.config.steps))

    def rates(self, step: int, damping: float = 1.0) -> dict[str, float]:
        """Learning rate of each parameter of `GaussianModel`, multiplied by `damping`."""
        c, t = self.config, self.progress(step)
        means = self.scene_scale * c.lr_means ** (1 - t) * c.lr_means_final**t
        decay = damping * c.lr_decay**t
        return {
            "means": damping * means,
            "scales": decay * c.lr_scales,
            "quats": decay * c.lr_quats,
            "opacities": decay * c.lr_opacities,
            "sh0": decay * c.lr_colors,
            "shN": decay * c.lr_sh,
        }

    def exposure_rate(self, step: int) -> float:
        """Learning rate of the exposure maps."""
        return self.config.lr_exposure * self.config.lr_decay ** self.progress(step)

    def refinement(self, num_training_pixels: int, num_first: int) -> Refinement:
        """When Gaussians are added to the `num_first` of the start, and how many there may be."""
        c = self.config
        return Refinement(
            start=c.refine_start,
            stop=int(c.refine_stop * c.steps),
            every=c.refine_every,
            max_gaussians=max(1000, most_gaussians(c, num_training_pixels)),
            first_gaussians=num_first,
            full=max(c.refine_start + 1, int(c.growth_share * c.steps)),
        )
