"""What there is to be seen of a run: values that are replaced, never changed.

A page draws a part anew when it is another object than the one it drew last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from splatpose.scene.capture import Capture
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.splats import Splats

from .gaussians import BrowserSplats
from .thumbnails import Thumbnails

VerdictLevel = Literal["registered", "trusted", "weak", "refused"]
"""Level of `splatpose.scene.verdicts`; or registered: there is a pose, and nobody judged it."""


@dataclass(frozen=True)
class PhotoVerdict:
    """What is said of one photo."""

    name: str
    level: VerdictLevel
    reason: str
    advice: str = ""


@dataclass(frozen=True)
class MatchLinks:
    """Which photos share verified matches."""

    pairs: Int[np.ndarray, "P 2"]
    """Photo indices of the pairs."""
    matches: Int[np.ndarray, " P"]
    """Verified matches of each pair, at least one."""


@dataclass(frozen=True)
class ViewTable:
    """The undistorted photos that the Gaussians are trained on; pictures are read when needed."""

    names: tuple[str, ...]
    Ks: Float[np.ndarray, "V 3 3"]
    held_out: tuple[bool, ...]
    picture: Callable[[int], UInt8[np.ndarray, "H W 3"]]
    """Reads one of the photos; raises OSError or SplatposeError where it is gone."""


@dataclass(frozen=True)
class ShownSplats:
    """Gaussians at one step of the training, for the browser and for rendering here."""

    browser: BrowserSplats
    full: Splats
    step: int | None
    """Training step; None where the training is over, or unknown."""


@dataclass(frozen=True)
class World:
    """Everything that has been computed so far."""

    capture: Capture | None = None
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    """Thumbnails, one for each photo of the capture."""
    links: MatchLinks | None = None
    poses: SparseModel | None = None
    verdicts: tuple[PhotoVerdict, ...] = ()
    """Verdicts, one for each photo of the poses."""
    views: ViewTable | None = None
    splats: ShownSplats | None = None
    metres_per_unit: float | None = None
    """Metres in one unit of everything here, where somebody has set the scale."""
    problems: tuple[str, ...] = field(default=())
    """What could not be read, and why."""
