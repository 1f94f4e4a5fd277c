"""The run's results as files that other tools read, and the report.

Everything is written aside and then put in its place.
"""

from __future__ import annotations

import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import SplatposeError
from ...events import EventSink, Message, RunFinished, StageFinished, StageStarted
from ...io.atomic import write_bytes, write_json
from ...io.nerfstudio import Transforms, write_transforms
from ...io.ply import write_splat_ply
from ...io.pointcloud import write_point_cloud
from ...io.stored_pixels import is_mirrored, stored_model, write_stored_model
from ...scene.capture import Capture
from ...scene.depth_maps import DepthAlignment
from ...scene.matches import MatchGraph
from ...scene.solved import Solved
from ...scene.sparse_model import SparseModel
from ...scene.splats import TrainedSplats
from ...scene.verdicts import Verdicts
from ...scene.views import Views
from ...tolerance import Tolerance
from .atomic_replace import new_part, put_in_place
from .config import OutputsConfig
from .formatting import plural
from .layout import MODEL, PAGE, POINTS, PREVIEWS, REPORT, SCALE, SPLAT, TRANSFORMS
from .page.build import build_page
from .report import build_report
from .rescale import rescale_files
from .scale import read_scale, write_scale
from .summary import closing_lines
from .trajectory import photo_times, write_trajectory


def finish(
    out: Path,
    solved: Solved,
    trained: TrainedSplats,
    facts: dict[str, Any],
    config: OutputsConfig,
    emit: EventSink,
) -> None:
    """Writes a run's outputs and tells its end; see `write_outputs`.

    Args:
        facts: see `report.run_facts`.
    """
    emit(StageStarted("outputs"))
    start = time.perf_counter()
    summary = write_outputs(
        out,
        solved.capture,
        solved.graph,
        solved.poses,
        solved.views.value,
        trained,
        verdicts=solved.verdicts,
        depth=solved.depth,
        report_extras=facts,
        emit=emit,
        config=config,
    )
    emit(StageFinished("outputs", summary, time.perf_counter() - start, 0.0))
    emit(RunFinished(out, _numbers(solved, trained), closing_lines(out)))


def _numbers(solved: Solved, trained: TrainedSplats) -> dict[str, float | int | str]:
    scores = [score.psnr for score in trained.held_out]
    return {
        "photos": len(solved.capture.photos),
        "registered": int(solved.poses.registered.sum()),
        "trusted": solved.verdicts.count("trusted"),
        "gaussians": len(trained.splats),
        "held_out_psnr": sum(scores) / len(scores) if scores else float("nan"),
    }


def write_outputs(
    out: Path,
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    views: Views,
    trained: TrainedSplats,
    *,
    verdicts: Verdicts | None = None,
    depth: DepthAlignment | None = None,
    report_extras: dict[str, Any],
    emit: EventSink,
    config: OutputsConfig | None = None,
) -> str:
    """Writes what the user gets into `out` and returns a one-line summary.

    splat.ply, sparse/0 (COLMAP), sparse_pc.ply, transforms.json (nerfstudio), trajectory.tum,
    previews/, report.html and, last, report.json. Everything is written aside first, so that an
    earlier run's results stay whole until new ones replace them, and nothing of them is left then.

    Args:
        out: the run folder; must exist.
        capture: the photos.
        graph: their verified matches.
        poses: cameras and sparse points.
        views: what the Gaussians were trained on.
        trained: the Gaussians, and what was measured.
        verdicts: on every photo's pose.
        depth: what became of the depth priors, where there were any.
        report_extras: goes into report.json as it is: what only the pipeline knows (command,
            seed, config, and per stage its seconds, peak memory and summary).
        emit: receives warnings.
        config: how to write.

    Raises:
        SplatposeError: there is no finite Gaussian.
        OSError: the disk is full or not writable.
    """

    def warn(text: str) -> None:
        if text:
            emit(Message("outputs", text, "warning"))

    with new_part(out) as part:
        dropped = write_splat_ply(part / SPLAT, trained.splats)
        warn(f"{dropped} Gaussians were not finite; left out" if dropped else "")
        _write_poses(part, out, capture, poses, config or OutputsConfig())
        _tell_stored(capture, emit)
        if photo_times(capture, poses).source == "numbers":
            text = "neither the photos' names nor EXIF tell their times: trajectory.tum counts them"
            emit(Message("outputs", text))
        warn(_copy_previews(trained.previews_dir, part / PREVIEWS))
        report = build_report(
            capture,
            graph,
            poses,
            views,
            trained,
            verdicts=verdicts,
            depth=depth,
            dropped=dropped,
        )
        assert not report.keys() & report_extras.keys()
        report = {**report_extras, **report}
        write_json(part / REPORT, report)
        name = out.resolve().name
        facts_of_page = (report, capture, graph, poses, views, trained)
        tolerance = Tolerance()
        page = tolerance.attempt(PAGE, partial(build_page, name, *facts_of_page, warn), "")
        if page:
            write_bytes(part / PAGE, page.encode("utf-8", errors="backslashreplace"))
        warn(tolerance.told(f"could not be made; {REPORT} has the same for programs"))
        size = (part / SPLAT).stat().st_size
        _apply_scale(part, out, poses, emit)
        put_in_place(part, out)
    return _summary(poses, trained, dropped, size)


