"""The evidence of the second round as JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ..scene.second_round import SecondRoundEvidence
from .atomic import write_json
from .json_numbers import with_nan

_FILE = "second_round.json"


def write_evidence(folder: Path, evidence: SecondRoundEvidence) -> None:
    """Writes it into a stage's folder."""
    write_json(folder / _FILE, dataclasses.asdict(evidence))


def read_evidence(folder: Path) -> SecondRoundEvidence:
    """Reads what `write_evidence` wrote."""
    value: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    value.pop("version")
    return SecondRoundEvidence(**with_nan(value))
