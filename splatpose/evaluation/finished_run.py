"""What an evaluation reads from a run folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..config import FitConfig
from ..errors import SplatposeError
from ..events import StageName
from ..runs.folder import MANIFEST, stage_folder

T = TypeVar("T")


def read_report(out: Path) -> dict[str, Any]:
    """`report.json` of a finished run.

    Raises:
        SplatposeError: there is none, or it cannot be read.
    """
    path = out / "report.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SplatposeError(
            f"{out} holds no finished run: {path.name} is missing.",
            f"Run splatpose fit PHOTOS -o {out} first, to the end.",
        ) from error
    except json.JSONDecodeError as error:
        raise SplatposeError(
            f"{path} cannot be read: {error}.", "Run splatpose fit again with the same options."
        ) from error


def config_of(report: Mapping[str, Any]) -> FitConfig:
    """The options that a run was made with.

    Options that its report does not know, because it is of an earlier version, have their
    defaults.
    """
    return changed(FitConfig(), report["config"])


def changed(config: T, values: Mapping[str, Any]) -> T:
    """A config dataclass with some fields replaced by values as JSON has them.

    Raises:
        SplatposeError: a field that the config does not have.
    """
    assert dataclasses.is_dataclass(config)
    assert not isinstance(config, type)
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if name not in {field.name for field in dataclasses.fields(config)}:
            raise SplatposeError(
                f"{type(config).__name__} has no field {name!r}.",
                "The run is of another version of splatpose; make it again.",
            )
        before = getattr(config, name)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(before):
            fields[name] = changed(before, value)
        else:
            fields[name] = tuple(value) if isinstance(value, list) else value
    return dataclasses.replace(config, **fields)


def stage_seconds(out: Path, stage: StageName) -> float:
    """How long a finished stage took when it was computed."""
    manifest = stage_folder(out, stage) / MANIFEST
    return float(json.loads(manifest.read_text(encoding="utf-8"))["seconds"])
