"""What the readers share: photos in a folder, calibration matrices, and the data set itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool, Float, Int

from ...errors import SplatposeError
from ...io.photos import PHOTO_SUFFIXES, UnreadablePhoto, read_header
from ...io.regular_files import is_regular, read_text
from ..dataset import Dataset

HALF_PIXEL = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
"""Added to a calibration matrix that has the centre of the top-left pixel at (0, 0)."""


def calibration(fx: float, fy: float, cx: float, cy: float) -> Float[np.ndarray, "3 3"]:
    """The 3x3 calibration matrix of a pinhole camera, in pixels."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def unknown_calibrations(count: int) -> Float[np.ndarray, "V 3 3"]:
    """Calibration matrices of a data set that says nothing about them: NaN."""
    return np.full((count, 3, 3), np.nan)


def squared(matrices: Float[np.ndarray, "V 3 4"]) -> Float[np.ndarray, "V 4 4"]:
    """The matrices with their last row (0, 0, 0, 1)."""
    result = np.tile(np.eye(4), (len(matrices), 1, 1))
    result[:, :3] = matrices
    return result


def inverted(poses: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, "V 4 4"]:
    """cam_from_world of world_from_cam and the reverse; what is not finite becomes NaN.

    Raises:
        SplatposeError: a matrix is singular, so that it is no pose.
    """
    result = np.full_like(poses, np.nan, dtype=np.float64)
    known = np.isfinite(poses).all((1, 2))
    try:
        result[known] = np.linalg.inv(poses[known])
    except np.linalg.LinAlgError as error:
        raise SplatposeError(
            "The matrix of a camera is singular: it is no pose.",
            "Check the format: --format names it where it was taken for another.",
        ) from error
    return result


def rigid(world_from_cam: Float[np.ndarray, "V 4 4"], source: Path) -> Float[np.ndarray, "V 4 4"]:
    """The poses with their rotations made exact: files round them, and some scale them.

    The centres stay. What is not finite becomes NaN.

    Raises:
        SplatposeError: a matrix mirrors or is singular, so that no rotation is meant.
    """
    poses = np.array(world_from_cam, np.float64)
    known = np.asarray(np.isfinite(poses).all((1, 2)))
    poses[~known] = np.nan
    U, extent, Vt = np.linalg.svd(poses[known, :3, :3])
    if (np.linalg.det(U) * np.linalg.det(Vt) < 0).any() or (extent[:, 2] <= 0).any():
        raise SplatposeError(
            f"{source}: the rotation of a camera mirrors or is singular.",
            "Check the format: --format names it where it was taken for another.",
        )
    poses[known, :3, :3] = U @ Vt
    poses[:, 3] = np.where(known[:, None], (0.0, 0.0, 0.0, 1.0), np.nan)
    return poses


def photos_in(folder: Path) -> tuple[str, ...]:
    """Names of the photos directly in a folder, sorted as the loaders in the literature do.

    Raises:
        SplatposeError: there is no such folder, or no photo in it.
    """
    if not folder.is_dir():
        raise SplatposeError(f"{folder} is not a folder.", "The data set's photos belong there.")
    names = sorted(p.name for p in folder.iterdir() if is_photo(p))
    if not names:
        raise SplatposeError(f"{folder} holds no photo.", "The data set's photos belong there.")
    return tuple(names)


def is_photo(path: Path) -> bool:
    """Whether a path leads to a file that is named like a photo."""
    return path.suffix.lower() in PHOTO_SUFFIXES and is_regular(path)


def photo_size(path: Path) -> tuple[int, int]:
    """Width and height of a photo.

    Raises:
        SplatposeError: it cannot be read.
    """
    try:
        header = read_header(path)
    except UnreadablePhoto as error:
        raise SplatposeError(
            f"{path}: {error.reason}", "The data set needs this photo's size."
        ) from error
    return header.width, header.height


def matrix_in(file: Path) -> Float[np.ndarray, "_ 4"]:
    """A matrix of four columns from a text file; words that are no numbers become NaN.

    (7-Scenes has Windows' spellings of NaN where tracking failed.)

    Raises:
        SplatposeError: the file is missing, or not of this shape.
    """
    try:
        words = read_text(file).split()
    except (OSError, UnicodeDecodeError) as error:
        raise SplatposeError(
            f"{file} cannot be read ({error}).", "Fetch the data again."
        ) from error
    if len(words) not in (12, 16):
        raise SplatposeError(
            f"{file} holds {len(words)} numbers, not a 3x4 or 4x4 matrix.", "Fetch the data again."
        )
    return np.array([_number(word) for word in words]).reshape(-1, 4)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")


def common_folder(names: Iterable[str]) -> PurePosixPath:
    """The deepest folder in which all the files lie; `.` where there is none."""
    folders = [PurePosixPath(name).parent.parts for name in names]
    shared = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return PurePosixPath(*shared)


def every(count: int, step: int, start: int) -> Bool[np.ndarray, " V"]:
    """The split of the literature: True for photos start, start + step, ..."""
    chosen = np.zeros(count, bool)
    chosen[start::step] = True
    return chosen


def make_dataset(
    name: str,
    images: Path,
    names: Sequence[str],
    cam_from_world: Float[np.ndarray, "V 4 4"],
    K: Float[np.ndarray, "V 3 3"],
    sizes: Sequence[tuple[int, int]] | Int[np.ndarray, "V 2"] | tuple[int, int] | None = None,
    *,
    place: Int[np.ndarray, " V"] | None = None,
    test: Bool[np.ndarray, " V"] | None = None,
) -> Dataset:
    """A data set with whatever was left out filled in: one place, sizes 0 where unknown."""
    count = len(names)
    sized = np.zeros((count, 2), np.int64)
    if sizes is not None:
        sized[:] = np.asarray(sizes, np.int64)
    world_from_cam = rigid(inverted(cam_from_world), images)
    return Dataset(
        name=name,
        images=images,
        names=tuple(names),
        cam_from_world=inverted(world_from_cam),
        K=np.asarray(K, np.float64),
        sizes=sized,
        place=np.zeros(count, np.int64) if place is None else place,
        test=test,
    )
