"""transforms.json of nerfstudio, instant-ngp and NeRF's Blender scenes, as the truth.

Axes are OpenGL's (see `splatpose.io.nerfstudio`), pixels as ours: nerfstudio's cx and cy count from
the corner of the image (https://docs.nerf.studio/quickstart/data_conventions.html). Of any kind
of camera only the calibration matrix is read; where it cannot be told it is unknown. The split is
the one that the file may name (`test_filenames`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ...io.nerfstudio import cam_from_opengl
from ...io.photos import PHOTO_SUFFIXES
from ...io.regular_files import read_text
from ..dataset import Dataset
from .assemble import calibration, common_folder, make_dataset, photo_size, squared

LOOKS_FOR = "transforms.json (frames with file_path and transform_matrix)"
_HINT = "Give a transforms.json as nerfstudio or instant-ngp writes it."


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
    value = _load(file)
    base = file.resolve().parent
    try:
        entries = [{**value, **frame} for frame in value["frames"]]
        photos = [_with_suffix(base / str(entry["file_path"])) for entry in entries]
        matrices = np.array([entry["transform_matrix"] for entry in entries], np.float64)
        poses = cam_from_opengl(squared(matrices[:, :3]))
        sizes = [_size(e, photo) for e, photo in zip(entries, photos, strict=True)]
        K = np.stack([_calibration(e, size) for e, size in zip(entries, sizes, strict=True)])
    except (
        KeyError,
        ValueError,
        OverflowError,
        TypeError,
        IndexError,
        np.linalg.LinAlgError,
    ) as error:
        raise SplatposeError(f"{file}: a frame cannot be read ({error!r}).", _HINT) from error
    shared = Path(common_folder([photo.as_posix() for photo in photos]))
    listed = value.get("test_filenames")
    held_out = {base / str(name) for name in listed} if isinstance(listed, list) else set()
    return make_dataset(
        base.name,
        shared if subfolder is None else base / subfolder,
        [photo.relative_to(shared).as_posix() for photo in photos],
        poses,
        K,
        sizes,
        test=np.array([photo in held_out for photo in photos]) if held_out else None,
    )


def _file(path: Path) -> Path:
    return path / "transforms.json" if path.is_dir() else path


def _load(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_text(file))
    except OSError as error:
        raise SplatposeError(f"{file} cannot be read ({error}).", _HINT) from error
    except ValueError as error:
        raise SplatposeError(f"{file} is not JSON: {error}.", _HINT) from error
    if not isinstance(value, dict) or not isinstance(value.get("frames"), list):
        raise SplatposeError(f"{file} has no list of frames.", _HINT)
    if not value["frames"]:
        raise SplatposeError(f"{file} holds no photo.", _HINT)
    return value


def _with_suffix(photo: Path) -> Path:
    """NeRF's Blender scenes name their photos without the suffix."""
    if photo.suffix.lower() in PHOTO_SUFFIXES:
        return photo
    png = photo.with_name(f"{photo.name}.png")
    return png if not photo.is_file() and png.is_file() else photo


def _size(entry: dict[str, Any], photo: Path) -> tuple[int, int]:
    if "w" in entry and "h" in entry:
        return int(entry["w"]), int(entry["h"])
    return photo_size(photo) if photo.is_file() else (0, 0)


def _calibration(entry: dict[str, Any], size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    width, height = size
    if "fl_x" in entry:
        fx = float(entry["fl_x"])
    elif "camera_angle_x" in entry and width:
        fx = width / 2 / np.tan(float(entry["camera_angle_x"]) / 2)
    else:
        return np.full((3, 3), np.nan)
    fy = float(entry.get("fl_y", fx))
    return calibration(
        fx, fy, float(entry.get("cx", width / 2)), float(entry.get("cy", height / 2))
    )
