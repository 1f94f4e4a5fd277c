"""Settings of the verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from ...bounds import WORKERS
from ...keys import UNKEYED


@dataclass(frozen=True)
class TrustConfig:
    """How the poses are tested. What is tested never changes a pose."""

    folds: bool = True
    """Map two disjoint halves of the matches anew and compare. Without it no photo is trusted that
    nothing else confirms, and the stage takes a few seconds."""
    workers: Annotated[int, WORKERS] = field(default=2, metadata=UNKEYED)
    """Halves that are mapped side by side, in threads. Does not change the result."""
