"""The camera path for trajectory tools, and which photo each of its lines is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ...io.photo_times import MEANINGS, PhotoTimes, times_of_photos
from ...io.tum import read_stamp_names, read_tum, write_stamp_names, write_tum
from ...scene.capture import Capture
from ...scene.sparse_model import SparseModel
from .layout import TRAJECTORY, TRAJECTORY_NAMES


def photo_times(capture: Capture, poses: SparseModel) -> PhotoTimes:
    """Times of the photos that have a pose, in the capture's order."""
    numbers = np.flatnonzero(poses.registered).tolist()
    photos = [capture.photos[number] for number in numbers]
    return times_of_photos(
        [photo.name for photo in photos],
        [photo.video_seconds for photo in photos],
        [photo.exif_seconds for photo in photos],
        numbers,
    )


def write_trajectory(folder: Path, capture: Capture, poses: SparseModel) -> None:
    """Writes the path in the order of time, and a table of timestamps and photo names."""
    times = photo_times(capture, poses)
    numbers = np.flatnonzero(poses.registered)
    stamps = np.array(times.seconds, np.float64)
    order = np.argsort(stamps, kind="stable")
    names = [capture.photos[number].name for number in numbers[order].tolist()]
    meaning = f"{MEANINGS[times.source]}; names in {TRAJECTORY_NAMES}"
    poses_in_time = poses.cam_from_world[numbers[order]]
    write_tum(folder / TRAJECTORY, stamps[order], poses_in_time, meaning=meaning)
    write_stamp_names(folder / TRAJECTORY_NAMES, stamps[order], names)


def rewrite_trajectory(
    folder: Path, names: tuple[str, ...], cam_from_world: Float[np.ndarray, "V 4 4"]
) -> None:
    """Writes the path anew with other poses of the same photos.

    Args:
        folder: with both files; those of earlier versions have no table, and the photos' order.
        names: of the poses.
    """
    header = (folder / TRAJECTORY).read_text(encoding="utf-8").partition("\n")[0]
    meaning = header.partition("timestamp: ")[2].rstrip(")")
    stamps, _ = read_tum(folder / TRAJECTORY)
    in_time = read_stamp_names(folder / TRAJECTORY_NAMES) or names
    row = {name: number for number, name in enumerate(names)}
    if len(in_time) != len(stamps) or not row.keys() >= set(in_time):
        raise SplatposeError(
            f"{folder / TRAJECTORY} is not of the photos of the outputs beside it.",
            "Run the same splatpose fit again: it writes all outputs anew.",
        )
    order = [row[name] for name in in_time]
    write_tum(folder / TRAJECTORY, stamps, cam_from_world[order], meaning=meaning)
