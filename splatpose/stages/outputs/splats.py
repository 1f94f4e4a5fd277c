"""The Gaussians of a finished run, as its outputs have them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ...io.json_fields import field_in
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
    return dataclasses.replace(splats, antialiased=splats.antialiased or trained_antialiased(out))


def trained_antialiased(out: Path) -> bool:
    """Whether the report says that they have to be drawn so; the file may leave it unsaid."""
    return field_in(out / REPORT, "config", "training", "antialiased") is True
