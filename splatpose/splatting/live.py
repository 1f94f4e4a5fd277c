"""Intermediate results for those who look on while a training runs."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..io.atomic import replacing
from ..scene.splats import Splats
from .quality import mean_psnr, measure
from .trainer import Trainer

SNAPSHOT = "live.pt"
_COST_SHARE = 0.01
"""Share of the training's time that snapshots may take, and measurements again."""
_SNAPSHOT_SECONDS = 2.0
_MEASURE_SECONDS = 5.0


class LiveView:
    """Writes the Gaussians as they are, and measures them, seldom enough to cost next to nothing.

    Neither changes anything in the training. A snapshot that cannot be written is left out.
    """

    def __init__(self, folder: Path, settle: Callable[[], object] = lambda: None) -> None:
        """
        Args:
            folder: of the training.
            settle: waits for the steps that a device was told to make, which are no cost of these.
        """
        self._path = folder / SNAPSHOT
        self._snapshots = _Seldom(_SNAPSHOT_SECONDS, settle)
        self._measurements = _Seldom(_MEASURE_SECONDS, settle)

    def write(self, trainer: Trainer, *, at_once: bool = False) -> None:
        """Writes a snapshot if it is time for one, or `at_once`."""
        if at_once:
            self._snapshots.reset()
        self._snapshots.run(lambda: _write(self._path, trainer))

    def measure(self, trainer: Trainer) -> float | None:
        """Mean PSNR of the held-out photos in dB if it is time to measure, else None."""
        if not bool(trainer.photos.held_out.any()):
            return None
        scores = self._measurements.run(lambda: measure(trainer.photos, trainer.render_photo))
        return None if scores is None else mean_psnr(scores)

    def close(self) -> None:
        """Removes the snapshot: the result has taken its place."""
        self._path.unlink(missing_ok=True)


def read_snapshot(path: Path) -> tuple[Splats, int]:
    """Gaussians, on the CPU, and the step of a snapshot.

    Raises:
        OSError: there is none (any more).
        ValueError: it is damaged.
    """
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
        step = value.pop("step")
        return Splats(**value), int(step)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _write(path: Path, trainer: Trainer) -> bool:
    splats = trainer.splats()
    value: dict[str, Any] = {
        "step": trainer.step,
        "means": splats.means,
        "quats": splats.quats,
        "log_scales": splats.log_scales,
        "logit_opacities": splats.logit_opacities,
        "sh": splats.sh,
        "antialiased": splats.antialiased,
    }
    try:
        with replacing(path, durable=False) as temporary:
            torch.save(value, temporary)
    except (OSError, RuntimeError):  # torch's word for a full disk
        return False
    return True


class _Seldom:
    """Runs something at most every `seconds`, and as seldom as its own cost demands."""

    def __init__(self, seconds: float, settle: Callable[[], object]) -> None:
        self._shortest, self._settle = seconds, settle
        self.reset()

    def reset(self) -> None:
        self._next = float("-inf")

    def run(self, work: Callable[[], Any]) -> Any:
        """What `work` returns, or None where it is too soon."""
        if time.perf_counter() < self._next:
            return None
        self._settle()
        start = time.perf_counter()
        value = work()
        end = time.perf_counter()
        self._next = end + max(self._shortest, (end - start) / _COST_SHARE)
        return value
