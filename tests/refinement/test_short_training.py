"""Short trainings end when they are told to, and say when they diverged."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scenes.splats import synthetic_views

from splatpose.events import ignore_events
from splatpose.refinement.short_training import constant_number_config, run_steps
from splatpose.render import choose_backend
from splatpose.splatting.trainer import Trainer


@pytest.fixture
def trainer() -> Trainer:
    views = synthetic_views()
    config = constant_number_config(12, 40, len(views.points), sh_degree=0)
    return Trainer(views, replace(config, refine_every=2), choose_backend("cpu"), 0, ignore_events)


def test_the_number_of_gaussians_stays_as_it_is(trainer: Trainer) -> None:
    before, steps = len(trainer.model), []

    def seen(trainer: Trainer) -> bool:
        steps.append(trainer.step)
        return False

    assert run_steps(trainer, seen)
    assert steps == list(range(1, 13))
    assert len(trainer.model) == before


def test_it_ends_when_it_is_enough(trainer: Trainer) -> None:
    assert run_steps(trainer, lambda trainer: trainer.step == 5)
    assert trainer.step == 5


def test_divergence_is_told(trainer: Trainer) -> None:
    with torch.no_grad():
        trainer.model.params["means"].fill_(float("nan"))
    assert not run_steps(trainer, lambda _: False)
