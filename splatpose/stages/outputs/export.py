"""Copying a finished run's results out, in the format another tool wants."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ...errors import SplatposeError
from ...io.file_names import shortened
from .layout import CROP, MODEL, POINTS, REPORT, SPLAT, TRAJECTORY, TRAJECTORY_NAMES, TRANSFORMS

ExportFormat = Literal[
    "auto", "ply", "splat", "points", "colmap", "colmap-text", "nerfstudio", "tum", "names"
]
"""auto: by the target's ending. ply: Gaussians, INRIA layout. splat: Gaussians, 32 bytes each, for
web viewers. points: sparse coloured points (.ply). colmap: folder with a binary model.
colmap-text: the same as text. nerfstudio: transforms.json. tum: camera path. names: table of the
camera path's timestamps and photos."""

_BY_SUFFIX: dict[str, ExportFormat] = {
    ".ply": "ply",
    ".splat": "splat",
    ".json": "nerfstudio",
    ".tum": "tum",
    ".txt": "tum",
    ".csv": "names",
    "": "colmap",
}
PAGE_SUFFIX = ".html"
"""Ending of a page that shows a run, which the viewer makes."""
_UNCOMPENSATED = ", drawn too solid where small: the format has no word for antialiased"
_FOLDERS = ("colmap", "colmap-text")
_SOURCE: dict[ExportFormat, str] = {
    "ply": SPLAT,
    "splat": SPLAT,
    "points": POINTS,
    "colmap": MODEL,
    "colmap-text": MODEL,
    "nerfstudio": TRANSFORMS,
    "tum": TRAJECTORY,
    "names": TRAJECTORY_NAMES,
}


