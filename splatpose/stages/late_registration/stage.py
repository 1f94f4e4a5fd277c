"""After the poses: photos that were left out, on the depth that Gaussians render."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ...events import EventSink, Message, Progress
from ...io.atomic import write_json
from ...io.colmap import quiet_colmap
from ...io.sparse_model import read_sparse_model, write_sparse_model
from ...keys import Stage
from ...refinement.late_registration import depths_around, register_on_rendered_depth
from ...scene.capture import Capture
from ...scene.evidence import PhotoEvidence
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import MatchTable, match_table
from ...sfm.mapping.point_colors import point_colors
from ...sfm.match_consistency import explain, per_photo
from ...sfm.photo_evidence import median_errors, placed_on_splat, updated_evidence
from ...sfm.registration.candidates import left_out
from ...sfm.registration.from_depth import Attempt
from .config import LateRegistrationConfig

_RESULT = "late_registration.json"
_NOTHING = "no photo that was left out has matches to go by"


def register_left_out(
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    config: LateRegistrationConfig,
    folder: Path,
    emit: EventSink,
    *,
    backend: Literal["auto", "gsplat", "cpu"],
    max_error_px: float,
    min_matches: int,
    seed: int,
) -> str:
    """Adds photos to a reconstruction. Poses that are there stay as they are.

    Tried are photos that belong to the model by their matches, most of which meet keypoints
    without a point. Gaussians trained for a moment on the photos around them give those keypoints
    a depth, and are thrown away.

    Args:
        graph: keypoints and matches of the poses.
        poses: the reconstruction.
        config: how; `steps` must not be 0.
        folder: receives the larger reconstruction, where photos were tried.
        emit: receives progress, and a message where photos were tried.
        backend: rasterizer.
        max_error_px: distance within which a match counts as explained, as
            `PosesConfig.max_error_px`.
        min_matches: of a pair that counts as overlapping, as `PosesConfig.min_matches`.
        seed: of the training, and of the matches that judge.

    Returns:
        One line for a person.
    """
    table = match_table(graph)
    photos = left_out(poses, table, min_matches)
    depths = None
    if photos:
        depths = depths_around(
            photos, capture, graph, poses, table, backend,
            steps=config.steps, min_matches=min_matches, seed=seed, progress=_progress(emit),
        )  # fmt: skip
    if depths is None:
        write_json(folder / _RESULT, {"tried": []})
        if photos:
            text = "Gaussians for the depth of photos left out diverged: they stay out"
            emit(Message("late_registration", text, "warning"))
            return text
        return _NOTHING
    with quiet_colmap():
        model, attempts = register_on_rendered_depth(
            photos, poses, graph, table, depths,
            max_error_px=max_error_px, min_matches=min_matches, seed=seed,
        )  # fmt: skip
    model = _with_evidence(capture, table, poses, model, attempts, max_error_px)
    write_sparse_model(folder, model, graph.keypoints)
    write_json(folder / _RESULT, {"tried": [poses.names[photo] for photo in photos]})
    added = int(model.registered.sum() - poses.registered.sum())
    text = f"{added} of {len(photos)} photos left out placed on the splat's depth"
    emit(Message("late_registration", text))
    return text


def load_late_registration(folder: Path, *, to_show: bool = False) -> SparseModel | None:
    """The larger reconstruction; None where no photo could be tried.

    Args:
        to_show: as of `read_sparse_model`.
    """
    tried = json.loads((folder / _RESULT).read_text(encoding="utf-8"))["tried"]
    return read_sparse_model(folder, to_show=to_show) if tried else None


def _progress(emit: EventSink):
    def progress(step: int, steps: int) -> None:
        emit(Progress("late_registration", step, steps, "depth for photos left out"))

    return progress


def _with_evidence(
    capture: Capture,
    table: MatchTable,
    poses: SparseModel,
    model: SparseModel,
    attempts: Sequence[Attempt],
    max_error_px: float,
) -> SparseModel:
    """The larger model with evidence for all photos that it changes, and its last snapshot."""
    reasons = {a.photo: a.reason for a in attempts}
    photos = [_after(photo, reasons.get(i)) for i, photo in enumerate(poses.evidence)]
    if model.registered.sum() > poses.registered.sum():
        model = replace(model, point_colors=point_colors(model, capture))
        explained = explain(model, table, max_error_px=max_error_px).explained
        _, share = per_photo(table, explained, len(model.names))
        error = median_errors(model)
        photos = [
            updated_evidence(photo, float(share[i]), float(error[i]))
            for i, photo in enumerate(photos)
        ]
    *earlier, last = poses.snapshots
    last = replace(last, cam_from_world=model.cam_from_world, points=model.points)
    return replace(
        model,
        camera_index=poses.camera_index,
        evidence=tuple(photos),
        hypotheses=poses.hypotheses,
        snapshots=(*earlier, last),
    )


def _after(photo: PhotoEvidence, reason: str | None) -> PhotoEvidence:
    """Evidence of a photo after its attempt; `reason` is empty where it is placed."""
    if reason is None:
        return photo
    if not reason:
        return placed_on_splat(photo)
    return replace(photo, reason=f"{photo.reason}; on the splat's depth, {reason}")


LATE_REGISTRATION = Stage("late_registration", register_left_out, load_late_registration)
