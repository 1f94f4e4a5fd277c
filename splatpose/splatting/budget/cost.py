"""What a training costs in seconds: a linear model of counts, summed over the whole schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from ...render.cpu.loss import BLURS_PIXEL_BYTES, KEPT_BYTES
from ..config import TrainingConfig
from ..schedule import Schedule
from .photo_set import PhotoSet, growth

_SAMPLES = 40
"""Steps at which a schedule is looked at; it is smooth between them."""
_KEPT_PIXELS = KEPT_BYTES / BLURS_PIXEL_BYTES
"""Pixels of photos of one size whose blurs the loss keeps; those of the others are made anew at
every step."""
_OUTLIER = 3.0
"""A step that took so many times the median of its like was held up by something else."""


class Counts(NamedTuple):
    """What takes time, counted over any number of steps."""

    steps: float = 0.0
    gaussians: float = 0.0
    """Gaussians, summed over the steps."""
    coefficients: float = 0.0
    """Colour coefficients a channel of all Gaussians, summed over the steps."""
    pixels: float = 0.0
    """Pixels trained on, summed over the steps."""
    fresh_pixels: float = 0.0
    """Pixels, as above, of photos that nothing is kept of."""
    refined: float = 0.0
    """Gaussians, summed over the densifications."""
    prepared: float = 0.0
    """Pixels of the photos, read once for each size that training makes of them."""
    measured: float = 0.0
    """Pixels of the held-out photos."""


@dataclass(frozen=True)
class Timing:
    """Seconds that something took, and what was counted in it."""

    counts: Counts
    seconds: float
    weight: float = 1.0
    """How much it says beside the others: the number of steps that it is the mean of, say."""


@dataclass(frozen=True)
class CostModel:
    """Seconds for one of each of `Counts`, none of them negative."""

    rates: Counts

    def seconds(self, counts: Counts) -> float:
        """Seconds that the counted work takes."""
        return float(np.dot(self.rates, counts))


def fit_cost(timings: Sequence[Timing]) -> CostModel:
    """The model that explains timings best, by relative errors; nothing has a negative price.

    What no timing counts costs nothing in the model.
    """
    counts = np.array([timing.counts for timing in timings], np.float64)
    seconds = np.array([max(timing.seconds, 1e-9) for timing in timings])
    weights = np.sqrt([timing.weight for timing in timings])
    rows = counts * (weights / seconds)[:, None]
    scales = np.where((largest := np.abs(rows).max(axis=0)) > 0, largest, 1.0)
    rates, _ = nnls(rows / scales, weights)
    return CostModel(Counts(*(rates / scales).tolist()))


def grouped(timings: Sequence[Timing]) -> list[Timing]:
    """Timings of steps, those of the same counts brought together, without those held up."""
    like: dict[Counts, list[float]] = {}
    for timing in timings:
        like.setdefault(timing.counts, []).append(timing.seconds)
    groups = []
    for counts, seconds in like.items():
        plain = [value for value in seconds if value <= _OUTLIER * float(np.median(seconds))]
        groups.append(Timing(counts, float(np.mean(plain)), len(plain)))
    return groups


def training_counts(config: TrainingConfig, photos: PhotoSet, max_size: int) -> Counts:
    """What a training counts from its first step to the last, and before and after them.

    Gaussians grow and photos become larger as `Schedule` has it: what holds at the last step says
    little about the others.
    """
    pixels, num_training = photos.pixels(max_size), photos.num_training
    schedule = Schedule(config, photos.long_side(max_size), 1.0)
    refinement = growth(config, photos, max_size)
    last_pass = config.final_steps if photos.num_held_out and not config.keep_holdout else 0
    total = np.zeros(len(Counts()))
    for step, weight in [*_sampled(config.steps), (config.steps, float(last_pass))]:
        count = max(refinement.first_gaussians, refinement.budget(min(step, refinement.stop)))
        shown = pixels / schedule.factor(step) ** 2
        fresh = 1 - min(1.0, _KEPT_PIXELS / (shown * num_training)) ** 2
        refining = refinement.start <= step < refinement.stop
        colors = (schedule.sh_degree(step) + 1) ** 2
        at_step = Counts(
            1.0, count, count * colors, shown, shown * fresh, refining * count / refinement.every
        )
        total += weight * np.array(at_step)
    whole = pixels * len(photos)
    once = Counts(prepared=whole * len(schedule.factors), measured=pixels * photos.num_held_out)
    return Counts(*(total + np.array(once)).tolist())


def _sampled(steps: int) -> list[tuple[int, float]]:
    """Steps in the middle of stretches of a training, and how many steps each stands for."""
    number = min(steps, _SAMPLES)
    return [(int((i + 0.5) * steps / number), steps / number) for i in range(number)]
