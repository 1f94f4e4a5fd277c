"""Trajectories as the TUM RGB-D benchmark and the evo tools have them.

One line a camera: `timestamp tx ty tz qx qy qz qw`, the camera's pose in the world
(world_from_camera), OpenCV camera axes, quaternion with its scalar last.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..errors import SplatposeError
from ..geometry.rotations import matrix_from_quat, quat_from_matrix
from .atomic import write_bytes
from .regular_files import read_text

_COLUMNS = ("timestamp", "name")
_HEADER = "# timestamp tx ty tz qx qy qz qw (world_from_camera; timestamp: {meaning})\n"


def write_tum(
    path: Path,
    timestamps: Float[np.ndarray, " V"],
    cam_from_world: Float[np.ndarray, "V 4 4"],
    *,
    meaning: str = "number of the photo, from 0",
) -> None:
    """Writes a trajectory atomically.

    Args:
        path: the file; its folder must exist.
        timestamps: rising numbers; for photos without times, their numbers.
        cam_from_world: poses; every one finite.
        meaning: what the timestamps are, for the comment in the first line.
    """
    world_from_cam = np.linalg.inv(cam_from_world)
    xyzw = np.roll(quat_from_matrix(world_from_cam[:, :3, :3]), -1, axis=-1)
    rows = np.concatenate([world_from_cam[:, :3, 3], xyzw], axis=1)
    lines = [
        f"{format_stamp(stamp)} {' '.join(f'{x:.9f}' for x in row)}\n"
        for stamp, row in zip(timestamps, rows, strict=True)
    ]
    write_bytes(path, (_HEADER.format(meaning=meaning) + "".join(lines)).encode())


def format_stamp(stamp: float) -> str:
    """A timestamp as it stands in the file."""
    return f"{stamp:.6f}"


def write_stamp_names(
    path: Path, timestamps: Float[np.ndarray, " V"], names: Sequence[str]
) -> None:
    """Writes a table (CSV) of timestamps, as they stand in a trajectory, and the photos' names."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(zip(map(format_stamp, timestamps), names, strict=True))
    write_bytes(path, table.getvalue().encode())


def read_stamp_names(path: Path) -> tuple[str, ...] | None:
    """The names in such a table, in its order; None where the file is missing or something else."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    if not rows or rows[0] != list(_COLUMNS) or any(len(row) != 2 for row in rows):
        return None
    return tuple(name for _, name in rows[1:])


def read_tum(path: Path) -> tuple[Float[np.ndarray, " V"], Float[np.ndarray, "V 4 4"]]:
    """Reads a trajectory: its timestamps, and cam_from_world.

    Raises:
        SplatposeError: the file is missing, or a line is not eight numbers with a quaternion.
    """
    try:
        text = read_text(path)
    except FileNotFoundError as error:
        raise SplatposeError(f"{path} does not exist.", "Check the path.") from error
    except OSError as error:
        raise SplatposeError(
            f"{path} cannot be read: {error.strerror or error}.", "Give a TUM trajectory."
        ) from error
    except UnicodeDecodeError as error:
        raise SplatposeError(f"{path} is not a text file.", "Give a TUM trajectory.") from error
    rows = [_row(path, number, line) for number, line in enumerate(text.splitlines(), 1)]
    table = np.array([row for row in rows if row is not None], np.float64).reshape(-1, 8)
    if not len(table):
        raise SplatposeError(f"{path} holds no pose.", "Give a TUM trajectory.")
    world_from_cam = np.tile(np.eye(4), (len(table), 1, 1))
    world_from_cam[:, :3, :3] = matrix_from_quat(np.roll(table[:, 4:], 1, axis=-1))
    world_from_cam[:, :3, 3] = table[:, 1:4]
    return table[:, 0], np.linalg.inv(world_from_cam)


def _row(path: Path, number: int, line: str) -> list[float] | None:
    words = line.partition("#")[0].replace(",", " ").split()
    if not words:
        return None
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != 8 or not np.isfinite(values).all() or not any(values[4:]):
        raise SplatposeError(
            f"{path}, line {number}: not 'timestamp tx ty tz qx qy qz qw'.",
            "Give a trajectory in TUM format: eight numbers a line.",
        )
    return values
