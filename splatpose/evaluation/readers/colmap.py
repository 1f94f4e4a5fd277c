"""COLMAP models, binary or text, and Mip-NeRF 360's scenes, which come with one.

COLMAP's axes and pixels are ours (https://colmap.github.io/cameras.html: the upper left image
corner is (0, 0), the upper left pixel's centre (0.5, 0.5)). Any of its camera models will do:
only the calibration matrix is read, and distortion is left out.

Mip-NeRF 360 (https://jonbarron.info/mipnerf360): SCENE/sparse/0 belongs to the full-size photos
in SCENE/images; images_2, images_4 and images_8 hold the same photos, smaller, under the same
names. Its test photos are every 8th of the sorted names, from the first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from ...errors import SplatposeError
from ...io.colmap import holds_model, read_reconstruction
from ...io.photo_names import natural_key
from ..dataset import Dataset
from .assemble import every, make_dataset, photo_size, squared

LOOKS_FOR = "a COLMAP model (cameras, images and points3D as .bin or .txt, here or in sparse/0)"
MIP_LOOKS_FOR = "Mip-NeRF 360: sparse/0 beside images and images_2, images_4 or images_8"
_WHERE = (".", "sparse/0", "sparse", "0", "colmap/sparse/0")


def model_folder(path: Path) -> Path | None:
    """Where in `path` a model lies: the folder itself, or where COLMAP and its users put it."""
    return next((path / w for w in _WHERE if holds_model(path / w)), None)


def numbered_models(path: Path) -> list[Path]:
    """The models of a mapping that fell apart: folders 0, 1, ... in `path` or in its `sparse`."""
    if holds_model(path):
        return []
    folders = [folder for base in (path, path / "sparse") for folder in base.glob("[0-9]*")]
    return sorted((f for f in folders if holds_model(f)), key=lambda f: natural_key(f.name))


def recognises(path: Path) -> bool:
    """Whether `path` is or holds a COLMAP model."""
    return model_folder(path) is not None


def recognises_mip(path: Path) -> bool:
    """Whether `path` is laid out like a scene of Mip-NeRF 360."""
    return holds_model(path / "sparse/0") and any(
        (path / f"images_{factor}").is_dir() for factor in (2, 4, 8)
    )


def read(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads a model; photos in natural order of their names.

    Args:
        path: the model, or a folder with one.
        subfolder: the photos' folder in the data set, where it is not `images`. Calibrations
            are then those of the photos there.

    Raises:
        SplatposeError: there is no model or it cannot be read.
    """
    return _read(path, subfolder, natural_key)


def read_mip(path: Path, subfolder: str | None = None) -> Dataset:
    """Reads a scene of Mip-NeRF 360, with its split; arguments as in `read`."""
    if not recognises_mip(path):
        raise SplatposeError(f"{path} is not a scene of Mip-NeRF 360.", f"{MIP_LOOKS_FOR}.")
    data = _read(path, subfolder, str)
    return make_dataset(
        data.name,
        data.images,
        data.names,
        data.cam_from_world,
        data.K,
        data.sizes,
        test=every(len(data.names), 8, 0),
    )


def load_reconstruction(path: Path) -> pycolmap.Reconstruction:
    """The model in `path`.

    Raises:
        SplatposeError: there is none, or it cannot be read.
    """
    folder = model_folder(path)
    if folder is None:
        raise SplatposeError(f"{path} holds no COLMAP model.", f"It should hold {LOOKS_FOR}.")
    return read_reconstruction(folder)


def _read(path: Path, subfolder: str | None, order: Callable[[str], Any]) -> Dataset:
    model = load_reconstruction(path)
    images = sorted(model.images.values(), key=lambda image: order(image.name))
    if not images:
        raise SplatposeError(f"{path}: the COLMAP model holds no photo.", "Give another model.")
    poses = np.full((len(images), 4, 4), np.nan)
    K = np.zeros((len(images), 3, 3))
    sizes = np.zeros((len(images), 2), np.int64)
    for i, image in enumerate(images):
        camera = model.cameras[image.camera_id]
        K[i] = camera.calibration_matrix()
        sizes[i] = camera.width, camera.height
        if image.has_pose:
            poses[i] = squared(np.asarray(image.cam_from_world().matrix())[None])[0]
    base, folder = _photos(path, subfolder)
    if subfolder is not None:
        for i, image in enumerate(images):
            size = np.array(photo_size(folder / image.name))
            K[i, :2] *= (size / sizes[i])[:, None]
            sizes[i] = size
    return make_dataset(base.name, folder, [im.name for im in images], poses, K, sizes)


def _photos(path: Path, subfolder: str | None) -> tuple[Path, Path]:
    """The data set's folder, and the photos'."""
    base = path.resolve()
    while base.name in ("0", "sparse", "colmap", "dslr_calibration_undistorted"):
        base = base.parent
    if subfolder is not None:
        return base, base / subfolder
    return base, next((base / n for n in ("images", "photos") if (base / n).is_dir()), base)
