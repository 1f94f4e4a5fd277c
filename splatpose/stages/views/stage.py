"""Photos as a Gaussian trainer wants them, and which of them are held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...bounds import check_bounds
from ...errors import SplatposeError
from ...events import EventSink, Progress
from ...keys import Stage
from ...scene.capture import Capture
from ...scene.sparse_model import SparseModel
from ...undistortion.make_views import Picture, make_pictures, split
from .config import ViewsConfig
from .storage import ViewArrays, prepare_folder, write_arrays, write_view
from .storage import read_views as load_views

__all__ = ["check_names", "load_views", "undistort_views"]


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


VIEWS = Stage("views", undistort_views, load_views)
