"""Short trainings: Gaussians that serve a purpose for a moment and are thrown away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..splatting.config import TrainingConfig
from ..splatting.trainer import Diverged, Trainer


def short_config(steps: int, gaussians: int, num_points: int, **others: Any) -> TrainingConfig:
    """Settings of a training that never looks at the views that are held out of it.

    Args:
        steps: all of them; there is no last pass.
        gaussians: most Gaussians, or as many as there are points if those are more.
        num_points: points of the views.
        others: further fields of `TrainingConfig`.
    """
    return TrainingConfig(
        steps=steps,
        final_steps=0,
        keep_holdout=True,
        max_gaussians=max(gaussians, num_points),
        **others,
    )


def constant_number_config(
    steps: int, gaussians: int, num_points: int, **others: Any
) -> TrainingConfig:
    """Settings of a short training in which the number of Gaussians stays as it is.

    What decides the number of Gaussians at random would drown what poses are worth.

    Args:
        steps: all of them.
        gaussians: the points, filled up to this number if they are fewer.
        num_points: points of the views.
        others: further fields of `TrainingConfig`.
    """
    return short_config(
        steps,
        gaussians,
        num_points,
        refine_start=steps,
        fill_below=gaussians,
        background="black",
        **others,
    )


def run_steps(trainer: Trainer, after_step: Callable[[Trainer], bool]) -> bool:
    """Trains to the last step, or until `after_step` says that it is enough.

    Returns:
        Whether it stayed finite. The Gaussians of one that did not must be discarded.
    """
    try:
        while trainer.step < trainer.config.steps:
            trainer.advance()
            if after_step(trainer):
                break
    except Diverged:
        return False
    return True
