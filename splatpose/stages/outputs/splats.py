"""The Gaussians of a finished run, as its outputs have them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ...io.ply import read_splat_ply
from ...scene.splats import Splats
from .layout import REPORT, SPLAT


def read_splats(out: Path) -> Splats:
    """The Gaussians in the outputs' units.

    Earlier versions told in the report alone how they have to be drawn.

    Raises:
        SplatposeError: the file is missing or damaged.
    """
    splats = read_splat_ply(out / SPLAT)
    return dataclasses.replace(splats, antialiased=splats.antialiased or _trained_so(out / REPORT))


def _trained_so(report: Path) -> bool:
    try:
        value = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    for key in ("config", "training", "antialiased"):
        value = value.get(key) if isinstance(value, dict) else None
    return value is True
