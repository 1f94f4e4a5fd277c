"""Settings of the views stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...bounds import SHARE, SIDE, Bounds


@dataclass(frozen=True)
class ViewsConfig:
    """How photos are prepared for training."""

    max_size: Annotated[int, SIDE] = 640
    """Photos are scaled down to at most this long side, in pixels."""
    eval_every: Annotated[int, Bounds(2, 1_000_000, also=0)] = 8
    """One photo in this many is held out of training and measured; 0 holds out none."""
    hold_out: tuple[str, ...] | None = None
    """Names of the photos to hold out, in place of every N-th; relative to the folder of photos."""
    keep_edges: Annotated[float, SHARE] = 0.0
    """How much of the photo's edges stays where undistortion bends them: 0 crops to the rectangle
    without empty pixels, 1 keeps all that was photographed and masks the empty pixels."""
