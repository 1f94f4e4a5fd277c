"""What a scene is made of, before any renderer sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .shapes import Mesh


@dataclass(frozen=True)
class Thing:
    """A mesh, its texture (sRGB 0..1 [H, W, 3]) and its gloss (0 matte, 1 like porcelain)."""

    mesh: Mesh
    texture: np.ndarray
    gloss: float = 0.0
    mirror: bool = False
    """Reflects like silvered glass; the texture is not used."""
    lets_light_in: bool = False
    """A ceiling that is seen, while the sky's light comes through."""
    offsets: np.ndarray | None = None
    """[V, 3]: where it has moved to in each photo, in metres; None stands still."""

    def moved(
        self, to: tuple[float, float, float], *, turn: float = 0.0, tilt: float = 0.0
    ) -> Thing:
        """As Mesh.moved."""
        return replace(self, mesh=self.mesh.moved(to, turn=turn, tilt=tilt))


@dataclass(frozen=True)
class Lamp:
    """A rectangle of light: its centre, where it faces, size in metres and power in watts."""

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    size: tuple[float, float]
    power: float
    color: tuple[float, float, float]
