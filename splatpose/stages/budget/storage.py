"""A plan on disk."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ...io.atomic import write_json
from ...io.json_numbers import number
from ...scene.training_plan import TrainingPlan

_FILE = "plan.json"


def save_plan(folder: Path, plan: TrainingPlan, rates: dict[str, float]) -> None:
    """Writes the plan, and beside it what it was made from: seconds for one of each count."""
    write_json(folder / _FILE, dataclasses.asdict(plan) | {"rates": rates})


def load_plan(folder: Path) -> TrainingPlan:
    """Reads what `save_plan` wrote."""
    value: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    fields = {field.name for field in dataclasses.fields(TrainingPlan)}
    value = {name: entry for name, entry in value.items() if name in fields}
    value["given"] = tuple(value["given"])
    for name in ("seconds", "memory_mb"):
        value[name] = number(value[name])
    return TrainingPlan(**value)