def _write_poses(
    part: Path, out: Path, capture: Capture, poses: SparseModel, config: OutputsConfig
) -> None:
    """Cameras and sparse points in every format, for the photos' pixels as they are stored."""
    assert poses.model_dir is not None
    orientations = [photo.orientation for photo in capture.photos]
    stored = stored_model(poses, orientations)
    if stored is poses:
        (part / MODEL).mkdir(parents=True)
        for file in sorted(poses.model_dir.glob("*.bin")):
            shutil.copyfile(file, part / MODEL / file.name)
    else:
        write_stored_model(poses.model_dir, stored, orientations, part / MODEL)
    poses = stored
    write_point_cloud(part / POINTS, poses.points, poses.point_colors)
    write_transforms(
        part / TRANSFORMS,
        _registered_cameras(out, capture, poses),
        folder=out,
        absolute=config.absolute_paths,
    )
    write_trajectory(part, capture, poses)


def _tell_stored(capture: Capture, emit: EventSink) -> None:
    """What cameras are written for photos whose files do not hold them upright."""
    turned = [photo for photo in capture.photos if photo.orientation != 1]
    mirrored = [photo.name for photo in turned if is_mirrored(photo.orientation)]
    if len(turned) > len(mirrored):
        count = plural(len(turned) - len(mirrored), "photo")
        text = f"{count} not stored upright (EXIF orientation): cameras fit the pixels as stored"
        emit(Message("outputs", f"{text}, as COLMAP, nerfstudio and gsplat read them"))
    if mirrored:
        shown = ", ".join(mirrored[:3]) + (" and others" if len(mirrored) > 3 else "")
        text = f"{shown} are stored mirrored, which no camera fits: their cameras are for upright "
        text += "photos. Give other tools upright copies of them"
        emit(Message("outputs", text, "warning"))


def _registered_cameras(out: Path, capture: Capture, poses: SparseModel) -> Transforms:
    numbers = np.flatnonzero(poses.registered)
    return Transforms(
        photos=tuple(capture.photos[i].path for i in numbers),
        cam_from_world=poses.cam_from_world[numbers],
        cameras=poses.cameras,
        camera_index=poses.camera_index[numbers],
        point_cloud=out / POINTS,
    )


def _copy_previews(source: Path, target: Path) -> str:
    """Copies them; a sentence on those that could not be, "" where all could."""
    target.mkdir()
    tolerance = Tolerance()
    for file in sorted(source.glob("*.png")):
        tolerance.attempt(file.name, partial(_link_or_copy, file, target / file.name), None)
    return tolerance.told("could not be copied to the previews")


def _link_or_copy(file: Path, target: Path) -> None:
    """The same file under a second name, where the disk can do that: of a thousand photos previews
    take more than all other outputs together."""
    try:
        os.link(file.resolve(strict=True), target)
    except OSError:
        shutil.copyfile(file, target)


def _apply_scale(part: Path, out: Path, poses: SparseModel, emit: EventSink) -> None:
    """Puts the outputs in metres if somebody has set the run's scale.

    The scale is carried over to the poses of this run. What cannot be used is said aloud: the
    results of hours are not lost for it.
    """
    try:
        scale = read_scale(out)
    except SplatposeError as error:
        emit(Message("outputs", f"{error.message} The outputs have no scale.", "warning"))
        return
    if scale is None:
        return
    here = scale.in_frame_of(poses.names, poses.cam_from_world)
    if here is None:
        text = f"{SCALE} was set with other photos; the outputs have no scale. Set it again."
        emit(Message("outputs", text, "warning"))
        return
    if here != scale:
        write_scale(out, here)
    rescale_files(part, None, here.metres_per_unit)
    unit = f"{here.metres_per_unit:.4g} m to a unit of the cameras' RMS distance"
    emit(Message("outputs", f"written in metres, as set: {unit}"))


def _summary(poses: SparseModel, trained: TrainedSplats, dropped: int, size: int) -> str:
    gaussians = len(trained.splats) - dropped
    text = f"{SPLAT} with {gaussians:,} Gaussians ({size / 1e6:.1f} MB), "
    text += f"{int(poses.registered.sum())} of {len(poses.names)} cameras"
    scores = [score.psnr for score in trained.held_out]
    if scores:
        text += f", held-out PSNR {sum(scores) / len(scores):.2f} dB"
    return text
