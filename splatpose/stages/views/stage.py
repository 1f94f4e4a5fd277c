"""Photos as a Gaussian trainer wants them, and which of them are held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import SplatposeError
from ...events import EventSink, Progress
from ...keys import Stage
from ...scene.capture import Capture
from ...scene.sparse_model import SparseModel
from ...undistortion.make_views import Picture, make_pictures, split
from .config import ViewsConfig
from .storage import ViewArrays, prepare_folder, write_arrays, write_view
from .storage import read_views as load_views

__all__ = ["load_views", "undistort_views"]

_BYTES_A_PIXEL = 0.5
"""Of a PNG, at least: photos of blank walls have as little; textured ones have four times that."""


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
    _check_config(config)
    _check_names(capture, config.hold_out or ())
    prepare_folder(folder)
    photos = np.flatnonzero(poses.registered)
    Ks = np.empty((len(photos), 3, 3))
    has_mask = np.zeros(len(photos), bool)
    largest = (0, 0)

    def write(view: int, picture: Picture) -> bool:
        write_view(folder, view, *picture)
        return picture[1] is not None

    pictures = make_pictures(
        capture, poses, write, max_size=config.max_size, keep_edges=config.keep_edges
    )
    for done, (view, pinhole, masked) in enumerate(pictures, 1):
        Ks[view], has_mask[view] = pinhole.K, masked
        largest = max(largest, (pinhole.width, pinhole.height), key=np.prod)
        emit(Progress("views", done, len(photos), "photos undistorted"))
    names = tuple(poses.names[photo] for photo in photos)
    held_out = split(len(photos), config.eval_every)
    if config.hold_out:
        held_out = np.isin(names, config.hold_out)
    arrays = ViewArrays(
        names=names,
        has_mask=has_mask,
        Ks=Ks,
        cam_from_world=poses.cam_from_world[photos],
        held_out=held_out,
        points=poses.points,
        point_colors=poses.point_colors,
    )
    write_arrays(folder, arrays)
    return (
        f"{len(photos)} photos at up to {largest[0]}x{largest[1]} pixels, "
        f"{held_out.sum()} held out for measuring"
    )


def _check_names(capture: Capture, hold_out: tuple[str, ...]) -> None:
    """A name that is mistyped would be trained on."""
    known = {photo.name for photo in capture.photos} | {file.name for file in capture.skipped}
    unknown = sorted(set(hold_out) - known)
    if unknown:
        raise SplatposeError(
            f"views: {len(unknown)} of the names to hold out are not among the photos, "
            f"{unknown[0]!r} for one.",
            "Give names as report.json has them: relative to the folder of photos.",
        )


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


def _space(capture: Capture, poses: SparseModel, config: ViewsConfig) -> int:
    """A PNG of each photo with a pose, in bytes; no more than it will be."""
    pixels = 0.0
    for photo in np.flatnonzero(poses.registered).tolist():
        width, height = capture.photos[photo].width, capture.photos[photo].height
        pixels += width * height * min(1.0, config.max_size / max(width, height)) ** 2
    return int(pixels * _BYTES_A_PIXEL)


VIEWS = Stage("views", undistort_views, load_views, _space)
