"""`poses.json`: frames with camera-to-world matrices (OpenCV axes) and intrinsics in pixels.

`frames[]` of `file`, `c2w` (4x4), `fx fy cx cy w h` with the centre of the top-left pixel at
(0, 0), optionally `place` (photos of different places have no common frame) and `split`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ..dataset import Dataset
from .assemble import HALF_PIXEL, calibration, common_folder, inverted, make_dataset, squared

LOOKS_FOR = "poses.json (frames with file and c2w)"
_NAMES = ("poses.json", "poses_pseudo.json")
_HINT = "Every frame needs `file` and `c2w`, a 4x4 camera-to-world matrix with OpenCV axes."


def recognises(path: Path) -> bool:
    """Whether `path` is such a file, or a folder with one."""
    file = _file(path)
    return file is not None and '"c2w"' in file.read_text(encoding="utf-8", errors="replace")


def read(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads the file, or the one in the folder `path`.

    Raises:
        SplatposeError: it is missing or not of this format.
    """
    file = _file(path)
    if file is None:
        raise SplatposeError(f"{path}: no poses.json.", _HINT)
    frames = _frames(file)
    try:
        names = [str(frame["file"]) for frame in frames]
        poses = np.stack([_pose(frame["c2w"]) for frame in frames])
        K = np.stack([_calibration(frame) for frame in frames])
        sizes = [(int(frame.get("w", 0)), int(frame.get("h", 0))) for frame in frames]
        place = np.array([int(frame.get("place", 0)) for frame in frames], np.int64)
    except (KeyError, ValueError, OverflowError, TypeError) as error:
        raise SplatposeError(f"{file}: a frame cannot be read ({error!r}).", _HINT) from error
    shared = common_folder(names)
    images = file.parent / shared
    if shared.as_posix() == "." and subfolder is not None:
        images = file.parent / subfolder
    elif shared.as_posix() == "." and (file.parent / "images" / names[0]).is_file():
        images = file.parent / "images"
    splits = [frame.get("split") for frame in frames]
    return make_dataset(
        file.resolve().parent.name,
        images,
        [Path(name).relative_to(shared).as_posix() for name in names],
        inverted(poses),
        K,
        sizes,
        place=place,
        test=np.array([split == "test" for split in splits]) if any(splits) else None,
    )


def _file(path: Path) -> Path | None:
    if path.is_file() and path.suffix == ".json":
        return path
    return next((path / name for name in _NAMES if (path / name).is_file()), None)


def _frames(file: Path) -> list[dict[str, Any]]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SplatposeError(f"{file} is not JSON: {error}.", _HINT) from error
    frames = value.get("frames") if isinstance(value, dict) else None
    if not isinstance(frames, list) or not frames:
        raise SplatposeError(f"{file} has no list of frames.", _HINT)
    if not all(isinstance(frame, dict) for frame in frames):
        raise SplatposeError(f"{file}: a frame is not an object.", _HINT)
    return frames


def _pose(value: Any) -> Float[np.ndarray, "4 4"]:
    if value is None:
        return np.full((4, 4), np.nan)
    pose = np.array(value, np.float64)
    if pose.shape == (3, 4):
        pose = squared(pose[None])[0]
    if pose.shape != (4, 4):
        raise ValueError(f"c2w has shape {pose.shape}")
    return pose


def _calibration(frame: dict[str, Any]) -> Float[np.ndarray, "3 3"]:
    if "fx" not in frame:
        return np.full((3, 3), np.nan)
    fx, w, h = float(frame["fx"]), frame.get("w"), frame.get("h")
    cx = float(frame["cx"]) if "cx" in frame else (float(w) - 1) / 2 if w else np.nan
    cy = float(frame["cy"]) if "cy" in frame else (float(h) - 1) / 2 if h else np.nan
    return calibration(fx, float(frame.get("fy", fx)), cx, cy) + HALF_PIXEL
