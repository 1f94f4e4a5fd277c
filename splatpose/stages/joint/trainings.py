"""The stage's three trainings, which an interrupted run goes on in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from ...events import Event, EventSink, Progress, TrainingStep
from ...io.atomic import replacing
from ...refinement.camera_optimizer import CameraOptimizer
from ...scene.views import Views
from ...splatting.config import TrainingConfig
from ...splatting.result import load_result
from ...splatting.train import train

_NAMES = {
    "moved": "poses and Gaussians together",
    "before": "measuring the poses as given",
    "after": "measuring the refined poses",
}


class ResumableTrainings:
    """Each in a folder of its own; what a finished one came to is kept until all are done."""

    def __init__(self, folder: Path, emit: EventSink, seed: int) -> None:
        self._folder, self._emit, self._seed = folder, emit, seed

    def moved(
        self, views: Views, config: TrainingConfig, cameras: CameraOptimizer
    ) -> Float[np.ndarray, "V 4 4"]:
        """See `splatpose.refinement.joint.Trainings`."""
        path = self._result("moved")
        if not path.exists():
            self._train("moved", views, config, cameras)
            _save_array(path, cameras.poses())
        return np.load(path)

    def held_out_psnr(
        self, views: Views, config: TrainingConfig, of: Literal["before", "after"]
    ) -> tuple[float, ...]:
        """See `splatpose.refinement.joint.Trainings`."""
        path = self._result(of)
        if not path.exists():
            folder = self._train(of, views, config)
            _save_array(path, np.array([score.psnr for score in load_result(folder).held_out]))
        return tuple(np.load(path).tolist())

    def remove(self) -> None:
        """Forgets all of them."""
        for name in _NAMES:
            shutil.rmtree(self._folder / name, ignore_errors=True)
            self._result(name).unlink(missing_ok=True)

    def _train(
        self,
        name: str,
        views: Views,
        config: TrainingConfig,
        cameras: CameraOptimizer | None = None,
    ) -> Path:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        emit = _relabelled(self._emit, list(_NAMES).index(name), _NAMES[name])
        train(views, config, folder, emit, self._seed, cameras)
        return folder

    def _result(self, name: str) -> Path:
        return self._folder / f"{name}.npy"


def _save_array(path: Path, value: Float[np.ndarray, ...]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, value)


def _relabelled(emit: EventSink, number: int, text: str) -> EventSink:
    """A training's steps as this stage's progress; what else it says is about its own result."""

    def relabelled(event: Event) -> None:
        if isinstance(event, TrainingStep):
            done = number * event.total_steps + event.step
            emit(Progress("joint", done, len(_NAMES) * event.total_steps, text))

    return relabelled
