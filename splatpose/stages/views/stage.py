"""Photos as a Gaussian trainer wants them, and which of them are held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from ...bounds import check_bounds
from ...errors import SplatposeError
from ...events import EventSink, Message, Progress
from ...keys import Stage
from ...scene.capture import Capture
from ...scene.sparse_model import SparseModel
from ...undistortion.hold_out import split, with_near_copies
from ...undistortion.make_views import Picture, make_pictures
from .config import ViewsConfig
from .storage import ViewArrays, prepare_folder, write_arrays, write_view
from .storage import read_views as load_views

__all__ = ["check_names", "load_views", "undistort_views"]

_BYTES_A_PIXEL = 0.5
"""Bytes a pixel of a PNG, at least: photos of blank walls have as little; textured ones have four
times that."""


def undistort_views(
    capture: Capture, poses: SparseModel, config: ViewsConfig, folder: Path, emit: EventSink
) -> str:
    """Writes registered photos, undistorted and resized, with their cameras into `folder`.

    Held out are `ids[eval_every // 2 :: eval_every]` of the registered photos in capture order
    (the split of NoPe-NeRF, Bian et al., CVPR 2023), or the registered ones of `hold_out`; near-
    copies of a photo go with it.

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
    check_bounds(config, "views")
    check_names(capture, config)
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
    exposures = _exposures(capture)[photos]
    held_out = _held_out(names, exposures, config, emit)
    arrays = ViewArrays(
        names=names,
        has_mask=has_mask,
        Ks=Ks,
        cam_from_world=poses.cam_from_world[photos],
        held_out=held_out,
        points=poses.points,
        point_colors=poses.point_colors,
        exposures=exposures,
    )
    write_arrays(folder, arrays)
    return (
        f"{len(photos)} photos at up to {largest[0]}x{largest[1]} pixels, "
        f"{held_out.sum()} held out for measuring"
    )


def _exposures(capture: Capture) -> Int[np.ndarray, " P"]:
    """What each photo shows; photos that nobody has looked at show each their own."""
    known = [photo.exposure for photo in capture.photos]
    free = max((number for number in known if number is not None), default=-1) + 1
    return np.array(
        [free + i if number is None else number for i, number in enumerate(known)], np.int64
    )


def _held_out(
    names: tuple[str, ...], exposures: Int[np.ndarray, " V"], config: ViewsConfig, emit: EventSink
) -> Bool[np.ndarray, " V"]:
    """Which registered photos are held out.

    Raises:
        SplatposeError: no photo would be left to train on.
    """
    if not config.hold_out:
        held_out = split(exposures, config.eval_every)
        if config.eval_every and len(exposures) >= config.eval_every and not held_out.any():
            text = "No photo is held out: most photos show the same, and near-copies go together."
            emit(Message("views", text, "warning"))
        asked = len(np.unique(exposures[held_out]))
    else:
        chosen = np.isin(names, config.hold_out)
        held_out, asked = with_near_copies(chosen, exposures), int(chosen.sum())
    if held_out.all() and len(held_out):
        raise SplatposeError(
            "views: every photo would be held out, as one or as a near-copy of one.",
            "Hold out fewer photos.",
        )
    if held_out.sum() > asked:
        text = f"{held_out.sum() - asked} near-copies of held-out photos are held out with them."
        emit(Message("views", text))
    return held_out


def check_names(capture: Capture, config: ViewsConfig) -> None:
    """Refuses names to hold out that no photo has: a name that is mistyped would be trained on.

    Raises:
        SplatposeError: a name is not among the photos.
    """
    known = {photo.name for photo in capture.photos} | {file.name for file in capture.skipped}
    unknown = sorted(set(config.hold_out or ()) - known)
    if unknown:
        raise SplatposeError(
            f"views: {len(unknown)} of the names to hold out are not among the photos, "
            f"{unknown[0]!r} for one.",
            "Give names as report.json has them: relative to the folder of photos.",
        )


def _space(capture: Capture, poses: SparseModel, config: ViewsConfig) -> int:
    """A PNG of each photo with a pose, in bytes; no more than it will be."""
    pixels = 0.0
    for photo in np.flatnonzero(poses.registered).tolist():
        width, height = capture.photos[photo].width, capture.photos[photo].height
        pixels += width * height * min(1.0, config.max_size / max(width, height)) ** 2
    return int(pixels * _BYTES_A_PIXEL)


VIEWS = Stage("views", undistort_views, load_views, _space)
