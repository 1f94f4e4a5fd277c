"""Settings of the budget stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ...bounds import Bounds

PlannedOption = Literal[
    "views.max_size",
    "training.steps",
    "training.final_steps",
    "training.max_gaussians",
    "training.sh_degree",
    "training.refine_every",
    "training.refine_start",
    "training.sh_every",
]
"""What a plan chooses."""


USUAL_MINUTES = {"cpu": 1.5, "gsplat": 6.0}
"""Minutes of a training for which none are asked, by backend."""


@dataclass(frozen=True)
class BudgetConfig:
    """How long the training may take, and how much memory."""

    minutes: Annotated[float | None, Bounds(0.1, 10_000, also=0)] = None
    """Minutes of training to plan for: image size, steps, Gaussians and degree of colour follow
    from what short trainings take on this machine. 0: they are as the other options say. Unset:
    1.5, and 6 on a GPU; but 0 where training.steps are given, or poses alone are wanted."""
    memory: Annotated[float, Bounds(0.1, 100_000, also=0)] = 0.0
    """Memory that the training may take, in GiB: of the process, or of the GPU where it trains on
    one, for which it is an estimate. 0: what is free, for a plan by minutes."""
    given: tuple[PlannedOption, ...] = ()
    """Options that are not planned though they have their usual values, such as views.max_size;
    those with other values never are. The command line names those that it is given."""
