"""The TUM RGB-D benchmark, and trajectories in its format.

https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats: a sequence is a folder with
`rgb.txt` (timestamp, file) and `groundtruth.txt` (`timestamp tx ty tz qx qy qz qw`: pose of the
colour camera's optical centre in the world; axes as OpenCV's). The benchmark's own tools
associate a photo with the nearest pose within 0.02 s. Intrinsics are those of the colour cameras
of freiburg1, 2 and 3 on the same site, calibrated with OpenCV, whose pixel centres are whole
numbers; distortion is left out.

A trajectory alone has no names of photos: each pose is named by its timestamp as it is written, or
by the photo that a table of timestamps and names beside it (trajectory.csv) tells.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ...io.regular_files import read_text
from ...io.tum import read_stamp_names, read_tum
from ..dataset import Dataset
from .assemble import HALF_PIXEL, calibration, common_folder, make_dataset, unknown_calibrations

LOOKS_FOR = "TUM RGB-D: groundtruth.txt beside rgb.txt, or a trajectory (eight numbers a line)"
_TOLERANCE = 0.02
_SIZE = (640, 480)
_CALIBRATIONS = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}


def recognises(path: Path) -> bool:
    """Whether `path` is a sequence of the benchmark, or a trajectory."""
    if path.is_dir():
        return (path / "groundtruth.txt").is_file()
    return path.is_file() and path.suffix in (".tum", ".txt") and _is_trajectory(path)


def read(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads a sequence in the order of rgb.txt, or a trajectory in the order of its lines.

    Raises:
        SplatposeError: a file is missing or damaged.
    """
    if path.is_dir():
        return _sequence(path, subfolder)
    stamps, poses = read_tum(path)
    names = timestamps(path)
    assert len(names) == len(stamps)
    known = read_stamp_names(path.with_suffix(".csv"))
    if known is not None and len(known) == len(names):
        names = known
    return make_dataset(path.stem, path.parent, names, poses, unknown_calibrations(len(names)))


def timestamps(path: Path) -> tuple[str, ...]:
    """The timestamps of a trajectory as they are written."""
    lines = path.read_text(encoding="utf-8").splitlines()
    words = [line.partition("#")[0].replace(",", " ").split() for line in lines]
    return tuple(line[0] for line in words if line)


def nearest(
    stamps: Float[np.ndarray, " V"], others: Float[np.ndarray, " W"], tolerance: float = _TOLERANCE
) -> list[int]:
    """For each timestamp the index of the nearest other within `tolerance` seconds, or -1."""
    order = np.argsort(others, kind="stable")
    ranked = others[order]
    after = np.clip(np.searchsorted(ranked, stamps), 0, len(ranked) - 1)
    before = np.maximum(after - 1, 0)
    closer = np.abs(ranked[before] - stamps) <= np.abs(ranked[after] - stamps)
    best = np.where(closer, before, after)
    within = np.abs(ranked[best] - stamps) <= tolerance
    return np.where(within, order[best], -1).tolist()


def _sequence(path: Path, subfolder: str | None) -> Dataset:
    stamps, poses = read_tum(path / "groundtruth.txt")
    times, files = _photos(path / "rgb.txt")
    rows = nearest(np.array(times), stamps)
    matched = np.full((len(files), 4, 4), np.nan)
    for i, row in enumerate(rows):
        if row >= 0:
            matched[i] = poses[row]
    shared = common_folder(files)
    name = path.resolve().name
    known = next((v for k, v in _CALIBRATIONS.items() if k in name or k[0:2] + k[-1] in name), None)
    K = unknown_calibrations(len(files))
    if known is not None:
        K[:] = calibration(*known) + HALF_PIXEL
    return make_dataset(
        name,
        path / (shared if subfolder is None else subfolder),
        [Path(file).relative_to(shared).as_posix() for file in files],
        matched,
        K,
        _SIZE if known is not None else None,
    )


def _photos(path: Path) -> tuple[list[float], list[str]]:
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError as error:
        raise SplatposeError(
            f"{path} does not exist.",
            "A TUM RGB-D sequence has it beside groundtruth.txt; give groundtruth.txt itself to "
            "compare with a trajectory.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SplatposeError(
            f"{path} cannot be read ({error}).", "See the benchmark's file formats."
        ) from error
    # Names may hold blanks.
    rows = [line.strip().split(maxsplit=1) for line in lines]
    rows = [row for row in rows if row and not row[0].startswith("#")]
    try:
        times, files = [float(row[0]) for row in rows], [row[1] for row in rows]
    except (ValueError, IndexError) as error:
        raise SplatposeError(
            f"{path}: a line is not 'timestamp file' ({error}).",
            "See the benchmark's file formats.",
        ) from error
    if not files:
        raise SplatposeError(f"{path} lists no photo.", "See the benchmark's file formats.")
    return times, files


def _is_trajectory(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            words = re.split(r"[\s,]+", line.partition("#")[0].strip())
            if words != [""]:
                return len(words) == 8
    return False
