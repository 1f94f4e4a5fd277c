"""`Views` on disk: PNG files for pictures and masks, one .npz for numbers, one .json for names."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from ...errors import SplatposeError
from ...io.atomic import write_bytes, write_json
from ...scene.views import Views

_VERSION = 1
_JSON, _ARRAYS, _IMAGES, _MASKS = "views.json", "views.npz", "images", "masks"
# Little is gained by compressing photos harder, and time is lost.
_PNG_LEVEL = [cv2.IMWRITE_PNG_COMPRESSION, 1]


@dataclass(frozen=True)
class ViewArrays:
    """`Views` without the pictures."""

    names: tuple[str, ...]
    has_mask: Bool[np.ndarray, " V"]
    Ks: Float[np.ndarray, "V 3 3"]
    cam_from_world: Float[np.ndarray, "V 4 4"]
    held_out: Bool[np.ndarray, " V"]
    points: Float[np.ndarray, "T 3"]
    point_colors: UInt8[np.ndarray, "T 3"]
    exposures: Int[np.ndarray, " V"]


def prepare_folder(folder: Path) -> None:
    """Empties the picture folders of what an interrupted run left."""
    for name in (_IMAGES, _MASKS):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()


def write_view(
    folder: Path,
    view: int,
    image: UInt8[np.ndarray, "H W 3"],
    mask: Bool[np.ndarray, "H W"] | None,
) -> None:
    """Writes one picture, numbered: photo names may hold folders or be too long."""
    _write_png(folder / _IMAGES / f"{view:06d}.png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if mask is not None:
        _write_png(folder / _MASKS / f"{view:06d}.png", mask.astype(np.uint8) * 255)


def write_arrays(folder: Path, arrays: ViewArrays) -> None:
    """Writes everything but the pictures."""
    np.savez(
        folder / _ARRAYS,
        has_mask=arrays.has_mask,
        Ks=arrays.Ks,
        cam_from_world=arrays.cam_from_world,
        held_out=arrays.held_out,
        points=arrays.points,
        point_colors=arrays.point_colors,
        exposures=arrays.exposures,
    )
    write_json(folder / _JSON, {"names": list(arrays.names)}, _VERSION)


def read_views(folder: Path) -> Views:
    """Reads `Views` from a finished stage's folder.

    Raises:
        SplatposeError: another version of splatpose wrote it, or a picture is gone.
    """
    arrays = read_view_arrays(folder)
    masks = tuple(
        _read_png(folder / _MASKS / f"{view:06d}.png", cv2.IMREAD_GRAYSCALE) > 0
        if has_mask
        else None
        for view, has_mask in enumerate(arrays.has_mask)
    )
    return Views(
        names=arrays.names,
        images=tuple(read_view(folder, view) for view in range(len(arrays.names))),
        masks=masks,
        Ks=arrays.Ks,
        cam_from_world=arrays.cam_from_world,
        held_out=arrays.held_out,
        points=arrays.points,
        point_colors=arrays.point_colors,
        exposures=arrays.exposures,
    )


def read_view_arrays(folder: Path) -> ViewArrays:
    """Reads everything but the pictures from a finished stage's folder.

    Raises:
        SplatposeError: another version of splatpose wrote it.
    """
    value = json.loads((folder / _JSON).read_text(encoding="utf-8"))
    if value["version"] != _VERSION:
        raise SplatposeError(
            f"{folder / _JSON} has version {value['version']}, not {_VERSION}.",
            "Run again with --overwrite.",
        )
    with np.load(folder / _ARRAYS) as arrays:
        named = {"exposures": np.arange(len(value["names"])), **arrays}  # older ones have none
        return ViewArrays(names=tuple(value["names"]), **named)


def read_view(folder: Path, view: int) -> UInt8[np.ndarray, "H W 3"]:
    """Reads one picture, RGB.

    Raises:
        SplatposeError: it is gone or damaged.
    """
    return _read_png(folder / _IMAGES / f"{view:06d}.png", cv2.IMREAD_COLOR_RGB)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    # Not cv2.imwrite, which does not say that a disk is full.
    done, data = cv2.imencode(".png", pixels, _PNG_LEVEL)
    assert done, "OpenCV is built with a PNG encoder"
    write_bytes(path, data.tobytes())


def _read_png(path: Path, flags: int) -> np.ndarray:
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), flags) if path.exists() else None
    if pixels is None:
        raise SplatposeError(f"{path} is missing or damaged.", "Run again with --overwrite.")
    return pixels
