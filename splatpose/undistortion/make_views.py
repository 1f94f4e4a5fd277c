"""From poses to `Views` on disk, one photo at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from ..errors import SplatposeError
from ..events import EventSink, Progress
from ..scene.capture import Capture
from ..scene.sparse_model import SparseModel
from ..stages.views.config import ViewsConfig
from ..stages.views.storage import ViewArrays, prepare_folder, write_arrays, write_view
from .lens import choose_pinhole
from .resample import Resampler

# Few, because each holds a photo.
_THREADS = 2


def write_views(
    capture: Capture, poses: SparseModel, config: ViewsConfig, folder: Path, emit: EventSink
) -> str:
    """Does the work of `undistort_views`, whose docstring says what."""
    assert poses.names == tuple(photo.name for photo in capture.photos)
    _check_names(capture, config.hold_out or ())
    photos = np.flatnonzero(poses.registered)
    paths = [capture.photos[photo].path for photo in photos]
    cameras = poses.camera_index[photos]
    prepare_folder(folder)
    Ks: Float[np.ndarray, "V 3 3"] = np.empty((len(photos), 3, 3))
    has_mask = np.zeros(len(photos), bool)
    largest = (0, 0)
    done = 0
    # Camera by camera, so that only one camera's sampling positions are held.
    for camera in dict.fromkeys(cameras.tolist()):
        views = np.flatnonzero(cameras == camera).tolist()
        pinhole = choose_pinhole(poses.cameras[camera], config.max_size, config.keep_edges)
        Ks[views] = pinhole.K
        largest = max(largest, (pinhole.width, pinhole.height), key=np.prod)
        resampler = Resampler(poses.cameras[camera], pinhole)
        for view, masked in _write_pictures(resampler, views, paths, folder):
            has_mask[view] = masked
            done += 1
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


def _write_pictures(
    resampler: Resampler, views: list[int], paths: list[Path], folder: Path
) -> Iterator[tuple[int, bool]]:
    """Writes the pictures of one camera; yields each view and whether it has a mask."""

    def write(view: int) -> bool:
        image, mask = resampler(paths[view])
        write_view(folder, view, image, mask)
        return mask is not None

    # Decoding, resampling and encoding release the interpreter's lock.
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        yield from zip(views, pool.map(write, views), strict=True)


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
