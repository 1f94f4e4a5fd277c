"""Photos undistorted camera by camera, two at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8

from ..scene.camera import Camera
from .lens import Pinhole, choose_pinhole
from .resample import Resampler

WriteView = Callable[[int, UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"] | None], None]
"""Takes a view's number, its picture (RGB), and which pixels exist; None where all do."""
# Few, because each holds a photo.
_THREADS = 2


def make_views(
    paths: Sequence[Path],
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    write: WriteView,
    *,
    max_size: int,
    keep_edges: float,
) -> Iterator[tuple[int, Pinhole, bool]]:
    """Undistorts and resizes photos; yields each view, its pinhole, and whether it has a mask.

    Args:
        paths: the photos.
        cameras: calibrations of the photos as given.
        camera_index: each photo's row in `cameras`.
        write: called for every view, from several threads.
        max_size, keep_edges: see `choose_pinhole`.
    """
    # Camera by camera, so that only one camera's sampling positions are held.
    for camera in dict.fromkeys(camera_index.tolist()):
        views = np.flatnonzero(camera_index == camera).tolist()
        pinhole = choose_pinhole(cameras[camera], max_size, keep_edges)
        resampler = Resampler(cameras[camera], pinhole)
        for view, masked in _views_of_camera(resampler, views, paths, write):
            yield view, pinhole, masked


def _views_of_camera(
    resampler: Resampler, views: Sequence[int], paths: Sequence[Path], write: WriteView
) -> Iterator[tuple[int, bool]]:
    """Undistorts the photos of one camera; yields each view and whether it has a mask."""

    def make(view: int) -> bool:
        image, mask = resampler(paths[view])
        write(view, image, mask)
        return mask is not None

    # Decoding, resampling and encoding release the interpreter's lock.
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        yield from zip(views, pool.map(make, views), strict=True)
