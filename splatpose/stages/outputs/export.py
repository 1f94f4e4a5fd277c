"""Copying a finished run's results out, in the format another tool wants."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from ...errors import SplatposeError
from ...io.file_names import shortened
from .layout import CROP, MODEL, POINTS, REPORT, SPLAT, TRAJECTORY, TRANSFORMS

ExportFormat = Literal["auto", "ply", "splat", "points", "colmap", "nerfstudio", "tum"]
"""auto: by the target's ending. ply: Gaussians, INRIA layout. splat: Gaussians, 32 bytes each, for
web viewers. points: sparse coloured points (.ply). colmap: folder with a binary model.
nerfstudio: transforms.json. tum: camera path."""

_BY_SUFFIX: dict[str, ExportFormat] = {
    ".ply": "ply",
    ".splat": "splat",
    ".json": "nerfstudio",
    ".tum": "tum",
    ".txt": "tum",
    "": "colmap",
}
_SOURCE: dict[ExportFormat, str] = {
    "ply": SPLAT,
    "splat": SPLAT,
    "points": POINTS,
    "colmap": MODEL,
    "nerfstudio": TRANSFORMS,
    "tum": TRAJECTORY,
}


def export(
    run_folder: Path,
    target: Path,
    *,
    format: ExportFormat = "auto",
    overwrite: bool = False,
    crop: bool = True,
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

    Raises:
        SplatposeError: the run is not finished, the format cannot be told, or something is at
            `target` already.
    """
    chosen = format if format != "auto" else _format_of(target)
    source = _source(run_folder, chosen)
    _check_target(source, target, folder=chosen == "colmap", overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        text = _write(source, target, chosen, run_folder if crop else None)
    except OSError as error:
        raise SplatposeError(
            f"{error.filename or target} cannot be written: {error.strerror or error}.",
            "Choose another target, or free some space.",
        ) from error
    return f"{target}: {text}, {units_of(run_folder)}"


def units_of(run_folder: Path) -> str:
    """Units of the outputs of a run, for a person."""
    from .scale import metres_per_unit

    return "no true scale" if metres_per_unit(run_folder) is None else "in metres"


def _format_of(target: Path) -> ExportFormat:
    try:
        return _BY_SUFFIX[target.suffix.lower()]
    except KeyError:
        endings = ", ".join(suffix for suffix in _BY_SUFFIX if suffix)
        raise SplatposeError(
            f"What to write to {target} cannot be told from its ending {target.suffix!r}.",
            f"Use one of {endings}, no ending for a COLMAP folder, or name the format.",
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
    if folder and any(entry.suffix != ".bin" for entry in target.iterdir()):
        raise SplatposeError(
            f"{target} holds more than a COLMAP model and is not replaced.",
            "Choose another folder; nothing was changed.",
        )


def _write(source: Path, target: Path, chosen: ExportFormat, crop_in: Path | None) -> str:
    from ...io.atomic import replacing

    if crop_in is not None and chosen in ("ply", "splat") and (crop_in / CROP).exists():
        return _write_cropped(source, target, chosen, crop_in)
    if chosen == "colmap":
        _copy_model(source, target)
        return "COLMAP model (binary)"
    if chosen == "splat":
        from ...io.ply import read_splat_ply
        from ...io.splat32 import write_splat32

        splats = read_splat_ply(source)
        count = len(splats) - write_splat32(target, splats)
        return f"{count:,} Gaussians, 32 bytes each, without view dependence"
    if chosen == "nerfstudio":
        from ...io.nerfstudio import read_transforms, write_transforms

        scene = read_transforms(source)
        write_transforms(target, scene)
        return f"{len(scene.photos)} cameras for nerfstudio"
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return {"ply": "Gaussians", "points": "sparse points", "tum": "camera path"}[chosen]


def _write_cropped(source: Path, target: Path, chosen: ExportFormat, crop_in: Path) -> str:
    from ...io.ply import read_splat_ply, write_splat_ply
    from ...io.splat32 import write_splat32
    from .crop import cropped, read_crop
    from .scale import metres_per_unit

    box = read_crop(crop_in)
    assert box is not None
    whole = read_splat_ply(source)
    splats = cropped(whole, box.scaled(metres_per_unit(crop_in) or 1.0))
    if not len(splats):
        raise SplatposeError(
            f"The crop box in {crop_in / CROP} holds no Gaussian.",
            "Set it again in the viewer, or add --no-crop.",
        )
    (write_splat_ply if chosen == "ply" else write_splat32)(target, splats)
    return f"{len(splats):,} of {len(whole):,} Gaussians, inside the crop box"


def _copy_model(source: Path, target: Path) -> None:
    """Copies aside and renames, so that `target` is never half a model."""
    part = target.with_name(f".{shortened(target.name)}.part")
    if part.exists():
        shutil.rmtree(part)
    try:
        shutil.copytree(source, part)
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
