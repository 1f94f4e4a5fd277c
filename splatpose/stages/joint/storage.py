"""The joint stage on disk: the decision as JSON, and refined poses as arrays and COLMAP model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ...io.atomic import replacing, write_json
from ...io.colmap import read_model, write_model
from ...io.json_numbers import with_nan
from ...scene.evidence import JointEvidence
from ...scene.matches import MatchGraph
from ...scene.sparse_model import PoseSnapshot, SparseModel
from ...scene.views import Joint, Views
from ...sfm.correspondences import match_table
from ...sfm.match_consistency import explain, per_photo
from ...sfm.photo_evidence import median_errors, updated_evidence

_EVIDENCE, _ARRAYS, _MODEL = "joint.json", "joint.npz", "model"


def save(
    folder: Path,
    graph: MatchGraph,
    poses: SparseModel,
    cam_from_world: Float[np.ndarray, "R 4 4"],
    points: Float[np.ndarray, "T 3"],
    evidence: JointEvidence,
    max_error_px: float,
) -> None:
    """Writes everything that `load_joint` needs.

    Args:
        poses: the given ones.
        cam_from_world: of the R registered photos, refined; only written if they are kept.
        max_error_px: distance within which a match counts as explained, as
            `PosesConfig.max_error_px`.
    """
    write_json(folder / _EVIDENCE, dataclasses.asdict(evidence))
    if evidence.decision != "kept":
        return
    model = _model(poses, cam_from_world, points)
    write_model(model, folder / _MODEL, graph.keypoints)
    model = read_model(folder / _MODEL, poses.names)
    table = match_table(graph)
    explained = explain(model, table, max_error_px=max_error_px).explained
    _, share = per_photo(table, explained, len(poses.names))
    with replacing(folder / _ARRAYS) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            cam_from_world=model.cam_from_world,
            points=points,
            point_errors=model.point_errors,
            inlier_share=share,
            reprojection_error=median_errors(model),
        )


def load_joint(folder: Path, poses: SparseModel, views: Views) -> Joint:
    """Reads what `refine_jointly` decided; the given poses and views where it kept nothing else."""
    value: dict[str, Any] = json.loads((folder / _EVIDENCE).read_text(encoding="utf-8"))
    value.pop("version")
    validation = tuple(value.pop("validation"))
    evidence = JointEvidence(**with_nan(value), validation=validation)
    if evidence.decision != "kept":
        return Joint(poses, views, evidence)
    with np.load(folder / _ARRAYS) as arrays:
        refined = dataclasses.replace(
            poses,
            cam_from_world=arrays["cam_from_world"],
            points=arrays["points"],
            point_errors=arrays["point_errors"],
            model_dir=folder / _MODEL,
            snapshots=(
                *poses.snapshots,
                PoseSnapshot("joint", arrays["cam_from_world"], arrays["points"]),
            ),
            evidence=tuple(
                updated_evidence(photo, float(share), float(error))
                for photo, share, error in zip(
                    poses.evidence,
                    arrays["inlier_share"],
                    arrays["reprojection_error"],
                    strict=True,
                )
            ),
        )
    moved = dataclasses.replace(
        views,
        cam_from_world=refined.cam_from_world[refined.registered],
        points=refined.points,
    )
    return Joint(refined, moved, evidence)


def _model(
    poses: SparseModel, cam_from_world: Float[np.ndarray, "R 4 4"], points: Float[np.ndarray, "T 3"]
) -> SparseModel:
    """The given model with registered photos and points elsewhere."""
    every = poses.cam_from_world.copy()
    every[poses.registered] = cam_from_world
    return dataclasses.replace(poses, cam_from_world=every, points=points)
