"""Settings of the late registration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...bounds import COUNT


@dataclass(frozen=True)
class LateRegistrationConfig:
    """How photos that were left out find a place in the finished model."""

    steps: Annotated[int, COUNT] = 300
    """Steps of a short training where photos were left out whose matches meet no points of the
    model: they are registered on the depth that its Gaussians render. 0 leaves them out."""
