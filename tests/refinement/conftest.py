"""Pairs and clusters of one scene, which tests of the cluster modules share."""

from __future__ import annotations

import pytest
from scenes.clusters import CONFIG, COUNT, INDEX
from scenes.poses import CAMERA, Scene, arc, cloud, make_scene

from splatpose.sfm.correspondences import match_table
from splatpose.sfm.twoview.all_pairs import relative_poses
from splatpose.stages.local.stage import problems_of


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    return make_scene(folder, arc(COUNT, span_deg=110), cloud(400), noise=0.4, outliers=0.15)


@pytest.fixture(scope="module")
def table(scene: Scene):
    return match_table(scene.graph)


@pytest.fixture(scope="module")
def relative(table):
    return relative_poses(table, (CAMERA,), INDEX, min_matches=15, seed=0)


@pytest.fixture(scope="module")
def problems(scene: Scene, table, relative):
    return problems_of(
        scene.capture, table, relative, (CAMERA,), INDEX, None, CONFIG, min_matches=15, seed=0
    )
