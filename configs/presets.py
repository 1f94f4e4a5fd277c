"""The presets by name: times of training."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from splatpose.config import FitConfig
from splatpose.stages.budget.config import BudgetConfig

PresetName = Literal["fast", "default", "quality"]

PRESETS: dict[PresetName, FitConfig] = {
    # To see within a minute or two whether the photos work.
    "fast": replace(FitConfig(), budget=BudgetConfig(minutes=0.5)),
    # Each stage's own defaults: some minutes in all.
    "default": FitConfig(),
    # For a GPU, or a patient CPU.
    "quality": replace(FitConfig(), budget=BudgetConfig(minutes=12.0)),
}
