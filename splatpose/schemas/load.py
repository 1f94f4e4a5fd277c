"""Reading the schemas, which lie beside this module.

They are made of the dataclasses' own docstrings: `python tests/make_schemas.py` writes them anew.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal

SchemaName = Literal["report", "events"]
"""report: OUT/report.json. events: a line of `splatpose fit --json`, and of
OUT/.splatpose/events.jsonl."""


def load_schema(name: SchemaName) -> dict[str, Any]:
    """A JSON schema (draft 2020-12) in which every field has a description."""
    text = (files("splatpose.schemas") / f"{name}.schema.json").read_text(encoding="utf-8")
    return json.loads(text)
