"""DTU's scans as IDR and NeuS, as MVSNet, and as DTU itself distribute them.

- IDR, NeuS (https://github.com/lioryariv/idr, code/datasets/scene_dataset.py): `cameras.npz`
  (`cameras_sphere.npz`) with `world_mat_I`, the projection K [R t] of photo I of the sorted names
  in `image`. `scale_mat_I` only brings the object into the unit sphere and is left out, so that the
  unit is the millimetre.
- MVSNet (https://github.com/YoYo000/MVSNet, README): `cams/I_cam.txt` with the world-to-camera
  matrix and K of `images/I.jpg`.
- DTU (https://roboimagedata.compute.dtu.dk): `Rectified/scanN/rect_III_L_r5000.png` with the
  projection in `Calibration/cal18/pos_III.txt`, for each of several lights L.

All three carry the numbers of the same calibration (made with Bouguet's Matlab toolbox), which has
the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ...errors import SplatposeError
from ...io.arrays import DAMAGED_ARRAYS
from ...io.regular_files import read_text
from ..dataset import Dataset
from .assemble import HALF_PIXEL, make_dataset, matrix_in, photo_size, photos_in, squared

LOOKS_FOR = (
    "DTU: cameras.npz beside image/ (IDR, NeuS), cams/*_cam.txt beside images/ (MVSNet), or "
    "rect_*.png with Calibration/cal18 in a folder above"
)
_NPZ = ("cameras.npz", "cameras_sphere.npz")
_RECTIFIED = re.compile(r"rect_([0-9]{1,9})_\w+\.png")

Projection = tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "4 4"]]
"""Calibration matrix, and cam_from_world."""


def recognises(path: Path) -> bool:
    """Whether `path` is a scan in one of the three layouts."""
    return (
        _npz(path) is not None
        or (path / "cams").is_dir()
        or (
            path.is_dir() and any(path.glob("rect_*.png")) and _calibration_folder(path) is not None
        )
    )


def read(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads a scan, photos in the order of their names.

    Raises:
        SplatposeError: files are missing or damaged.
    """
    if (file := _npz(path)) is not None:
        folder = path / (subfolder or ("image" if (path / "image").is_dir() else "images"))
        names = photos_in(folder)
        cameras = _from_npz(file, len(names))
    elif (path / "cams").is_dir():
        folder = path / (subfolder or "images")
        names = photos_in(folder)
        cameras = [_from_text(path / "cams" / f"{Path(name).stem}_cam.txt") for name in names]
    else:
        folder, names = path, tuple(sorted(p.name for p in path.glob("rect_*.png")))
        cameras = _rectified(path, names)
    size = photo_size(folder / names[0])
    return make_dataset(
        path.resolve().name,
        folder,
        names,
        np.stack([pose for _, pose in cameras]),
        np.stack([K for K, _ in cameras]) + HALF_PIXEL,
        size,
    )


def decompose(projection: Float[np.ndarray, "3 4"]) -> Projection:
    """K (last entry one, positive diagonal) and [R t] of a projection known up to its scale.

    By RQ decomposition of its left part (Hartley & Zisserman 2004, 6.2.4).

    Raises:
        SplatposeError: the left part is singular: the camera is not finite.
    """
    M = projection[:, :3]
    det = np.linalg.det(M)
    if not (np.isfinite(projection).all() and abs(det) > 1e-300):
        raise SplatposeError(
            "A projection matrix is not that of a camera.", "Fetch the file again."
        )
    P = projection * np.sign(det)
    K, R = scipy.linalg.rq(P[:, :3])
    sign = np.sign(np.diag(K))
    K, R = K * sign, sign[:, None] * R
    pose = squared(np.hstack([R, np.linalg.solve(K, P[:, 3:])])[None])[0]
    return K / K[2, 2], pose


def _npz(path: Path) -> Path | None:
    return next((path / name for name in _NPZ if (path / name).is_file()), None)


def _from_npz(file: Path, count: int) -> list[Projection]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            matrices = [np.asarray(arrays[f"world_mat_{i}"], np.float64) for i in range(count)]
    except (OSError, *DAMAGED_ARRAYS) as error:
        raise SplatposeError(
            f"{file}: not a camera for each of the {count} photos ({error}).",
            "It needs world_mat_0, world_mat_1, ...: one for each photo.",
        ) from error
    return [decompose(matrix[:3, :4]) for matrix in matrices]


def _from_text(file: Path) -> Projection:
    try:
        words = read_text(file).split()
        first, second = words.index("extrinsic") + 1, words.index("intrinsic") + 1
        pose = np.array(words[first : first + 16], np.float64).reshape(4, 4)
        K = np.array(words[second : second + 9], np.float64).reshape(3, 3)
    except (OSError, ValueError) as error:
        raise SplatposeError(
            f"{file}: no extrinsic and intrinsic matrix ({error}).", f"Looked for {LOOKS_FOR}."
        ) from error
    return K, pose


def _rectified(path: Path, names: tuple[str, ...]) -> list[Projection]:
    folder = _calibration_folder(path)
    found = [_RECTIFIED.fullmatch(name) for name in names]
    if folder is None or not names or None in found:
        raise SplatposeError(f"{path} is not a scan of DTU.", f"Looked for {LOOKS_FOR}.")
    numbers = [int(match[1]) for match in found if match is not None]
    cameras = {i: decompose(matrix_in(folder / f"pos_{i:03d}.txt")) for i in set(numbers)}
    return [cameras[i] for i in numbers]


def _calibration_folder(path: Path) -> Path | None:
    above = list(path.resolve().parents)[:3]
    where = [
        base / part / "cal18" for base in above for part in ("Calibration", "MVS Data/Calibration")
    ]
    return next((folder for folder in where if folder.is_dir()), None)
