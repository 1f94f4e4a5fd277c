"""The poses stage on disk: a COLMAP model, and what the evidence said, as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...io.atomic import write_json
from ...io.colmap import read_model, write_model
from ...scene.evidence import HypothesisEvidence, PhotoEvidence
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from .snapshots import load_snapshots, save_snapshots

_MODEL = "model"
_EVIDENCE = "poses.json"


def save(
    folder: Path,
    model: SparseModel,
    graph: MatchGraph,
    photos: Sequence[PhotoEvidence],
    hypotheses: Sequence[HypothesisEvidence],
    notes: Sequence[str],
    scaled: Sequence[str],
    skipped: Sequence[str],
) -> None:
    """Writes everything that `load` needs.

    Args:
        notes: how the camera models were decided, for whoever reads the JSON.
        scaled: parts whose scale no track decides, and how it was settled.
        skipped: hypotheses that were not needed.
    """
    write_model(model, folder / _MODEL, graph.keypoints)
    value = {
        "photos": [dataclasses.asdict(photo) for photo in photos],
        "hypotheses": [dataclasses.asdict(hypothesis) for hypothesis in hypotheses],
        "skipped_hypotheses": list(skipped),
        "intrinsics": list(notes),
        "free_scales": list(scaled),
        "camera_index": model.camera_index.tolist(),
    }
    write_json(folder / _EVIDENCE, value)


def save_again(
    folder: Path,
    model: SparseModel,
    graph: MatchGraph,
    photos: Sequence[PhotoEvidence],
) -> None:
    """Replaces model and photos of what `save` wrote; snapshots end with the new model."""
    write_model(model, folder / _MODEL, graph.keypoints)
    value = json.loads((folder / _EVIDENCE).read_text())
    value.pop("version")
    write_json(
        folder / _EVIDENCE, value | {"photos": [dataclasses.asdict(photo) for photo in photos]}
    )
    *earlier, last = load_snapshots(folder)
    last = dataclasses.replace(last, cam_from_world=model.cam_from_world, points=model.points)
    save_snapshots(folder, (*earlier, last))


def load(folder: Path) -> SparseModel:
    """Reads what `save` wrote."""
    value = json.loads((folder / _EVIDENCE).read_text())
    photos = tuple(PhotoEvidence(**_with_nan(photo)) for photo in value["photos"])
    hypotheses = tuple(HypothesisEvidence(**_with_nan(item)) for item in value["hypotheses"])
    names = tuple(photo.name for photo in photos)
    model = read_model(folder / _MODEL, names)
    index = model.camera_index.copy()
    index[:] = value["camera_index"]
    return SparseModel(
        names=names,
        registered=model.registered,
        cam_from_world=model.cam_from_world,
        camera_index=index,
        cameras=model.cameras,
        points=model.points,
        point_colors=model.point_colors,
        point_errors=model.point_errors,
        observations=model.observations,
        observation_xy=model.observation_xy,
        model_dir=folder / _MODEL,
        evidence=photos,
        hypotheses=hypotheses,
        snapshots=load_snapshots(folder),
    )


def _with_nan(item: dict[str, Any]) -> dict[str, Any]:
    """JSON has null where we have NaN."""
    return {key: float("nan") if entry is None else entry for key, entry in item.items()}
