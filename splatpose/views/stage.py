"""Stage 4: photos as a Gaussian trainer wants them, and which of them are held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SplatposeError
from ..events import EventSink

if TYPE_CHECKING:
    from ..types import Capture, Poses, Views


@dataclass(frozen=True)
class ViewsConfig:
    """How photos are prepared for training."""

    max_size: int = 640
    """Photos are scaled down to at most this long side, in pixels."""
    eval_every: int = 8
    """One photo in this many is held out of training and measured; 0 holds out none."""
    keep_edges: float = 0.0
    """How much of the photo's edges stays where undistortion bends them: 0 crops to the rectangle
    without empty pixels, 1 keeps all that was photographed and masks the empty pixels."""


def undistort_views(
    capture: Capture, poses: Poses, config: ViewsConfig, folder: Path, emit: EventSink
) -> str:
    """Writes registered photos, undistorted and resized, with their cameras into `folder`.

    Held out are `ids[eval_every // 2 :: eval_every]` of the registered photos in capture order
    (the split of NoPe-NeRF, Bian et al., CVPR 2023).

    Args:
        capture: the photos.
        poses: cameras and sparse points; photos in the capture's order.
        config: sizes and split.
        folder: receives images, masks and arrays.
        emit: receives progress.

    Raises:
        SplatposeError: a photo is gone or changed since the capture; a setting is out of range.
    """
    from .build import write_views

    _check_config(config)
    return write_views(capture, poses, config, folder, emit)


def load_views(folder: Path) -> Views:
    """Reads back what `undistort_views` wrote."""
    from .storage import read_views

    return read_views(folder)


def _check_config(config: ViewsConfig) -> None:
    if config.max_size < 16:
        raise SplatposeError(
            f"views: max_size is {config.max_size} pixels, too small to see anything.",
            "Use at least 16; 480 to 1600 are usual.",
        )
    if config.eval_every < 0 or config.eval_every == 1:
        raise SplatposeError(
            f"views: eval_every {config.eval_every} would leave no photo to train on.",
            "Use 2 or more, or 0 to hold out none.",
        )
    if not 0 <= config.keep_edges <= 1:
        raise SplatposeError(
            f"views: keep_edges is {config.keep_edges}.", "Use a value from 0 to 1."
        )
