"""The verdicts on disk: verdicts.json in the stage's folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ...io.atomic import write_json
from ...io.json_numbers import number, with_nan
from ...scene.verdicts import PhotoTrust, PhotoVerdict, Verdicts

_FILE = "verdicts.json"


def save(folder: Path, verdicts: Verdicts) -> None:
    """Writes what `load` reads."""
    write_json(folder / _FILE, dataclasses.asdict(verdicts))


def load(folder: Path) -> Verdicts:
    """Reads what `save` wrote."""
    value = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    photos = tuple(_photo(photo) for photo in value["photos"])
    advice, notes = tuple(value["advice"]), tuple(value["notes"])
    return Verdicts(photos, advice, notes, value.get("lacking", ""))


def _photo(value: dict[str, Any]) -> PhotoVerdict:
    return PhotoVerdict(
        name=value["name"],
        level=value["level"],
        reason=value["reason"],
        advice=value["advice"],
        evidence=PhotoTrust(**with_nan(value["evidence"])),
        probability=number(value["probability"]),
    )
