"""Settings of the outputs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OutputsConfig:
    """How results are written."""

    absolute_paths: bool = False
    """Name photos in transforms.json by absolute paths. By default they are relative to OUT, so
    that OUT and the photos can be moved together."""
