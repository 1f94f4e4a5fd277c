"""LLFF's `poses_bounds.npy`, and Tanks and Temples as NoPe-NeRF distributes it.

LLFF (https://github.com/Fyusion/LLFF, llff/poses/pose_utils.py: the axes are swapped where the file
is written): one row of 17 numbers a photo, in the order of the sorted names in `images`: a 3x5
matrix, then the nearest and farthest depth. The matrix is a camera-to-world matrix whose axes
are (down, right, backwards), and a column (height, width, focal length) of the photos that COLMAP
was run on. The principal point is the centre. NeRF's test photos are every 8th from the first.

NoPe-NeRF (https://github.com/ActiveVisionLab/nope-nerf, dataloading/dataset.py): the same files
(and predicted depth in `dpt`). Its loader scales the world so that 0.75 times the nearest depth is
one: that is the unit of the positions in its tables, and of what is read here. Its test photos
are every 8th from the fifth; in Family every second from the second.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from ...errors import SplatposeError
from ...io.arrays import DAMAGED_ARRAYS
from ..dataset import Dataset
from .assemble import calibration, every, inverted, make_dataset, photo_size, photos_in, squared

LOOKS_FOR = "LLFF: poses_bounds.npy beside images"
NOPE_LOOKS_FOR = (
    "Tanks and Temples of NoPe-NeRF: the same with dpt, or in a folder of a scene's name"
)
_FILE = "poses_bounds.npy"
_NOPE_SCENES = frozenset(
    {"Ballroom", "Barn", "Church", "Family", "Francis", "Horse", "Ignatius", "Museum"}
)
_NEAREST = 0.75


def recognises(path: Path) -> bool:
    """Whether `path` is a scene of LLFF."""
    return (path / _FILE).is_file() and (path / "images").is_dir()


def recognises_nope(path: Path) -> bool:
    """Whether `path` is a scene of Tanks and Temples as NoPe-NeRF distributes it."""
    return recognises(path) and ((path / "dpt").is_dir() or path.resolve().name in _NOPE_SCENES)


def read(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads a scene in LLFF's own unit, with NeRF's split.

    Args:
        path: the scene.
        subfolder: the photos' folder where it is not `images` (`images_4`, `images_8`).

    Raises:
        SplatposeError: files are missing, or poses and photos are not equally many.
    """
    return _read(path, subfolder, 1.0, lambda count: every(count, 8, 0))


def read_nope(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads a scene in NoPe-NeRF's unit and with its split; otherwise as `read`."""
    step = 2 if path.resolve().name == "Family" else 8
    nearest = float(_table(path)[:, 15:].min())
    return _read(path, subfolder, 1 / (_NEAREST * nearest), lambda n: every(n, step, step // 2))


def _read(
    path: Path,
    subfolder: str | None,
    scale: float,
    split: Callable[[int], Bool[np.ndarray, " V"]],
) -> Dataset:
    table = _table(path)
    folder = path / (subfolder or "images")
    names = photos_in(folder)
    if len(names) != len(table):
        raise SplatposeError(
            f"{path}: {_FILE} has {len(table)} cameras, and {folder.name} {len(names)} photos.",
            "LLFF's format has no names, so that they must be equally many; if the scene also "
            "holds a COLMAP model, read it with --format colmap.",
        )
    matrices = table[:, :15].reshape(-1, 3, 5)
    down, right, back, centers = np.moveaxis(matrices[:, :, :4], 2, 0)
    world_from_cam = squared(np.stack([right, down, -back, centers * scale], 2))
    height, width, focal = matrices[:, :, 4].T
    size = photo_size(folder / names[0])
    K = np.stack(
        [
            calibration(f * size[0] / w, f * size[1] / h, size[0] / 2, size[1] / 2)
            for f, w, h in zip(focal, width, height, strict=True)
        ]
    )
    name = path.resolve().name
    return make_dataset(
        name, folder, names, inverted(world_from_cam), K, size, test=split(len(names))
    )


def _table(path: Path) -> Float[np.ndarray, "V 17"]:
    file = path / _FILE
    if not file.is_file():
        raise SplatposeError(f"{file} does not exist.", f"It should be {LOOKS_FOR}.")
    try:
        table = np.load(file, allow_pickle=False)
    except (OSError, *DAMAGED_ARRAYS) as error:
        raise SplatposeError(f"{file} cannot be read ({error}).", "Fetch it again.") from error
    if table.ndim != 2 or table.shape[1] != 17 or not len(table):
        raise SplatposeError(
            f"{file} has shape {table.shape}, not 17 numbers a photo.", "Fetch it again."
        )
    return table.astype(np.float64)
