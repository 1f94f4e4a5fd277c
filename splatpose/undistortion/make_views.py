"""From a reconstruction's photos to `Views`, one photo at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, UInt8

from ..scene.capture import Capture
from ..scene.sparse_model import SparseModel
from ..scene.views import Views
from .lens import Pinhole, choose_pinhole
from .resample import Resampler

T = TypeVar("T")

Picture = tuple[UInt8[np.ndarray, "_H _W 3"], Bool[np.ndarray, "_H _W"] | None]
"""RGB, and where the undistorted pixel exists in the photo (None where all do)."""

# Few, because each holds a photo.
_THREADS = 2


def make_pictures(
    capture: Capture,
    poses: SparseModel,
    use: Callable[[int, Picture], T],
    *,
    max_size: int,
    keep_edges: float = 0.0,
) -> Iterator[tuple[int, Pinhole, T]]:
    """Undistorts the registered photos, camera by camera.

    Args:
        use: called with the number of a view and its picture, in a few threads side by side.
        max_size: long side at most, in pixels.
        keep_edges: see `lens.choose_pinhole`.

    Yields:
        The number of a view among the registered photos, its camera, and what `use` returned.

    Raises:
        SplatposeError: a photo is gone or changed since the capture.
    """
    assert poses.names == tuple(photo.name for photo in capture.photos)
    photos = np.flatnonzero(poses.registered)
    given = [capture.photos[photo] for photo in photos]
    cameras = poses.camera_index[photos]
    # Camera by camera, so that only one camera's sampling positions are held.
    for camera in dict.fromkeys(cameras.tolist()):
        pinhole = choose_pinhole(poses.cameras[camera], max_size, keep_edges)
        resampler = Resampler(poses.cameras[camera], pinhole)

        def used(view: int, resampler: Resampler = resampler) -> T:
            return use(view, resampler(given[view].path, given[view].bits))

        views = np.flatnonzero(cameras == camera).tolist()
        # Decoding, resampling and encoding release the interpreter's lock.
        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            for view, result in zip(views, pool.map(used, views), strict=True):
                yield view, pinhole, result


def make_views(capture: Capture, poses: SparseModel, max_size: int) -> Views:
    """The registered photos as views in memory, none of them held out.

    Args:
        max_size: long side at most, in pixels.
    """
    photos = np.flatnonzero(poses.registered)
    pictures = make_pictures(capture, poses, lambda _, picture: picture, max_size=max_size)
    made = sorted(pictures, key=lambda item: item[0])
    return Views(
        names=tuple(poses.names[photo] for photo in photos),
        images=tuple(image for _, _, (image, _) in made),
        masks=tuple(mask for _, _, (_, mask) in made),
        Ks=np.stack([pinhole.K for _, pinhole, _ in made]),
        cam_from_world=poses.cam_from_world[photos],
        held_out=np.zeros(len(photos), bool),
        points=poses.points,
        point_colors=poses.point_colors,
    )
