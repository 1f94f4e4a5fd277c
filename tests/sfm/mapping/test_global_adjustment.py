"""Points and bundle adjustment from cameras alone, in this process and aside."""

from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.poses import CAMERA, Scene, arc, cloud, make_scene

from splatpose.io.colmap import model_from_reconstruction, reconstruction_from_model
from splatpose.native import ALONE
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.global_adjustment import (
    triangulate_and_adjust,
    triangulate_and_adjust_aside,
)


@pytest.fixture(autouse=True)
def _with_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALONE, raising=False)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), arc(5), cloud(200))


def cameras_of(scene: Scene) -> pycolmap.Reconstruction:
    names = [photo.name for photo in scene.capture.photos]
    index = np.zeros(len(names), np.int64)
    bare = SparseModel.of_cameras(names, scene.cam_from_world, index, (CAMERA,))
    return reconstruction_from_model(bare, scene.graph.keypoints)


def test_a_child_finds_the_same(scene: Scene) -> None:
    names = [photo.name for photo in scene.capture.photos]
    here = triangulate_and_adjust(cameras_of(scene), scene.graph.database, 15, 0)
    aside = triangulate_and_adjust_aside(
        cameras_of(scene), scene.graph.database, 15, 0, lambda: False
    )
    assert here is not None
    assert aside is not None
    first, second = (model_from_reconstruction(found, names) for found in (here, aside))
    assert len(first.points) > 150
    np.testing.assert_array_equal(first.cam_from_world, second.cam_from_world)
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.observations, second.observations)


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(3), cloud(60))
    with pytest.raises(CancelledError):
        triangulate_and_adjust_aside(cameras_of(scene), scene.graph.database, 15, 0, lambda: True)
