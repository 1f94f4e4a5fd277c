"""Settings of the capture stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...bounds import Bounds


@dataclass(frozen=True)
class CaptureConfig:
    """How photos are chosen from a folder, and frames from a video."""

    min_size: Annotated[int, Bounds(1, 65_536)] = 64
    """Shorter side in pixels below which photos are skipped."""
    video_rate: Annotated[float, Bounds(0.001, 1000)] = 2.0
    """Frames taken from each second of a video: the sharpest of each stretch, in 1/s."""
    max_frames: Annotated[int, Bounds(1, 1_000_000)] = 120
    """Most frames that are taken from a video, spread over its whole length."""
    include: tuple[str, ...] | None = None
    """Names, folders or patterns (images_2, 'small/*') of pictures to take though they look like
    copies of other photos, masks, sheets or renderings."""
