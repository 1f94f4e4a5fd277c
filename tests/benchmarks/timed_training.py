"""Trainings that end after a given time, measured at given times on the way.

`TrainingConfig` counts steps, so a budget is turned into a number of steps by a pilot: the whole
schedule in miniature, of which the mean time of a step is taken. With the number of steps all
that the config gives in steps (densification, degree of the colours) is stretched alike: a longer
training is the same training in slow motion.
"""

from __future__ import annotations

import copy
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import psutil
import torch

from splatpose.events import ignore_events
from splatpose.render import choose_backend
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.quality import measure
from splatpose.splatting.trainer import Trainer

_PILOT_STEPS = 300
_LEAST_STEPS = 30


def stretched(config: TrainingConfig, steps: int) -> TrainingConfig:
    """The same schedule over another number of steps."""
    factor = steps / config.steps
    return replace(
        config,
        steps=steps,
        refine_every=max(1, round(config.refine_every * factor)),
        refine_start=round(config.refine_start * factor),
        sh_every=max(1, round(config.sh_every * factor)),
    )


def within(config: TrainingConfig, views: Views, seconds: float, seed: int) -> TrainingConfig:
    """`config` stretched to take about `seconds` of training here, by a pilot."""
    pilot = stretched(config, _PILOT_STEPS)
    trainer = Trainer(views, pilot, choose_backend(config.backend), seed, ignore_events)
    spent = np.array([_advance(trainer) for _ in range(pilot.steps)])
    # As many refinements in a longer training: their time is no part of a step's.
    refining = np.arange(pilot.steps) % pilot.refine_every == 0
    plain = float(spent[~refining].mean()) if (~refining).any() else float(spent.mean())
    extra = float(np.maximum(spent[refining] - plain, 0).sum())
    steps = round((seconds - extra) / plain)
    return stretched(config, max(_LEAST_STEPS, steps))


@dataclass
class Training:
    """What there is to know about a training; times are of the steps alone."""

    config: TrainingConfig
    seconds: float = 0.0
    peak_mb: float = 0.0
    gaussians: int = 0
    faint_share: float = 0.0
    """Of the Gaussians that are below the config's least opacity in the end."""
    most_gaussians: int = 0
    psnr: float = float("nan")
    ssim: float = float("nan")
    curve: list[dict[str, Any]] = field(default_factory=list)


def train(views: Views, config: TrainingConfig, seed: int, measure_at: list[float]) -> Training:
    """Trains on the photos that are not held out; `measure_at` in seconds of training."""
    trainer = Trainer(views, config, choose_backend(config.backend), seed, ignore_events)
    result = Training(config)
    waiting = sorted(measure_at)
    with _PeakMemory() as memory:
        while trainer.step < config.steps:
            result.seconds += _advance(trainer)
            result.most_gaussians = max(result.most_gaussians, len(trainer.model))
            if waiting and result.seconds >= waiting[0]:
                waiting = [at for at in waiting if at > result.seconds]
                result.curve.append(_measured(trainer, result.seconds))
                _print(result.curve[-1])
        result.curve.append(_measured(trainer, result.seconds))
        _print(result.curve[-1])
    result.peak_mb = memory.peak_mb
    result.gaussians = len(trainer.model)
    opacities = trainer.model.params["opacities"].detach().sigmoid()
    result.faint_share = float((opacities < config.min_opacity).double().mean())
    result.psnr, result.ssim = result.curve[-1]["psnr"], result.curve[-1]["ssim"]
    return result


def _advance(trainer: Trainer) -> float:
    start = time.perf_counter()
    trainer.advance()
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
    return time.perf_counter() - start


def _measured(trainer: Trainer, seconds: float) -> dict[str, Any]:
    """Scores as if training ended here; the training goes on as if nothing had happened."""
    state = copy.deepcopy(trainer.state_dict())
    trainer.bake_exposure()
    scores = measure(trainer.photos, trainer.render_photo)
    trainer.load_state_dict(state)
    return {
        "step": trainer.step,
        "seconds": seconds,
        "gaussians": len(trainer.model),
        "psnr": float(np.mean([score.psnr for score in scores])),
        "ssim": float(np.mean([score.ssim for score in scores])),
    }


def _print(point: dict[str, Any]) -> None:
    print(
        f"    {point['seconds']:6.1f} s  step {point['step']:5d}  {point['gaussians']:6d} Gaussians"
        f"  {point['psnr']:.2f} dB  SSIM {point['ssim']:.3f}",
        flush=True,
    )


class _PeakMemory:
    """Largest resident memory of this process inside the block."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.1):
            self.peak_mb = max(self.peak_mb, process.memory_info().rss / 2**20)


def warm_up() -> None:
    """Compile before the clock runs."""
    from splatpose.render.cpu import warmup

    if not torch.cuda.is_available():
        warmup()
