"""The numbers of a training of a number of minutes, and their places in the config."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import get_args

from .config import FitConfig
from .keys import Keyed
from .runs import RunFolder
from .scene.capture import Capture
from .scene.sparse_model import SparseModel
from .scene.training_plan import TrainingPlan
from .stages.budget.config import USUAL_MINUTES, BudgetConfig, PlannedOption

PLANNED: tuple[PlannedOption, ...] = get_args(PlannedOption)
"""Options that are chosen: the fields of a plan are called as theirs."""
NO_PLAN = BudgetConfig(minutes=0.0)
"""All is as the other options say."""


def plan_budget(
    run: RunFolder,
    config: FitConfig,
    capture: Keyed[Capture],
    poses: Keyed[SparseModel],
    backend: str,
) -> TrainingPlan | None:
    """One stage, where a time or a memory is to be kept: chooses the options that are not given.

    The plan is a stage's result like others: a run that is taken up again goes on with the numbers
    that it had, whatever the machine does meanwhile.
    """
    given = given_options(config)
    minutes = config.budget.minutes
    if minutes is None:
        minutes = 0.0 if "training.steps" in given else USUAL_MINUTES[backend]
    if not (minutes or config.budget.memory):
        return None
    from .stages.budget.stage import BUDGET

    asked = replace(config.budget, minutes=minutes, given=given)
    views = {name: getattr(config.views, name) for name in ("max_size", "keep_edges", "eval_every")}
    options = {**views, "hold_out": config.views.hold_out, "seed": config.seed}
    training = replace(config.training, backend=backend)
    return run.stage(BUDGET, asked, capture, poses, training=training, **options).value


def with_plan(config: FitConfig, plan: TrainingPlan | None) -> FitConfig:
    """The config with a plan's numbers in it, which asks for no plan any more."""
    if plan is None:
        return config
    config = replace(config, budget=NO_PLAN)
    for path in PLANNED:
        stage, name = path.split(".")
        changed = replace(getattr(config, stage), **{name: getattr(plan, name)})
        config = replace(config, **{stage: changed})
    return config


def for_poses(config: FitConfig) -> FitConfig:
    """The config of a run that ends before the training: no plan unless one is asked for."""
    return replace(config, budget=replace(config.budget, minutes=config.budget.minutes or 0.0))


def given_options(config: FitConfig) -> tuple[PlannedOption, ...]:
    """Options that are not to be chosen: those named, and those with other values than usual."""
    usual = FitConfig()
    changed = {path for path in PLANNED if attrgetter(path)(config) != attrgetter(path)(usual)}
    return tuple(path for path in PLANNED if path in {*config.budget.given, *changed})
