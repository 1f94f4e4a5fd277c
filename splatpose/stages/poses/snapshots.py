"""The model as it was at the moments of its making, all in the final model's frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ...geometry.similarity import alignment
from ...io.atomic import replacing
from ...scene.sparse_model import PoseSnapshot, SnapshotStage, SparseModel

_FILE = "snapshots.npz"


def snapshot(stage: SnapshotStage, model: SparseModel, final: SparseModel) -> PoseSnapshot:
    """A model of some stage in the frame of the final one, to which its cameras are aligned.

    Photos whose pose the final model does not have count in neither frame, and are left out.
    """
    both = np.flatnonzero(model.registered & final.registered)
    poses = np.full_like(final.cam_from_world, np.nan)
    frame = alignment(model.cam_from_world[both], final.cam_from_world[both])
    poses[both] = frame.cam_from_world(model.cam_from_world[both])
    return PoseSnapshot(stage, poses, frame.points(model.points))


def save_snapshots(folder: Path, snapshots: Sequence[PoseSnapshot]) -> None:
    """Writes snapshots for `load_snapshots`; points in single precision."""
    arrays: dict[str, Float[np.ndarray, ...]] = {}
    for item in snapshots:
        arrays[f"{item.stage}/cam_from_world"] = item.cam_from_world
        arrays[f"{item.stage}/points"] = item.points.astype(np.float32)
    with replacing(folder / _FILE) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_snapshots(folder: Path) -> tuple[PoseSnapshot, ...]:
    """Reads what `save_snapshots` wrote, in its order; none where there is no such file."""
    path = folder / _FILE
    if not path.exists():
        return ()
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
