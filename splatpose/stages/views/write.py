"""From poses to `Views` on disk, one photo at a time."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from ...errors import SplatposeError
from ...events import EventSink, Progress
from ...scene.capture import Capture
from ...scene.sparse_model import SparseModel
from ...undistortion.make_views import make_views
from .config import ViewsConfig
from .storage import ViewArrays, prepare_folder, write_arrays, write_view


def write_views(
    capture: Capture, poses: SparseModel, config: ViewsConfig, folder: Path, emit: EventSink
) -> str:
    """Does the work of `undistort_views`, whose docstring says what."""
    assert poses.names == tuple(photo.name for photo in capture.photos)
    _check_names(capture, config.hold_out or ())
    photos = np.flatnonzero(poses.registered)
    prepare_folder(folder)
    Ks: Float[np.ndarray, "V 3 3"] = np.empty((len(photos), 3, 3))
    has_mask = np.zeros(len(photos), bool)
    largest = (0, 0)
    views = make_views(
        [capture.photos[photo].path for photo in photos],
        poses.cameras,
        poses.camera_index[photos],
        partial(write_view, folder),
        max_size=config.max_size,
        keep_edges=config.keep_edges,
    )
    for done, (view, pinhole, masked) in enumerate(views, 1):
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


def split(count: int, eval_every: int) -> Bool[np.ndarray, " V"]:
    """Which of `count` views are held out: every `eval_every`-th, from the middle of the first."""
    held_out = np.zeros(count, bool)
    if eval_every:
        held_out[eval_every // 2 :: eval_every] = True
    return held_out
