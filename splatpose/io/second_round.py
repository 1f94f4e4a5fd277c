"""The evidence of the second round as JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ..scene.second_round import SecondRoundEvidence
from .atomic import write_json

_FILE = "second_round.json"


def write_evidence(folder: Path, evidence: SecondRoundEvidence) -> None:
    """Writes it into a stage's folder."""
    write_json(folder / _FILE, dataclasses.asdict(evidence))


def read_evidence(folder: Path) -> SecondRoundEvidence:
    """Reads what `write_evidence` wrote."""
    value = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    value.pop("version")
    nan = float("nan")
    return SecondRoundEvidence(**{k: nan if v is None else v for k, v in value.items()})
