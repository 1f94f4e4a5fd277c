"""From a run's folder to the parts of a `World`.

What concerns Gaussians is imported where they are read: cameras are shown seconds before.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from splatpose.errors import SplatposeError
from splatpose.events import StageName
from splatpose.io.colmap_database import read_verified_pairs
from splatpose.io.sparse_model import read_sparse_model as load_poses
from splatpose.scene.capture import Capture
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.views import Views
from splatpose.stages.capture.storage import read_capture
from splatpose.stages.matching.layout import DATABASE
from splatpose.stages.outputs.crop import CropBox, cropped
from splatpose.stages.outputs.layout import REPORT, SPLAT
from splatpose.stages.outputs.scale import metres_per_unit, read_scale, scaled_splats
from splatpose.stages.trust.storage import load as load_verdicts
from splatpose.stages.views.storage import read_view, read_view_arrays

from .gaussians import for_browser
from .world import MatchLinks, PhotoVerdict, ShownSplats, VerdictLevel, ViewTable

_LEVELS: tuple[VerdictLevel, ...] = ("trusted", "weak", "refused")


def read_capture_of(work: Path) -> Capture:
    """The photos."""
    return read_capture(work / "capture")


def modified(path: Path) -> float | None:
    """When a file was written last, in seconds since the epoch; None where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def read_links(work: Path, stage: StageName = "matching") -> MatchLinks:
    """Which photos share verified matches after a stage, and how many."""
    pairs, matches = read_verified_pairs(work / stage / DATABASE)
    return MatchLinks(pairs, matches)


def read_poses(work: Path) -> SparseModel:
    """The poses as the poses stage left them."""
    return load_poses(work / "poses", to_show=True)


def read_second_poses(work: Path) -> SparseModel | None:
    """The poses that went on with the matches of a second round, where they were kept."""
    from splatpose.stages.poses.second import load_more_poses

    return load_more_poses(work / "second_poses", to_show=True).model


def read_late_poses(work: Path) -> SparseModel | None:
    """The poses with photos that were registered late, where any were tried."""
    from splatpose.stages.late_registration.stage import load_late_registration

    return load_late_registration(work / "late_registration", to_show=True)


def read_refined_poses(work: Path, poses: SparseModel) -> SparseModel:
    """The poses as the joint stage left them."""
    from splatpose.stages.joint.storage import load_joint

    arrays = read_view_arrays(work / "views")
    views = Views(
        names=arrays.names,
        images=(),
        masks=(),
        Ks=arrays.Ks,
        cam_from_world=arrays.cam_from_world,
        held_out=arrays.held_out,
        points=arrays.points,
        point_colors=arrays.point_colors,
    )
    return load_joint(work / "joint", poses, views).poses


def read_view_table(work: Path) -> ViewTable:
    """Names and intrinsics of the undistorted photos."""
    arrays = read_view_arrays(work / "views")
    held_out = tuple(bool(hidden) for hidden in arrays.held_out)
    return ViewTable(arrays.names, arrays.Ks, held_out, partial(read_view, work / "views"))


def read_result(work: Path) -> ShownSplats:
    """The trained Gaussians."""
    from splatpose.splatting.result import load_result

    splats = load_result(_result_folder(work)).splats
    return ShownSplats(for_browser(splats), splats, None)


def read_curve(work: Path) -> tuple[list[tuple[int, float, int]], list[tuple[int, float]]]:
    """Samples (step, loss, number of Gaussians) and (step, PSNR in dB) of a finished training."""
    from splatpose.splatting.result import load_result

    trained = load_result(_result_folder(work))
    curve = [(step, loss, count) for step, _, loss, count in trained.curve]
    scores = [score.psnr for score in trained.held_out]
    return curve, [(trained.steps, float(np.mean(scores)))] if scores else []


def snapshot_path(work: Path) -> Path:
    """Where a running training leaves its Gaussians."""
    from splatpose.splatting.live import SNAPSHOT

    return work / "splats.part" / SNAPSHOT


def read_live(work: Path) -> ShownSplats:
    """The Gaussians of a running training.

    Raises:
        OSError: there are none.
        ValueError: they are damaged.
    """
    from splatpose.splatting.live import read_snapshot

    splats, step = read_snapshot(snapshot_path(work))
    return ShownSplats(for_browser(splats), splats, step)


def read_ply(path: Path) -> ShownSplats:
    """The Gaussians of a .ply file; those of a run in its own units, as its cameras are.

    Raises:
        SplatposeError: the file is no Gaussian splat.
    """
    from splatpose.io.ply import read_splat_ply
    from splatpose.stages.outputs.splats import read_splats

    of_run = path.name == SPLAT
    splats = read_splats(path.parent) if of_run else read_splat_ply(path)
    metres = metres_per_unit(path.parent) if of_run else None
    if metres is not None:
        splats = scaled_splats(splats, 1 / metres)
    return ShownSplats(for_browser(splats), splats, None)


def cropped_splats(splats: ShownSplats, box: CropBox) -> ShownSplats:
    """The Gaussians inside a box."""
    full = cropped(splats.full, box)
    return replace(splats, browser=for_browser(full), full=full)


def report_file(out: Path) -> Path:
    """The report of a finished run."""
    return out / REPORT


def read_report(out: Path) -> dict[str, Any]:
    """What report.json says; empty where there is none that can be read."""
    try:
        value = json.loads((out / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def plain_verdicts(poses: SparseModel) -> tuple[PhotoVerdict, ...]:
    """What the poses say of themselves, before anybody has judged them."""
    return tuple(
        PhotoVerdict(photo.name, "registered" if photo.registered else "refused", photo.reason)
        for photo in poses.evidence
    )


def read_verdicts(work: Path) -> tuple[PhotoVerdict, ...]:
    """The verdicts as the trust stage left them."""
    return tuple(
        PhotoVerdict(photo.name, photo.level, photo.reason, photo.advice or "")
        for photo in load_verdicts(work / "trust").photos
    )


def read_final_verdicts(out: Path, verdicts: tuple[PhotoVerdict, ...]) -> tuple[PhotoVerdict, ...]:
    """The verdicts of the report, in which held-out photos count too, where it has some."""
    rows = {row.get("name"): row for row in read_report(out).get("photos") or ()}
    return tuple(_verdict(rows.get(verdict.name, {}), verdict) for verdict in verdicts)


def read_metres(out: Path, poses: SparseModel) -> float | None:
    """Metres in a unit of these poses, where a scale is set that holds for them."""
    try:
        scale = read_scale(out)
    except SplatposeError:
        return None
    here = scale.in_frame_of(poses.names, poses.cam_from_world) if scale else None
    return here.metres_per_unit if here else None


def _verdict(row: dict[str, Any], before: PhotoVerdict) -> PhotoVerdict:
    level = row.get("verdict")
    if level not in _LEVELS or (level == "refused") != (before.level == "refused"):
        return before  # there is none, or it is of other poses than these
    reason = str(row.get("verdict_reason") or before.reason)
    return PhotoVerdict(before.name, level, reason, str(row.get("advice") or ""))


def _result_folder(work: Path) -> Path:
    """A training that was stopped has its result in its unfinished folder."""
    from splatpose.splatting.result import RESULT

    folders = [work / "splats", work / "splats.part"]
    ages = {
        (folder / RESULT).stat().st_mtime: folder
        for folder in folders
        if (folder / RESULT).exists()
    }
    return ages[max(ages)] if ages else folders[0]
