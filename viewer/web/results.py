"""Results that were copied without the stages they came from: what the outputs alone allow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from splatpose.errors import SplatposeError
from splatpose.events import STAGES
from splatpose.io.colmap import read_model_to_show
from splatpose.io.json_numbers import number
from splatpose.io.nerfstudio import read_transforms
from splatpose.io.stored_pixels import upright_model
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.scene.evidence import PhotoEvidence
from splatpose.scene.sparse_model import SparseModel
from splatpose.stages.outputs.layout import MODEL, REPORT, SCALE, SPLAT, TRANSFORMS
from splatpose.stages.outputs.scale import metres_per_unit, scaled_cameras
from splatpose.stages.views.config import ViewsConfig
from splatpose.undistortion.lens import choose_pinhole
from splatpose.undistortion.resample import Resampler

from . import reading
from .progress import RunProgress, StageProgress
from .thumbnails import Thumbnails
from .world import ViewTable, World


class ResultsFollower:
    """A folder of outputs, read again when they are replaced."""

    def __init__(self, out: Path) -> None:
        self.folder = out
        self.progress = RunProgress()
        self.world = World()
        self._seen: tuple[float | None, ...] = ()

    def look(self) -> bool:
        """Reads the outputs if they are others than before.

        Raises:
            SplatposeError: they cannot be read, at the first look.
        """
        before = self._seen
        for _ in self.parts():
            pass
        return self._seen != before

    def parts(self) -> Iterator[None]:
        """As `look`, cameras first, which need less than Gaussians to be shown."""
        seen = tuple(reading.modified(self.folder / name) for name in (SPLAT, REPORT, SCALE))
        if seen == self._seen:
            return
        try:
            world = read_cameras(self.folder)
            if not self._seen:
                self.world = world
                yield
            world = with_splats(world, self.folder)
        except (OSError, ValueError, SplatposeError):
            if not self._seen:
                raise
            return  # somebody is replacing them
        self._seen, self.world = seen, world
        self.progress = read_history(self.folder, self.progress.revision + 1)


def read_cameras(out: Path) -> World:
    """Cameras and points, in the run's own units as everywhere in the viewer.

    Raises:
        SplatposeError: a file is damaged.
    """
    if not (out / MODEL).is_dir():
        return World()
    rows = {row["name"]: row for row in _at(reading.read_report(out), "photos") or ()}
    model = read_model_to_show(out / MODEL, tuple(rows) or None)
    orientations = [rows.get(name, {}).get("orientation") or 1 for name in model.names]
    model = upright_model(model, orientations)
    own = 1 / (metres_per_unit(out) or 1.0)
    cam_from_world = scaled_cameras(model.cam_from_world, own)
    model = dataclasses.replace(model, cam_from_world=cam_from_world, points=model.points * own)
    poses = _poses(model, out / MODEL, rows)
    capture = _capture(model, _photo_paths(out, model, rows), rows)
    return World(
        capture=capture,
        thumbnails=Thumbnails([photo.path for photo in capture.photos]),
        poses=poses,
        verdicts=reading.read_final_verdicts(out, reading.plain_verdicts(poses)),
        views=_views(model, capture, rows),
        metres_per_unit=reading.read_metres(out, poses),
    )


def with_splats(world: World, out: Path) -> World:
    """The same with the Gaussians, where there are any, in the run's own units.

    Raises:
        SplatposeError: the file is damaged.
    """
    if not (out / SPLAT).is_file():
        return world
    return dataclasses.replace(world, splats=reading.read_ply(out / SPLAT))


def read_history(out: Path, revision: int) -> RunProgress:
    """What the report says of the stages and of the training."""
    report = reading.read_report(out)
    progress = RunProgress(revision=revision)
    for record in report.get("stages") or ():
        if record.get("stage") in STAGES:
            progress.stages[record["stage"]] = StageProgress(
                "done", str(record.get("summary", "")), seconds=float(record.get("seconds") or 0)
            )
    curve = _at(report, "training", "curve") or ()
    progress.curve[:] = [(row["step"], row["loss"], row["gaussians"]) for row in curve]
    psnr, steps = _at(report, "summary", "held_out_psnr"), _at(report, "training", "steps")
    if psnr is not None and steps is not None:
        progress.psnr[:] = [(steps, psnr)]
    return progress


def _poses(model: SparseModel, folder: Path, rows: dict[str, dict[str, Any]]) -> SparseModel:
    def evidence(name: str, registered: bool) -> PhotoEvidence:
        row = rows.get(name, {})
        return PhotoEvidence(
            name,
            registered,
            str(row.get("reason") or ""),
            int(row.get("verified_matches") or 0),
            number(row.get("inlier_share")),
            number(row.get("reprojection_error")),
        )

    photos = zip(model.names, model.registered, strict=True)
    return dataclasses.replace(
        model,
        model_dir=folder,
        evidence=tuple(evidence(name, bool(registered)) for name, registered in photos),
        hypotheses=(),
    )


def _photo_paths(out: Path, model: SparseModel, rows: dict[str, dict[str, Any]]) -> dict[str, Path]:
    """Where the photos lie that have a pose, as transforms.json says, or else where they were."""
    try:
        paths = read_transforms(out / TRANSFORMS).photos
    except SplatposeError:
        return {}
    names = [name for name, ok in zip(model.names, model.registered, strict=True) if ok]
    if len(names) != len(paths):
        return {}
    before = [Path(rows.get(name, {}).get("path") or "") for name in names]
    return {
        name: old if old.is_file() and not path.is_file() else path
        for name, old, path in zip(names, before, paths, strict=True)
    }


def _capture(
    model: SparseModel, paths: dict[str, Path], rows: dict[str, dict[str, Any]]
) -> Capture:
    photos = []
    for name, camera in zip(model.names, model.camera_index.tolist(), strict=True):
        lens, row = model.cameras[camera], rows.get(name, {})
        width, height = row.get("width") or lens.width, row.get("height") or lens.height
        photos.append(Photo(name, paths.get(name, Path(name)), width, height, camera, ""))
    groups = tuple(CameraGroup("", lens.width, lens.height, None) for lens in model.cameras)
    return Capture(tuple(photos), groups)


def _views(model: SparseModel, capture: Capture, rows: dict[str, dict[str, Any]]) -> ViewTable:
    """The photos that have a pose; undistorted when they are asked for, if they are still there."""
    config = ViewsConfig()
    pinholes = [choose_pinhole(lens, config.max_size, config.keep_edges) for lens in model.cameras]
    numbers: list[int] = np.flatnonzero(model.registered).tolist()
    resamplers = [Resampler(*pair) for pair in zip(model.cameras, pinholes, strict=True)]
    cameras = [int(model.camera_index[number]) for number in numbers]
    jobs = [
        (resamplers[camera], capture.photos[number].path)
        for camera, number in zip(cameras, numbers, strict=True)
    ]
    names = tuple(model.names[number] for number in numbers)
    return ViewTable(
        names,
        np.stack([pinholes[camera].K for camera in cameras]) if cameras else np.zeros((0, 3, 3)),
        tuple(rows.get(name, {}).get("held_out") is True for name in names),
        partial(_undistorted, jobs),
    )


def _undistorted(jobs: Sequence[tuple[Resampler, Path]], view: int) -> UInt8[np.ndarray, "H W 3"]:
    resampler, path = jobs[view]
    return resampler(path)[0]


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
