"""7-Scenes: one sequence, frame-XXXXXX.color.png beside frame-XXXXXX.pose.txt.

https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes: pose.txt is a 4x4
camera-to-world matrix, OpenCV axes, of the depth camera as KinectFusion tracked it. The site says
that neither camera was calibrated; KinectFusion ran with a focal length of 585 and the principal
point (320, 240) for depth. The colour camera is another one: 525 is the Kinect's usual value and
fits its matches, 585 does not. So the focal lengths here are nominal, and positions are the
depth camera's, a few centimetres beside.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import SplatposeError
from ..dataset import Dataset
from .assemble import calibration, inverted, make_dataset, matrix_in, photo_size

LOOKS_FOR = "7-Scenes: frame-XXXXXX.color.png and frame-XXXXXX.pose.txt of one sequence"
_POSE = ".pose.txt"
_FOCAL = 525 / 640
"""Focal length over the photo's width."""


def recognises(path: Path) -> bool:
    """Whether `path` is a sequence."""
    return path.is_dir() and any(path.glob(f"frame-*{_POSE}"))


def read(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads a sequence in the order of its frames.

    Raises:
        SplatposeError: there are no frames with poses and colour photos.
    """
    folder = path if subfolder is None else path / subfolder
    stems = sorted(file.name.removesuffix(_POSE) for file in path.glob(f"frame-*{_POSE}"))
    found = [(stem, next(iter(sorted(folder.glob(f"{stem}.color.*"))), None)) for stem in stems]
    photos = [photo for _, photo in found if photo is not None]
    if not photos:
        raise SplatposeError(f"{path} holds no frames with poses.", f"Looked for {LOOKS_FOR}.")
    poses = [matrix_in(path / f"{stem}{_POSE}") for stem, photo in found if photo is not None]
    width, height = photo_size(photos[0])
    focal = _FOCAL * width
    K = np.tile(calibration(focal, focal, width / 2, height / 2), (len(photos), 1, 1))
    resolved = path.resolve()
    return make_dataset(
        f"{resolved.parent.name}/{resolved.name}",
        folder,
        [photo.name for photo in photos],
        inverted(np.stack(poses)),
        K,
        (width, height),
    )
