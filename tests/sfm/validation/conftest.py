"""A scene with many false matches, which tests of validation share."""

from __future__ import annotations

import pytest
from scenes.poses import Scene, arc, cloud, make_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("arc"), arc(7), cloud(), outliers=0.3)
