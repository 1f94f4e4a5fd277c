"""Common Objects in 3D, version 2: one sequence of a category.

https://github.com/facebookresearch/co3d (README; co3d/dataset/data_types.py): CATEGORY holds
`frame_annotations.jgz` (gzipped JSON) and SEQUENCE/images. Extrinsics are PyTorch3D's: row
vectors, X_cam = X_world R + T, axes +x left, +y up, +z forward. Intrinsics are in normalised device
coordinates, +x left and +y up, whose unit is half the image's shorter side (`ndc_isotropic`) or
half of each side (`ndc_norm_image_bounds`); zero is the image's centre, sizes are (height,
width). PyTorch3D's screen has (0, 0) at the image's corner, as ours, so that no half pixel is added
(https://pytorch3d.org/docs/cameras; pytorch3d/renderer/camera_conversions.py does the same).
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ..dataset import Dataset
from .assemble import calibration, make_dataset

LOOKS_FOR = "CO3D: a sequence's folder whose parent holds frame_annotations.jgz"
_FILE = "frame_annotations.jgz"


def recognises(path: Path) -> bool:
    """Whether `path` is a sequence, or a category (which `read` refuses with the sequences)."""
    return (path.resolve().parent / _FILE).is_file() or (path / _FILE).is_file()


def read(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads the sequence `path`, photos by their frame number.

    Raises:
        SplatposeError: the annotations are missing or damaged or do not have the sequence.
    """
    sequence = path.resolve()
    frames = _frames(path)
    own = [frame for frame in frames if str(frame.get("sequence_name")) == sequence.name]
    if not own:
        names = sorted({str(frame.get("sequence_name")) for frame in frames})
        raise SplatposeError(
            f"{path} is not a sequence that {_FILE} describes.",
            f"Give the folder of one sequence: {', '.join(names[:5])}...",
        )
    try:
        own.sort(key=lambda frame: int(frame["frame_number"]))
        names = [PurePosixPath(frame["image"]["path"]).name for frame in own]
        sizes = [(int(f["image"]["size"][1]), int(f["image"]["size"][0])) for f in own]
        poses = np.stack([_pose(frame.get("viewpoint")) for frame in own])
        K = np.stack([_calibration(f.get("viewpoint"), s) for f, s in zip(own, sizes, strict=True)])
    except (KeyError, ValueError, OverflowError, TypeError, IndexError) as error:
        raise SplatposeError(
            f"{path}: a frame of {_FILE} cannot be read ({error!r}).", "Fetch the file again."
        ) from error
    folder = sequence / (subfolder or "images")
    return make_dataset(sequence.name, folder, names, poses, K, sizes)


def _frames(path: Path) -> list[dict[str, Any]]:
    where = [path.resolve().parent / _FILE, path / _FILE]
    file = next((candidate for candidate in where if candidate.is_file()), None)
    if file is None:
        raise SplatposeError(f"{path}: no {_FILE} in the folder above.", f"Looked for {LOOKS_FOR}.")
    try:
        return list(json.loads(gzip.decompress(file.read_bytes())))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise SplatposeError(
            f"{file} cannot be read ({error}).", "Fetch the file again."
        ) from error


def _pose(viewpoint: dict[str, Any] | None) -> Float[np.ndarray, "4 4"]:
    """cam_from_world; NaN for a frame without a viewpoint."""
    pose = np.full((4, 4), np.nan)
    if viewpoint is not None:
        flip = np.array([-1.0, -1.0, 1.0])
        pose[:3, :3] = flip[:, None] * np.array(viewpoint["R"], np.float64).T
        pose[:3, 3] = flip * np.array(viewpoint["T"], np.float64)
        pose[3] = (0, 0, 0, 1)
    return pose


def _calibration(
    viewpoint: dict[str, Any] | None, size: tuple[int, int]
) -> Float[np.ndarray, "3 3"]:
    if viewpoint is None:
        return np.full((3, 3), np.nan)
    half = np.array(size, np.float64) / 2
    kind = str(viewpoint.get("intrinsics_format", "ndc_norm_image_bounds")).lower()
    if kind not in ("ndc_isotropic", "ndc_norm_image_bounds"):
        raise ValueError(f"unknown intrinsics_format {kind}")
    unit = np.full(2, half.min()) if kind == "ndc_isotropic" else half
    focal = np.array(viewpoint["focal_length"], np.float64) * unit
    center = half - np.array(viewpoint["principal_point"], np.float64) * unit
    return calibration(focal[0], focal[1], center[0], center[1])
