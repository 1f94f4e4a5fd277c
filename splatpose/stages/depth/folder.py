"""Depth maps from a folder: phone LiDAR, or the output of any network."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ...events import EventSink, Progress
from ...io.depthmaps import DEPTH_FORMATS_TEXT, DEPTH_SUFFIXES, UnreadableDepthMap, read_depth_map
from ...io.regular_files import is_regular, open_regular
from ...io.stored_pixels import quarters_to_upright
from ...scene.capture import Capture, Photo
from .storage import save_map

_SAME_SHAPE = math.log(1.04)
"""Largest difference of the logarithms of two aspects that count as one: networks round a map's
sides to multiples of up to 32 pixels."""
_MARKS = ("_depth", "-depth", ".depth", "_disparity", "_disp")
"""Endings that programs put behind the photo's name."""


def hash_folder(folder: Path) -> str:
    """Hash of the names and bytes of all maps in `folder`.

    Raises:
        SplatposeError: there is no such folder, or no map in it.
    """
    total = hashlib.sha256()
    for name, path in sorted(_maps(folder).items()):
        try:
            with open_regular(path) as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:  # its photo has no map, as reading it will say
            content = f"unreadable {error.errno}"
        total.update(f"{content} {name}\n".encode())
    return total.hexdigest()


def match_maps(names: list[str], folder: Path, photos: Collection[Path] = ()) -> list[Path | None]:
    """The map of each photo: same relative path but for the suffix, else same file name.

    A photo's own suffix may stay ("a.jpg.npy") and "_depth" may follow. The bare name counts only
    where one photo and one map bear it. Of several formats the most precise is taken.

    Args:
        names: of the photos, relative paths with forward slashes.
        folder: is searched recursively.
        photos: files in it that are no maps.

    Raises:
        SplatposeError: there is no such folder, no map in it, or none is of these photos.
    """
    maps = {name: path for name, path in _maps(folder).items() if path not in photos}
    by_path: dict[str, Path] = {}
    by_name: dict[str, list[str]] = {}
    for name, path in maps.items():
        by_path.setdefault(_bare(name), path)
    for key in by_path:
        by_name.setdefault(PurePosixPath(key).name, []).append(key)
    photos_of_name: dict[str, int] = {}
    for name in names:
        stem = PurePosixPath(name).stem
        photos_of_name[stem] = photos_of_name.get(stem, 0) + 1
    found: list[Path | None] = []
    for name in names:
        photo = PurePosixPath(name)
        keys = [str(photo.with_suffix("")), name]
        if photos_of_name[photo.stem] == 1:
            for bare in (photo.stem, photo.name):
                keys += by_name[bare] if len(by_name.get(bare, ())) == 1 else []
        found.append(next((by_path[key] for key in keys if key in by_path), None))
    if not any(found):
        raise SplatposeError(
            f"None of the {len(maps)} depth maps in {folder} is of any of these {len(names)} "
            f"photos: there is {min(maps, default='none')}, but the first photo is {names[0]}.",
            "Name each map like its photo (photos/a/1.jpg: 1.png or a/1.png).",
        )
    return found


def import_maps(
    capture: Capture, source: Path, folder: Path, max_size: int, emit: EventSink
) -> tuple[str, ...]:
    """Copies the maps of a capture's photos into the stage's folder.

    Returns:
        For each photo why it has no map, empty where it has one.

    Raises:
        SplatposeError: no map can be used, with the first one's reason; or maps were taken for
            photos, because their folder lies among these.
    """
    files = [photo.path.resolve() for photo in capture.photos]
    inside = [path for path in files if path.is_relative_to(source)]
    if 0 < len(inside) < len(files):
        raise SplatposeError(
            f"{inside[0]} was taken for a photo, but lies in the depth folder {source}.",
            "Move the folder of depth maps out of the folder of photos.",
        )
    paths = match_maps([photo.name for photo in capture.photos], source, set(inside))
    reasons, first_error = [], None
    for i, (photo, path) in enumerate(zip(capture.photos, paths, strict=True)):
        if path is None:
            reasons.append("there is no depth map of its name")
            continue
        try:
            values = _upright(read_depth_map(path), photo)
            _check_shape(path, values.shape, photo)
            save_map(folder, i, values, max_size)
            reasons.append("")
        except UnreadableDepthMap as error:
            first_error = first_error or error
            reasons.append(f"{path.name} cannot be used: {error.reason}")
        emit(Progress("depth", i + 1, len(paths), "maps read"))
    if all(reasons):
        assert first_error is not None
        raise first_error
    return tuple(reasons)


def _upright(values: Float[np.ndarray, "H W"], photo: Photo) -> Float[np.ndarray, "h w"]:
    """The map as the photo is shown, where its shape tells that it is of the pixels as stored."""
    rows, columns = values.shape
    quarters = int(quarters_to_upright([photo.orientation])[0])
    alike = (columns > rows) == (photo.width > photo.height)
    return values if alike or quarters % 2 == 0 else np.rot90(values, -quarters).copy()


def _check_shape(path: Path, shape: tuple[int, ...], photo: Photo) -> None:
    rows, columns = shape
    wanted, given = math.log(photo.width / photo.height), math.log(columns / rows)
    if abs(wanted - given) <= _SAME_SHAPE:
        return
    size = f"{columns}x{rows}, its photo {photo.width}x{photo.height}"
    if abs(wanted + given) <= _SAME_SHAPE:
        raise UnreadableDepthMap(
            path, f"it is {size} once upright as EXIF says: turn the map by 90 degrees"
        )
    raise UnreadableDepthMap(path, f"it is {size}: a map must show the whole photo")


def _maps(folder: Path) -> dict[str, Path]:
    """Files that may be maps by relative name, more precise formats first."""
    if not folder.is_dir():
        raise SplatposeError(
            f"The depth folder {folder} does not exist.",
            "Give --depth a folder of depth maps, auto, depth-anything or none.",
        )
    found = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in DEPTH_SUFFIXES and is_regular(path) and path.name[0] != "."
    }
    if not found:
        raise SplatposeError(
            f"There are no depth maps in {folder}.",
            f"Put one a photo there, named like the photo: {DEPTH_FORMATS_TEXT}.",
        )
    return dict(
        sorted(found.items(), key=lambda item: DEPTH_SUFFIXES.index(item[1].suffix.lower()))
    )


def _bare(name: str) -> str:
    """The relative name without the map's suffix and mark."""
    bare = name[: -len(PurePosixPath(name).suffix)]
    for mark in _MARKS:
        if bare.lower().endswith(mark):
            return bare[: -len(mark)]
    return bare
