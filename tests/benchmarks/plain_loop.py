"""Our training step against the plain loop around the same rasterizer and loss.

The plain loop is what gsplat's own examples come down to: activations, one rasterization, the
loss, one fused Adam a parameter. Ours does besides what a training needs: the order of the photos,
rates, exposure, gradients collected for densification, checks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from splatpose.configs import PRESETS
from splatpose.events import ignore_events
from splatpose.render import Backend
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.trainer import Trainer

_STEPS = 1_000_000
"""Of the schedule: rates and photos stay as they are at its end while it is timed."""


@dataclass(frozen=True)
class Race:
    """A made scene, and how long both run through it."""

    gaussians: int = 300_000
    width: int = 1600
    height: int = 1200
    photos: int = 20
    rounds: int = 6
    steps: int = 40
    """Steps of each in a round."""

    def run(self, backend: Backend) -> dict[str, float]:
        """Milliseconds a step, and the median ratio over rounds that take turns."""
        views = made_views(self.gaussians, self.width, self.height, self.photos)
        trainer = Trainer(views, self._config(), backend, 0, ignore_events)
        trainer.step = _STEPS // 2
        plain = PlainLoop(trainer, backend)
        runs: list[tuple[float, float]] = []
        for _ in range(self.rounds + 1):
            ours = _timed(trainer.advance, self.steps, backend.device)
            runs.append((ours, _timed(plain.advance, self.steps, backend.device)))
        ours, theirs = np.array(runs[1:]).T  # the first round warms up
        return {
            "ours_ms": float(np.median(ours)),
            "plain_ms": float(np.median(theirs)),
            "ratio": float(np.median(ours / theirs)),
        }

    def _config(self) -> TrainingConfig:
        return TrainingConfig(
            **{
                **vars(PRESETS["default"].training),
                "steps": _STEPS,
                "refine_start": _STEPS,
                "max_gaussians": self.gaussians,
                "coarse_factor": 1.0,
                "fill_below": 0,
                "sh_degree": 3,
                "sh_every": 1,
            }
        )


class PlainLoop:
    """The same Gaussians, trained with nothing around."""

    def __init__(self, trainer: Trainer, backend: Backend) -> None:
        self._backend, self._photos, self._step = backend, trainer.photos, 0
        trainer.model.raise_sh_degree(3)
        self._params = {
            name: torch.nn.Parameter(value.detach().clone())
            for name, value in trainer.model.params.items()
        }
        self._optimizers = [
            torch.optim.Adam([value], lr=1e-6, eps=1e-15, fused=True)
            for value in self._params.values()
        ]

    def advance(self) -> torch.Tensor:
        """One step; its loss."""
        index = self._step % len(self._photos)
        self._step += 1
        photo, params = self._photos.at(index), self._params
        width, height = photo.size
        image, _, _ = self._backend.rasterization(
            params["means"],
            params["quats"],
            params["scales"].exp(),
            params["opacities"].sigmoid(),
            torch.cat([params["sh0"], params["shN"]], dim=1),
            self._photos.viewmats[index][None],
            photo.K[None],
            width,
            height,
            sh_degree=3,
        )
        loss = self._backend.photometric_loss(image[0], photo.colors)
        loss.backward()
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.detach()


def made_views(gaussians: int, width: int, height: int, photos: int) -> Views:
    """Smooth random photos of a slab of points, all of which every camera sees."""
    rng = np.random.default_rng(0)
    focal = 0.9 * width
    z = rng.uniform(3, 5, gaussians)
    xy = rng.uniform(-0.45, 0.45, (gaussians, 2)) * (width, height) * z[:, None] / focal
    poses = np.tile(np.eye(4), (photos, 1, 1))
    poses[:, 0, 3] = np.linspace(-0.1, 0.1, photos)
    ramp = np.linspace(0, 4 * np.pi, width)[None, :, None] + np.arange(3)
    wave = 127 + 100 * np.sin(ramp + np.linspace(0, 9, height)[:, None, None])
    return Views(
        names=tuple(f"{number}.png" for number in range(photos)),
        images=(wave.astype(np.uint8),) * photos,
        masks=(None,) * photos,
        Ks=np.tile([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]], (photos, 1, 1)),
        cam_from_world=poses,
        held_out=np.zeros(photos, bool),
        points=np.concatenate([xy, z[:, None]], axis=1),
        point_colors=rng.integers(0, 256, (gaussians, 3), np.uint8),
    )


def _timed(step: Callable[[], Any], steps: int, device: torch.device) -> float:
    """Milliseconds a step, from an idle device to an idle device."""
    _idle(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    _idle(device)
    return 1000 * (time.perf_counter() - start) / steps


def _idle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