def export(
    run_folder: Path,
    target: Path,
    *,
    format: ExportFormat = "auto",
    overwrite: bool = False,
    crop: bool = True,
    images: Path | None = None,
) -> str:
    """Writes one result of a finished run to `target` and returns a one-line summary.

    It is in metres where the run's scale was set, else in its own units, and the summary says so.

    Args:
        run_folder: OUT of an earlier `splatpose fit`.
        target: file to write, or folder for a COLMAP model. Missing parent folders are made.
        format: what to write; "auto" goes by the target's ending, no ending being a COLMAP folder.
        overwrite: replace what is at `target`. A folder is replaced only if it holds nothing but
            a COLMAP model.
        crop: leave out Gaussians outside the box that was set in the viewer, if one was.
        images: the photos' folder, for nerfstudio, where they are no longer where the run had them.

    Raises:
        SplatposeError: the run is not finished, the format cannot be told, something is at
            `target` already, or a file that names photos would name none that exists.
    """
    chosen = format if format != "auto" else _format_of(target)
    if images is not None and chosen != "nerfstudio":
        raise needs_no_images(target)
    source = _source(run_folder, chosen)
    _check_target(source, target, folder=chosen in _FOLDERS, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if chosen == "nerfstudio":
            text = _write_nerfstudio(run_folder, target, images)
        else:
            text = _write(source, target, chosen, run_folder if crop else None)
    except OSError as error:
        raise SplatposeError(
            f"{error.filename or target} cannot be written: {error.strerror or error}.",
            "Choose another target, or free some space.",
        ) from error
    return f"{target}: {text}, {units_of(run_folder)}"


def needs_no_images(target: Path) -> SplatposeError:
    """What to say to a folder of photos for an export that names none."""
    return SplatposeError(
        f"{target} names no photos: their folder has no meaning for it.",
        "Leave --images out, or export cameras for nerfstudio (.json).",
    )


def units_of(run_folder: Path) -> str:
    """Units of the outputs of a run, for a person."""
    from .scale import metres_per_unit

    return "no true scale" if metres_per_unit(run_folder) is None else "in metres"


def _format_of(target: Path) -> ExportFormat:
    try:
        return _BY_SUFFIX[target.suffix.lower()]
    except KeyError:
        endings = ", ".join((*filter(None, _BY_SUFFIX), PAGE_SUFFIX))
        raise SplatposeError(
            f"What to write to {target} cannot be told from its ending {target.suffix!r}.",
            f"Use one of {endings}, no ending for a COLMAP folder, or name the --format.",
        ) from None


def _source(run_folder: Path, chosen: ExportFormat) -> Path:
    if not run_folder.is_dir():
        raise SplatposeError(
            f"There is no folder {run_folder}.",
            "Give the output folder of an earlier `splatpose fit`.",
        )
    source = run_folder / _SOURCE[chosen]
    # The report is written last: without it the files may be of different runs, or unfinished.
    missing = [path for path in (run_folder / REPORT, source) if not path.exists()]
    if missing:
        raise SplatposeError(
            f"{run_folder} holds no finished run: {missing[0].name} is missing.",
            "Run `splatpose fit` with this output folder; it goes on where it stopped.",
        )
    return source


def _check_target(source: Path, target: Path, *, folder: bool, overwrite: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if target.exists() and target.samefile(source):
        raise SplatposeError(
            f"{target} is the run's own file.", "Choose another target; nothing was changed."
        )
    if not overwrite:
        raise SplatposeError(
            f"{target} exists already.", "Choose another target, or add --overwrite."
        )
    if folder != target.is_dir():
        kind = "a file" if folder else "a folder"
        raise SplatposeError(f"{target} is {kind}.", "Choose another target; nothing was changed.")
    if folder and any(entry.suffix not in (".bin", ".txt") for entry in target.iterdir()):
        raise SplatposeError(
            f"{target} holds more than a COLMAP model and is not replaced.",
            "Choose another folder; nothing was changed.",
        )


def _write(source: Path, target: Path, chosen: ExportFormat, crop_in: Path | None) -> str:
    from ...io.atomic import replacing

    if crop_in is not None and chosen in ("ply", "splat") and (crop_in / CROP).exists():
        return _write_cropped(source, target, chosen, crop_in)
    if chosen == "colmap":
        with _replacing_folder(target) as part:
            shutil.copytree(source, part)
        return "COLMAP model (binary)"
    if chosen == "colmap-text":
        return _write_text(source, target)
    if chosen == "splat":
        from ...io.splat32 import write_splat32
        from .splats import read_splats

        splats = read_splats(source.parent)
        count = len(splats) - write_splat32(target, splats)
        note = _UNCOMPENSATED if splats.antialiased else ""
        return f"{count:,} Gaussians, 32 bytes each, without view dependence{note}"
    if chosen == "ply":
        from ...io.ply import copy_splat_ply
        from .splats import trained_antialiased

        copy_splat_ply(source, target, antialiased=trained_antialiased(source.parent))
        return "Gaussians"
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return {
        "points": "sparse points",
        "tum": "camera path",
        "names": "timestamps and photos of the camera path",
    }[chosen]


def _write_text(source: Path, target: Path) -> str:
    from ...io.colmap import read_reconstruction
    from ...io.colmap_text import write_text_model

    model = read_reconstruction(source)
    with _replacing_folder(target) as part:
        write_text_model(model, part)
    cut = sum(any(map(str.isspace, image.name)) for image in model.images.values())
    note = f"; COLMAP itself reads {cut} names with blanks only to the first blank" if cut else ""
    return f"COLMAP model (text){note}"


def _write_nerfstudio(run_folder: Path, target: Path, images: Path | None) -> str:
    """Cameras of the photos that exist, by their paths as seen from the target."""
    from ...io.nerfstudio import read_transforms, write_transforms

    scene = read_transforms(run_folder / TRANSFORMS)
    scene = replace(scene, photos=_photos_now(run_folder, scene.photos, images))
    first = next((photo for photo in scene.photos if not photo.is_file()), None)
    here = [number for number, photo in enumerate(scene.photos) if photo.is_file()]
    gone = len(scene.photos) - len(here)
    if not here:
        raise SplatposeError(
            f"None of the {gone} photos is there, {_plain(first)} for one: no tool could use "
            f"{target}. Nothing was written.",
            "Name the folder that holds the photos now with --images DIR.",
        )
    cloud = scene.point_cloud if scene.point_cloud and scene.point_cloud.is_file() else None
    kept = replace(
        scene,
        photos=tuple(scene.photos[number] for number in here),
        cam_from_world=scene.cam_from_world[here],
        camera_index=scene.camera_index[here],
        point_cloud=cloud,
    )
    write_transforms(target, kept)
    text = f"{len(here)} cameras for nerfstudio"
    if gone:
        text += f" (left out, as their photos are gone: {gone}, {_plain(first)} for one)"
    return text


def _plain(path: Path | None) -> str:
    """The path without what leads there and back."""
    return "" if path is None else os.path.normpath(path)


def _photos_now(
    run_folder: Path, photos: tuple[Path, ...], images: Path | None
) -> tuple[Path, ...]:
    """Where the photos that have a pose are now.

    In the folder that is named; else as seen from the run, which may have moved with them; else
    where the run had them, and it alone moved.
    """
    if images is None and all(photo.is_file() for photo in photos):
        return photos
    report = json.loads((run_folder / REPORT).read_text(encoding="utf-8"))
    rows = [row for row in report["photos"] if row["registered"]]
    if len(rows) != len(photos):
        raise SplatposeError(
            f"{run_folder / REPORT} and {TRANSFORMS} beside it are of different runs.",
            "Run the same splatpose fit again: it writes all outputs anew.",
        )
    if images is not None:
        return tuple(images.absolute() / row["name"] for row in rows)
    before = [Path(row.get("path") or photo) for row, photo in zip(rows, photos, strict=True)]
    return tuple(
        old if old.is_file() and not photo.is_file() else photo
        for old, photo in zip(before, photos, strict=True)
    )


def _write_cropped(source: Path, target: Path, chosen: ExportFormat, crop_in: Path) -> str:
    from ...io.ply import write_splat_ply
    from ...io.splat32 import write_splat32
    from .crop import cropped, read_crop
    from .scale import metres_per_unit
    from .splats import read_splats

    box = read_crop(crop_in)
    assert box is not None
    whole = read_splats(source.parent)
    splats = cropped(whole, box.scaled(metres_per_unit(crop_in) or 1.0))
    if not len(splats):
        raise SplatposeError(
            f"The crop box in {crop_in / CROP} holds no Gaussian.",
            "Set it again in the viewer, or add --no-crop.",
        )
    (write_splat_ply if chosen == "ply" else write_splat32)(target, splats)
    note = _UNCOMPENSATED if splats.antialiased and chosen == "splat" else ""
    return f"{len(splats):,} of {len(whole):,} Gaussians, inside the crop box{note}"


@contextmanager
def _replacing_folder(target: Path) -> Iterator[Path]:
    """A folder to make beside `target` that then takes its place: it is never half a model."""
    part = target.with_name(f".{shortened(target.name)}.part")
    if part.exists():
        shutil.rmtree(part)
    try:
        yield part
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
