"""Writing the outputs aside and putting them in their places."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import SplatposeError
from ...events import EventSink, Message
from ...io.atomic import write_bytes, write_json
from ...io.nerfstudio import Transforms, write_transforms
from ...io.ply import write_splat_ply
from ...io.pointcloud import write_point_cloud
from ...io.tum import write_tum
from ...scene.capture import Capture
from ...scene.depth_maps import DepthAlignment
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...scene.splats import TrainedSplats
from ...scene.verdicts import Verdicts
from ...scene.views import Views
from .atomic_replace import new_part, put_in_place
from .config import OutputsConfig
from .layout import MODEL, PAGE, POINTS, PREVIEWS, REPORT, SCALE, SPLAT, TRAJECTORY, TRANSFORMS
from .page.build import build_page
from .report import build_report
from .rescale import rescale_files
from .scale import read_scale, write_scale


def write_all(
    out: Path,
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    views: Views,
    trained: TrainedSplats,
    *,
    verdicts: Verdicts | None,
    depth: DepthAlignment | None,
    report_extras: dict[str, Any],
    config: OutputsConfig,
    emit: EventSink,
) -> str:
    """See `write_outputs`."""
    with new_part(out) as part:
        dropped = write_splat_ply(part / SPLAT, trained.splats)
        if dropped:
            emit(Message("outputs", f"{dropped} Gaussians were not finite; left out", "warning"))
        _write_poses(part, out, capture, poses, config)
        _copy_previews(trained.previews_dir, part / PREVIEWS)
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
        page = build_page(out.resolve().name, report, capture, graph, poses, views, trained)
        write_bytes(part / PAGE, page.encode())
        size = (part / SPLAT).stat().st_size
        _apply_scale(part, out, poses, emit)
        put_in_place(part, out)
    return _summary(poses, trained, dropped, size)


def _write_poses(
    part: Path, out: Path, capture: Capture, poses: SparseModel, config: OutputsConfig
) -> None:
    """Cameras and sparse points in every format."""
    assert poses.model_dir is not None
    (part / MODEL).mkdir(parents=True)
    for file in sorted(poses.model_dir.glob("*.bin")):
        shutil.copyfile(file, part / MODEL / file.name)
    write_point_cloud(part / POINTS, poses.points, poses.point_colors)
    write_transforms(
        part / TRANSFORMS,
        _registered_cameras(out, capture, poses),
        folder=out,
        absolute=config.absolute_paths,
    )
    numbers = np.flatnonzero(poses.registered)
    write_tum(part / TRAJECTORY, numbers.astype(np.float64), poses.cam_from_world[numbers])


def _registered_cameras(out: Path, capture: Capture, poses: SparseModel) -> Transforms:
    numbers = np.flatnonzero(poses.registered)
    return Transforms(
        photos=tuple(capture.photos[i].path for i in numbers),
        cam_from_world=poses.cam_from_world[numbers],
        cameras=poses.cameras,
        camera_index=poses.camera_index[numbers],
        point_cloud=out / POINTS,
    )


def _copy_previews(source: Path, target: Path) -> None:
    target.mkdir()
    for file in sorted(source.glob("*.png")):
        shutil.copyfile(file, target / file.name)


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
