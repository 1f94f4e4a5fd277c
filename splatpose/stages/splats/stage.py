"""Views in, a trained splat out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...events import EventSink, Message
from ...keys import Stage
from ...render import choose_backend
from ...scene.splats import TrainedSplats
from ...scene.views import Views
from ...splatting.config import TrainingConfig
from ...splatting.result import load_result
from ...splatting.train import train
from ...steering import SteeringSource, StoppedEarly, unsteered


def resolve_backend(config: TrainingConfig, emit: EventSink) -> TrainingConfig:
    """Replaces `backend="auto"` by what this machine has, and announces choice and reason.

    Raises:
        SplatposeError: the backend that was asked for does not work here.
    """
    backend = choose_backend(config.backend)
    emit(Message("splats", f"rasterizer: {backend.name} ({backend.reason})"))
    return replace(config, backend=backend.name)


def train_splats(
    views: Views,
    config: TrainingConfig,
    folder: Path,
    emit: EventSink,
    *,
    seed: int,
    steering: SteeringSource = unsteered,
) -> str | StoppedEarly:
    """Trains Gaussians on the views and leaves the result in `folder`.

    Held-out photos are first looked at when they are measured, after the last training step. An
    interrupted training goes on from its checkpoint in `folder`, with the same result.

    Args:
        views: undistorted photos with poses.
        config: how to train; `backend="auto"` is resolved here if it has not been.
        folder: owned by this stage; may hold an interrupted training's checkpoint.
        emit: receives `TrainingStep`s and messages.
        seed: of the order of photos and everything else random.
        steering: asked between two steps: to pause, to stop and save, and whether somebody looks
            on, for whom intermediate results are written. It decides when, never what: the result
            of a training that is not stopped is the same.

    Returns:
        One line for a person.

    Raises:
        SplatposeError: no photo to train on, or the training diverged twice.
    """
    config = resolve_backend(config, emit) if config.backend == "auto" else config
    return train(views, config, folder, emit, seed, steering=steering)


def load_splats(folder: Path) -> TrainedSplats:
    """Reads what `train_splats` left in `folder`.

    Raises:
        SplatposeError: the result is missing or damaged.
    """
    return load_result(folder)


def _space(views: Views, config: TrainingConfig) -> int:
    """The first Gaussians with both moments of their optimiser, in bytes."""
    values = 11 + 3 * (config.sh_degree + 1) ** 2
    return min(len(views.points), config.max_gaussians) * values * 3 * 4


SPLATS = Stage("splats", train_splats, load_splats, _space)
