"""nerfstudio's transforms.json, with the split it may name (see `splatpose.io.nerfstudio`).

The split: https://docs.nerf.studio/quickstart/data_conventions.html (`train_filenames`,
`val_filenames`, `test_filenames`).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...io.nerfstudio import read_transforms
from ..dataset import Dataset
from .assemble import common_folder, make_dataset

LOOKS_FOR = "transforms.json (frames with file_path and transform_matrix)"


def recognises(path: Path) -> bool:
    """Whether `path` is such a file, or a folder with one."""
    file = _file(path)
    return (
        file.is_file()
        and file.suffix == ".json"
        and '"transform_matrix"' in file.read_text("utf-8", errors="replace")
    )


def read(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads the file, or the one in the folder `path`, frames in the order of the file.

    Raises:
        SplatposeError: it is missing or not of this format.
    """
    file = _file(path)
    scene = read_transforms(file)
    base = file.resolve().parent
    where = [_with_suffix(photo).as_posix() for photo in scene.photos]
    shared = Path(common_folder(where))
    names = [Path(name).relative_to(shared).as_posix() for name in where]
    cameras = [scene.cameras[i] for i in scene.camera_index]
    listed = json.loads(file.read_text(encoding="utf-8")).get("test_filenames")
    test = None
    if isinstance(listed, list) and listed:
        held_out = {(base / str(name)).as_posix() for name in listed}
        test = np.array([photo.as_posix() in held_out for photo in scene.photos])
    return make_dataset(
        base.name,
        shared if subfolder is None else base / subfolder,
        names,
        scene.cam_from_world,
        np.stack([camera.K for camera in cameras]),
        [(camera.width, camera.height) for camera in cameras],
        test=test,
    )


def _file(path: Path) -> Path:
    return path / "transforms.json" if path.is_dir() else path


def _with_suffix(photo: Path) -> Path:
    """NeRF's Blender scenes name their photos without the suffix."""
    if not photo.suffix and photo.with_suffix(".png").is_file():
        return photo.with_suffix(".png")
    return photo
