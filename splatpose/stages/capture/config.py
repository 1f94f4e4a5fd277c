"""Settings of the capture stage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CaptureConfig:
    """How photos are chosen from a folder, and frames from a video."""

    min_size: int = 64
    """Shorter side in pixels below which photos are skipped."""
    video_rate: float = 2.0
    """Frames taken from each second of a video: the sharpest of each stretch, in 1/s."""
    max_frames: int = 120
    """Most frames that are taken from a video, spread over its whole length."""
    include: tuple[str, ...] | None = None
    """Names, folders or patterns (images_2, 'small/*') of pictures to take though they look like
    copies of other photos, masks, sheets or renderings."""
