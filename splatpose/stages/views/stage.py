"""Stage 4: photos as a Gaussian trainer wants them, and which of them are held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SplatposeError
from ...events import EventSink
from .config import ViewsConfig

if TYPE_CHECKING:
    from ...scene.capture import Capture
    from ...scene.sparse_model import SparseModel
    from ...scene.views import Views


def undistort_views(
    capture: Capture, poses: SparseModel, config: ViewsConfig, folder: Path, emit: EventSink
) -> str:
    """Writes registered photos, undistorted and resized, with their cameras into `folder`.

    Held out are `ids[eval_every // 2 :: eval_every]` of the registered photos in capture order
    (the split of NoPe-NeRF, Bian et al., CVPR 2023), or the registered ones of `hold_out`.

    Args:
        capture: the photos.
        poses: cameras and sparse points; photos in the capture's order.
        config: sizes and split.
        folder: receives images, masks and arrays.
        emit: receives progress.

    Raises:
        SplatposeError: a photo is gone or changed since the capture; a setting is out of range; a
            name to hold out is not among the photos.
    """
    from .write import write_views

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
