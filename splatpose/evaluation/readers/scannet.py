"""ScanNet, a scan with its frames extracted: color/, pose/, intrinsic/.

https://github.com/ScanNet/ScanNet (SensReader/python/SensorData.py): pose/N.txt is the
camera-to-world matrix of frame N, OpenCV axes; frames that were not tracked have -inf. The colour
camera has the pose of the frame (`extrinsic_color` is the identity). intrinsic_color.txt is a
calibration in pixels of the colour frames. Where it counts the centre of a pixel is not written
down, and its principal points (647.75, 483.75 in 1296 x 968) do not tell: 0 is taken, as OpenCV
has it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ...io.photo_names import natural_key
from ..dataset import Dataset
from .assemble import (
    HALF_PIXEL,
    inverted,
    make_dataset,
    matrix_in,
    photo_size,
    photos_in,
    unknown_calibrations,
)

LOOKS_FOR = "ScanNet: color/, pose/ and intrinsic/ of one scan"
_INTRINSIC = "intrinsic/intrinsic_color.txt"


def recognises(path: Path) -> bool:
    """Whether `path` is a scan with its frames extracted."""
    return (path / "pose").is_dir() and (path / "color").is_dir()


def read(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads a scan in the order of its frames; frames that were not tracked have no pose.

    Raises:
        SplatposeError: a folder or a photo's pose is missing.
    """
    if not recognises(path):
        raise SplatposeError(f"{path} is not a scan.", f"Looked for {LOOKS_FOR}.")
    folder = path / (subfolder or "color")
    names = sorted(photos_in(folder), key=natural_key)
    poses = np.stack([matrix_in(path / "pose" / f"{Path(name).stem}.txt") for name in names])
    size = photo_size(folder / names[0])
    return make_dataset(
        path.resolve().name,
        folder,
        names,
        inverted(poses),
        _calibrations(path, len(names), size),
        size,
    )


def _calibrations(path: Path, count: int, size: tuple[int, int]) -> Float[np.ndarray, "V 3 3"]:
    K = unknown_calibrations(count)
    if not (path / _INTRINSIC).is_file():
        return K
    K[:] = matrix_in(path / _INTRINSIC)[:3, :3] + HALF_PIXEL
    first = path / "color" / photos_in(path / "color")[0]
    K[:, :2] *= (np.array(size) / photo_size(first))[None, :, None]
    return K
