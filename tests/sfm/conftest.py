"""A scene that tests of structure from motion share, with its matches and the true model."""

from __future__ import annotations

import numpy as np
import pytest
from scenes.poses import Scene, arc, cloud, make_scene

from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import MatchTable, match_table


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("parts"), arc(8), cloud(), noise=0.25, outliers=0.1)


@pytest.fixture(scope="module")
def table(scene: Scene) -> MatchTable:
    return match_table(scene.graph)


@pytest.fixture(scope="module")
def truth(scene: Scene, table: MatchTable) -> SparseModel:
    """The true model; its tracks are found by projecting the true points."""
    from splatpose.geometry.projection import project

    observations = []
    for photo, pose in enumerate(scene.cam_from_world):
        xy, _ = project(scene.camera, pose, scene.points)
        keypoints = scene.graph.keypoints[photo]
        distance = np.linalg.norm(xy[:, None] - keypoints[None], axis=2)
        nearest = distance.argmin(1)
        found = np.flatnonzero(distance[np.arange(len(xy)), nearest] < 1.5)
        observations += [(track, photo, nearest[track]) for track in found]
    rows = np.array(sorted(observations))
    return SparseModel(
        names=tuple(photo.name for photo in scene.capture.photos),
        registered=np.ones(8, bool),
        cam_from_world=scene.cam_from_world,
        camera_index=np.zeros(8, np.int64),
        cameras=(scene.camera,),
        points=scene.points,
        point_colors=np.zeros((len(scene.points), 3), np.uint8),
        point_errors=np.zeros(len(scene.points)),
        observations=rows,
        observation_xy=np.stack([scene.graph.keypoints[p][k] for _, p, k in rows]),
    )
