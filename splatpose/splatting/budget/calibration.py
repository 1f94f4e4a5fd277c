"""What a training costs on this machine, measured: the whole schedule in miniature, a few times."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ...events import ignore_events
from ...render import Backend
from ...scene.views import Views
from ..config import TrainingConfig
from ..device import wait_for
from ..quality import measure
from ..schedule import Schedule
from ..trainer import Diverged, Trainer
from ..training_photos import TrainingPhotos
from .cost import Counts, Timing, grouped

_DEFAULT = TrainingConfig()
_LONGEST_SECONDS, _LEAST_STEPS = 10.0, 20
"""Time after which a miniature ends before its last step, where the machine is busy or slow; but
not before so many steps."""
_WARM_STEPS = 3
"""First steps of a miniature that do not count: kernels are loaded, memory is taken."""


@dataclass(frozen=True)
class Probe:
    """A training in miniature."""

    max_size: int
    """Long side of the photos in pixels."""
    max_gaussians: int
    steps: int


FIRST_PROBES = {
    "cpu": (Probe(240, 8_000, 60), Probe(480, 30_000, 60)),
    "gsplat": (Probe(480, 50_000, 60), Probe(1024, 300_000, 60)),
}
"""What is timed before anything is planned, by backend: two sizes and numbers of Gaussians, between
and below which a model may be read, and some way above."""


def miniature(config: TrainingConfig, probe: Probe) -> TrainingConfig:
    """The settings with the whole schedule in as many steps as the probe has.

    A training's Gaussians are large and faint first, small and dense later, and cost accordingly;
    so do those of the miniature.
    """
    factor = probe.steps / _DEFAULT.steps
    return replace(
        config,
        steps=probe.steps,
        final_steps=0,
        max_gaussians=probe.max_gaussians,
        pixels_per_gaussian=0.001,
        refine_every=max(2, round(_DEFAULT.refine_every * factor)),
        refine_start=max(2, round(_DEFAULT.refine_start * factor)),
        sh_every=max(1, round(_DEFAULT.sh_every * factor)),
    )


def time_steps(
    views: Views,
    config: TrainingConfig,
    backend: Backend,
    seed: int,
    longest: float = _LONGEST_SECONDS,
) -> list[Timing]:
    """Trains for a moment and times every step, the preparation and the measurement.

    Args:
        views: some photos, at the size that is to be timed; those held out are measured.
        config: a `miniature`.
        backend: rasterizer.
        seed: of the training.
        longest: time for the steps, in seconds.
    """
    trainer = Trainer(views, config, backend, seed, ignore_events)
    num_training = int((~trainer.photos.held_out).sum())
    growth = trainer.schedule.refinement(1 << 60, 1)
    steps, at_size, factor = [], 0, 0.0
    spent = 0.0
    while trainer.step < config.steps and (spent < longest or trainer.step < _LEAST_STEPS):
        step, count = trainer.step, len(trainer.model)
        if trainer.schedule.factor(step) != factor:
            factor, at_size = trainer.schedule.factor(step), 0
        try:
            seconds = _seconds_of_step(trainer)
        except Diverged:
            break
        width, height = trainer.image_size
        counts = Counts(
            steps=1,
            gaussians=count,
            coefficients=count * (trainer.model.sh_degree + 1) ** 2,
            pixels=width * height,
            fresh_pixels=width * height * (at_size < num_training),
            refined=len(trainer.model) * growth.due(step),
        )
        at_size += 1
        if step >= _WARM_STEPS:
            steps.append(Timing(counts, seconds))
            spent += seconds
    once = [_preparation(views, trainer.schedule, backend)]
    if trainer.photos.held_out.any():
        once.append(_measurement(trainer))
    return [*grouped(steps), *once]


def one_held_out(views: Views) -> Views:
    """The views with the middle one held out, where there are several."""
    held_out = np.zeros(len(views.names), bool)
    held_out[len(held_out) // 2] = len(held_out) > 1
    return replace(views, held_out=held_out)


def weighted(timings: Sequence[Timing], weight: float) -> list[Timing]:
    """Timings that say so many times more."""
    return [replace(timing, weight=weight * timing.weight) for timing in timings]


def _seconds_of_step(trainer: Trainer) -> float:
    start = time.perf_counter()
    trainer.advance()
    wait_for(trainer.device)
    return time.perf_counter() - start


def _preparation(views: Views, schedule: Schedule, backend: Backend) -> Timing:
    start = time.perf_counter()
    TrainingPhotos(views, schedule.factors, torch.device(backend.device))
    seconds = time.perf_counter() - start
    pixels = sum(image.shape[0] * image.shape[1] for image in views.images)
    return Timing(Counts(prepared=pixels * len(schedule.factors)), seconds)


def _measurement(trainer: Trainer) -> Timing:
    start = time.perf_counter()
    measure(trainer.photos, trainer.render_photo)
    seconds = time.perf_counter() - start
    held_out = trainer.photos.held_out.nonzero()[:, 0].tolist()
    sizes = [trainer.photos.at(index).size for index in held_out]
    return Timing(Counts(measured=sum(width * height for width, height in sizes)), seconds)
