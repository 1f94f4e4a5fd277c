"""Single fields of JSON files that others wrote, or earlier versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def field_in(path: Path, *keys: str) -> Any:
    """What a JSON file says under one key after the other; None where it is missing, damaged or
    says nothing there."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
