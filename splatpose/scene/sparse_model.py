"""Cameras with sparse points, and how they came to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from .camera import Camera
from .evidence import HypothesisEvidence, PhotoEvidence

SnapshotStage = Literal["initial", "local", "global", "joint"]
"""initial: the chosen hypothesis. local: parts of it refined by themselves. global: after bundle
adjustment of the whole. joint: after the optimisation together with Gaussians."""


@dataclass(frozen=True)
class PoseSnapshot:
    """The model at one moment of its making, in the frame of the `SparseModel` that holds it."""

    stage: SnapshotStage
    cam_from_world: Float[np.ndarray, "V 4 4"]
    """Poses at that moment; NaN where a photo had none."""
    points: Float[np.ndarray, "N 3"]
    """Sparse points of the snapshot; their number and order are its own."""


@dataclass(frozen=True)
class SparseModel:
    """Cameras and sparse points of one reconstruction, with what is known of how it came to be.

    The model that the poses stage leaves has a world frame that is right-handed, gravity along +y
    as far as the photos tell, centred, camera centres' RMS radius about 1.
    """

    names: tuple[str, ...]
    """All V photos of the capture, in its order, registered or not."""
    registered: Bool[np.ndarray, " V"]
    cam_from_world: Float[np.ndarray, "V 4 4"]
    """Pose of each photo; NaN where it is not registered."""
    camera_index: Int[np.ndarray, " V"]
    """Each photo's row in `cameras`."""
    cameras: tuple[Camera, ...]
    points: Float[np.ndarray, "T 3"]
    point_colors: UInt8[np.ndarray, "T 3"]
    point_errors: Float[np.ndarray, " T"]
    """Mean reprojection error of each track in pixels."""
    observations: Int[np.ndarray, "O 3"]
    """Rows (track, photo, keypoint), grouped by track."""
    observation_xy: Float[np.ndarray, "O 2"]
    """Pixel of each observation in the photo as given."""
    evidence: tuple[PhotoEvidence, ...] = ()
    """Why each photo was or was not registered, for a model that the poses stage left."""
    hypotheses: tuple[HypothesisEvidence, ...] = ()
    """Reconstructions that the model was chosen from."""
    snapshots: tuple[PoseSnapshot, ...] = ()
    """Earlier states of the model, its present state last; empty where none was recorded."""
    model_dir: Path | None = None
    """Folder with the model in COLMAP's binary format; None where it was not written."""

    @classmethod
    def of_cameras(
        cls,
        names: Sequence[str],
        cam_from_world: Float[np.ndarray, "V 4 4"],
        camera_index: Int[np.ndarray, " V"],
        cameras: Sequence[Camera],
    ) -> SparseModel:
        """Cameras without any point; those with a finite pose are registered."""
        return cls(
            names=tuple(names),
            registered=np.isfinite(cam_from_world[:, 0, 0]),
            cam_from_world=cam_from_world,
            camera_index=camera_index,
            cameras=tuple(cameras),
            points=np.zeros((0, 3)),
            point_colors=np.zeros((0, 3), np.uint8),
            point_errors=np.zeros(0),
            observations=np.zeros((0, 3), np.int64),
            observation_xy=np.zeros((0, 2)),
        )
