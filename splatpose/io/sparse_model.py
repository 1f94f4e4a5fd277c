"""A `SparseModel` on disk: a COLMAP model, its evidence as JSON, and its snapshots."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ..scene.evidence import HypothesisEvidence, PhotoEvidence
from ..scene.sparse_model import PoseSnapshot, SparseModel
from .atomic import replacing, write_json
from .colmap import read_model, read_model_to_show, write_model
from .json_numbers import with_nan

_MODEL = "model"
_EVIDENCE = "poses.json"
_SNAPSHOTS = "snapshots.npz"


def write_sparse_model(
    folder: Path,
    model: SparseModel,
    keypoints: Sequence[Float[np.ndarray, "_ 2"]],
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model with all that is known of it.

    Args:
        keypoints: all keypoints of every photo, see `io.colmap.reconstruction_from_model`.
        notes: further entries for whoever reads the JSON; nothing reads them back.
    """
    write_model(model, folder / _MODEL, keypoints)
    value = {
        "photos": [dataclasses.asdict(photo) for photo in model.evidence],
        "hypotheses": [dataclasses.asdict(hypothesis) for hypothesis in model.hypotheses],
        **(notes or {}),
        "camera_index": model.camera_index.tolist(),
    }
    write_json(folder / _EVIDENCE, value)
    _write_snapshots(folder / _SNAPSHOTS, model.snapshots)


def read_sparse_model(folder: Path, *, to_show: bool = False) -> SparseModel:
    """Reads what `write_sparse_model` wrote, with `model_dir` in it.

    Args:
        to_show: without observations, see `io.colmap.read_model_to_show`.
    """
    value = json.loads((folder / _EVIDENCE).read_text(encoding="utf-8"))
    photos = tuple(PhotoEvidence(**with_nan(photo)) for photo in value["photos"])
    read = read_model_to_show if to_show else read_model
    model = read(folder / _MODEL, tuple(photo.name for photo in photos))
    return dataclasses.replace(
        model,
        camera_index=np.asarray(value["camera_index"], model.camera_index.dtype),
        evidence=photos,
        hypotheses=tuple(HypothesisEvidence(**with_nan(item)) for item in value["hypotheses"]),
        snapshots=_read_snapshots(folder / _SNAPSHOTS),
        model_dir=folder / _MODEL,
    )


def _write_snapshots(path: Path, snapshots: Sequence[PoseSnapshot]) -> None:
    """Points in single precision."""
    arrays: dict[str, Float[np.ndarray, ...]] = {}
    for item in snapshots:
        arrays[f"{item.stage}/cam_from_world"] = item.cam_from_world
        arrays[f"{item.stage}/points"] = item.points.astype(np.float32)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _read_snapshots(path: Path) -> tuple[PoseSnapshot, ...]:
    """In the order in which they were written."""
    with np.load(path) as arrays:
        stages = [key.split("/")[0] for key in arrays if key.endswith("/cam_from_world")]
        return tuple(
            PoseSnapshot(
                stage,  # pyright: ignore[reportArgumentType]
                arrays[f"{stage}/cam_from_world"],
                arrays[f"{stage}/points"],
            )
            for stage in stages
        )
