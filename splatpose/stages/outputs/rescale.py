"""Putting the outputs that lie in a folder on another scale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Float
from plyfile import PlyData

from ...errors import SplatposeError
from ...io.atomic import replacing, write_bytes, write_json
from ...io.colmap import read_model
from ...io.nerfstudio import read_transforms
from ...io.ply import write_splat_ply
from ...runs.folder import FolderBusy, holding
from .atomic_replace import new_part, put_in_place
from .layout import FILES, MODEL, POINTS, REPORT, SCALE, SPLAT, TRANSFORMS
from .scale import (
    Scale,
    metres_per_unit,
    read_scale,
    scaled_cameras,
    scaled_splats,
    units_in_report,
    write_scale,
)
from .splats import read_splats
from .trajectory import rewrite_trajectory


def set_scale(out: Path, scale: Scale | None) -> bool:
    """Sets, or with None forgets, the true scale of a run, and rewrites its outputs in it.

    Returns:
        Whether the outputs are in that scale now. If not, there are none yet, or a fit is at work
        in the folder, which will write its results in that scale.

    Raises:
        SplatposeError: the scale is of other photos than the outputs.
        OSError: the folder cannot be written to. Then the scale and the outputs are as before.
    """
    path = out / SCALE
    before = path.read_bytes() if path.exists() else None
    write_scale(out, scale)
    try:
        return apply_scale(out)
    except (OSError, SplatposeError):
        if before is None:
            path.unlink(missing_ok=True)
        else:
            write_bytes(path, before)
        raise


def apply_scale(out: Path) -> bool:
    """Rewrites the outputs in `out` if they are in another scale than the one that is set.

    Wholly or not at all, as a fit writes them. Returns and raises what `set_scale` does.
    """
    if not (out / REPORT).is_file():
        return False
    try:
        with holding(out):
            present, wanted = metres_per_unit(out), _wanted(out)
            if present != wanted:
                _rewrite(out, present, wanted)
            return True
    except FolderBusy:
        return False


def scale_of_outputs(out: Path, metres: float) -> Scale:
    """The scale in which one of the run's own units is so many metres, with the outputs' cameras.

    Raises:
        SplatposeError: `out` holds no finished run, or no world has such a scale.
    """
    if not (out / REPORT).is_file():
        raise SplatposeError(
            f"{out} holds no finished run: {REPORT} is missing.",
            "Give the output folder of a `splatpose fit` that is done.",
        )
    return Scale.of(metres, *_own_cameras(out))


def rescale_files(folder: Path, present: float | None, wanted: float | None) -> None:
    """Rewrites the files in a folder of outputs from one scale to another.

    Args:
        folder: nobody else's.
        present: metres per unit of the run that the files are in now; None: its own units.
        wanted: those that they shall be in.
    """
    factor = (wanted or 1.0) / (present or 1.0)
    write_splat_ply(folder / SPLAT, scaled_splats(read_splats(folder), factor))
    model = pycolmap.Reconstruction(folder / MODEL)
    model.transform(pycolmap.Sim3d(factor, pycolmap.Rotation3d(), np.zeros(3)))
    model.write_binary(folder / MODEL)
    _scale_points(folder / POINTS, factor)
    _scale_transforms(folder / TRANSFORMS, factor)
    # Its poses are rounded; those of transforms.json are not.
    names = read_model(folder / MODEL).names
    rewrite_trajectory(folder, names, read_transforms(folder / TRANSFORMS).cam_from_world)
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    report.pop("version")
    for row in report["photos"]:
        for line in (row.get("cam_from_world") or ())[:3]:
            line[3] *= factor
    write_json(folder / REPORT, {**report, **units_in_report(wanted)})


def _wanted(out: Path) -> float | None:
    """Metres in a unit of the run that the outputs are of, by the scale that is set."""
    scale = read_scale(out)
    if scale is None:
        return None
    here = scale.in_frame_of(*_own_cameras(out))
    if here is None:
        raise SplatposeError(
            f"The scale was set with other photos than those of the outputs in {out}.",
            "Set it again when the fit is done.",
        )
    return here.metres_per_unit


def _own_cameras(out: Path) -> tuple[tuple[str, ...], Float[np.ndarray, "V 4 4"]]:
    """Names and cam_from_world of the outputs' photos, in the run's own units."""
    model = read_model(out / MODEL)
    return model.names, scaled_cameras(model.cam_from_world, 1 / (metres_per_unit(out) or 1.0))


def _rewrite(out: Path, present: float | None, wanted: float | None) -> None:
    with new_part(out) as part:
        for name in FILES:
            source, target = out / name, part / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            elif source.exists():  # earlier versions wrote fewer
                shutil.copyfile(source, target)
        rescale_files(part, present, wanted)
        put_in_place(part, out)


def _scale_points(path: Path, factor: float) -> None:
    cloud = PlyData.read(str(path))
    for axis in ("x", "y", "z"):
        cloud["vertex"][axis] = cloud["vertex"][axis] * np.float32(factor)
    with replacing(path) as temporary:
        cloud.write(str(temporary))


def _scale_transforms(path: Path, factor: float) -> None:
    """Only the positions: photos are named as seen from where the file will lie."""
    value = json.loads(path.read_text(encoding="utf-8"))
    for frame in value["frames"]:
        for row in frame["transform_matrix"][:3]:
            row[3] *= factor
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
