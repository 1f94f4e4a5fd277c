"""The model as it was at the moments of its making, all in the final model's frame."""

from __future__ import annotations

import numpy as np

from ...geometry.similarity import alignment
from ...scene.sparse_model import PoseSnapshot, SnapshotStage, SparseModel


def snapshot(stage: SnapshotStage, model: SparseModel, final: SparseModel) -> PoseSnapshot:
    """A model of some stage in the frame of the final one, to which its cameras are aligned.

    Photos whose pose the final model does not have count in neither frame, and are left out.
    """
    both = np.flatnonzero(model.registered & final.registered)
    poses = np.full_like(final.cam_from_world, np.nan)
    frame = alignment(model.cam_from_world[both], final.cam_from_world[both])
    poses[both] = frame.cam_from_world(model.cam_from_world[both])
    return PoseSnapshot(stage, poses, frame.points(model.points))
