"""From the poses stage's result to one with more photos."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from ...events import EventSink, Message, Progress, ignore_events
from ...io.colmap import quiet_colmap
from ...refinement.rendered_depth import keypoint_depths
from ...refinement.short_training import run_steps, short_config
from ...render import choose_backend
from ...scene.capture import Capture
from ...scene.evidence import PhotoEvidence
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...scene.splats import Splats
from ...scene.views import Views
from ...sfm.correspondences import MatchTable, match_table
from ...sfm.mapping.point_colors import point_colors
from ...sfm.match_consistency import explain, per_photo
from ...sfm.photo_evidence import median_errors, placed_on_splat, updated_evidence
from ...sfm.registration.candidates import around, left_out
from ...sfm.registration.from_depth import Attempt, place
from ...sfm.registration.join import joined
from ...splatting.trainer import Trainer
from ..poses.config import PosesConfig
from ..poses.stage import load_poses
from ..poses.storage import save_again
from ..views.config import ViewsConfig
from ..views.stage import load_views, undistort_views

_SIZE = 320
"""Long side of the photos that the Gaussians are trained on, in pixels."""
_GAUSSIANS = 8000
_REFINE_START = 50
_OPACITY = 0.8
"""To begin with: depth is a mean, which what shines through from behind would spoil."""
_TELL_EVERY = 20


def run(
    capture: Capture,
    graph: MatchGraph,
    config: PosesConfig,
    backend: Literal["auto", "gsplat", "cpu"],
    folder: Path,
    emit: EventSink,
    *,
    seed: int,
) -> str:
    """See `splatpose.stages.late_registration.place_left_out`."""
    if not config.splat_steps:
        return ""
    poses = load_poses(folder)
    if poses.registered.all():
        return ""
    model, table = poses, match_table(graph)
    photos = left_out(model, table, config.min_matches)
    if not photos:
        return ""
    depths = depths_around(
        photos, capture, graph, poses, table, config, backend, folder, emit, seed=seed
    )
    if depths is None:
        text = "Gaussians for the depth of photos left out diverged: they stay out"
        emit(Message("poses", text, "warning"))
        return ""
    with quiet_colmap():
        attempts = [
            place(photo, model, table, depths, max_error_px=config.max_error_px, seed=seed)
            for photo in photos
        ]
        found = {a.photo: a.cam_from_world for a in attempts if not a.reason}
        model, denied = joined(model, found, graph, table, config, seed=seed)
    attempts = [replace(a, reason=denied.get(a.photo, a.reason)) for a in attempts]
    _save(folder, capture, graph, table, poses, model, attempts, config)
    text = (
        f"{len(found) - len(denied)} of {len(photos)} photos left out placed on the splat's depth"
    )
    emit(Message("poses", text))
    return text


def depths_around(
    photos: Sequence[int],
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    table: MatchTable,
    config: PosesConfig,
    backend: Literal["auto", "gsplat", "cpu"],
    folder: Path,
    emit: EventSink,
    *,
    seed: int,
) -> tuple[Float[np.ndarray, " _K"], ...] | None:
    """Depth of the keypoints of photos around those left out; None if the training diverged."""
    near = around(photos, poses.registered, table, config.min_matches)
    some = replace(poses, registered=near)
    views = _small_views(capture, poses, near, folder / "splat")
    splats = _trained(views, config.splat_steps, backend, emit, seed)
    if splats is None:
        return None
    return keypoint_depths(splats, views, some, graph.keypoints, choose_backend(backend))


def _small_views(
    capture: Capture, poses: SparseModel, near: Bool[np.ndarray, " V"], folder: Path
) -> Views:
    folder.mkdir(exist_ok=True)
    some = replace(poses, registered=near)
    undistort_views(capture, some, ViewsConfig(_SIZE, eval_every=0), folder, ignore_events)
    views = load_views(folder)
    shutil.rmtree(folder)
    return views


def _trained(
    views: Views,
    steps: int,
    backend: Literal["auto", "gsplat", "cpu"],
    emit: EventSink,
    seed: int,
) -> Splats | None:
    """Gaussians for their depth alone; None if the training diverged."""
    training = short_config(
        steps,
        _GAUSSIANS,
        len(views.points),
        sh_degree=0,
        refine_start=_REFINE_START,
        initial_opacity=_OPACITY,
    )
    trainer = Trainer(views, training, choose_backend(backend), seed, ignore_events)

    def tell(trainer: Trainer) -> bool:
        if trainer.step % _TELL_EVERY == 0:
            emit(Progress("poses", trainer.step, steps, "depth for photos left out"))
        return False

    return trainer.splats() if run_steps(trainer, tell) else None


def _save(
    folder: Path,
    capture: Capture,
    graph: MatchGraph,
    table: MatchTable,
    poses: SparseModel,
    model: SparseModel,
    attempts: Sequence[Attempt],
    config: PosesConfig,
) -> None:
    """Writes the larger model, with evidence for all photos that it changes."""
    reasons = {a.photo: a.reason for a in attempts}
    photos = [_after(photo, reasons.get(i)) for i, photo in enumerate(poses.evidence)]
    if model.registered.sum() > poses.registered.sum():
        model = replace(model, point_colors=point_colors(model, capture))
        explained = explain(model, table, max_error_px=config.max_error_px).explained
        _, share = per_photo(table, explained, len(model.names))
        error = median_errors(model)
        photos = [
            updated_evidence(photo, float(share[i]), float(error[i]))
            for i, photo in enumerate(photos)
        ]
    save_again(folder, model, graph, photos)


def _after(photo: PhotoEvidence, reason: str | None) -> PhotoEvidence:
    """Evidence of a photo after its attempt; `reason` is empty where it is placed."""
    if reason is None:
        return photo
    if not reason:
        return placed_on_splat(photo)
    return replace(photo, reason=f"{photo.reason}; on the splat's depth, {reason}")
