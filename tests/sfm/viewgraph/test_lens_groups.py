"""Several lenses behind one label, by matches alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.zooms import FOCAL, facade, front, lens_scene, mix, zoomed

from splatpose.sfm.correspondences import match_table
from splatpose.sfm.viewgraph.lens_groups import LensGroups, _as_cameras, find_lens_groups

COUNT = 6


def groups(folder: Path, kind: str) -> tuple[np.ndarray, LensGroups | None]:
    factors = mix(kind, COUNT)
    scene = lens_scene(folder, factors, facade(COUNT), front(250))
    index = np.zeros(COUNT, np.int64)
    cameras = [zoomed(1.2)]
    table = match_table(scene.graph)
    return factors, find_lens_groups(
        table, cameras, index, np.ones(COUNT, bool), min_matches=15, seed=0
    )


@pytest.mark.parametrize("kind", ["blocks", "two"])
def test_two_zooms_are_told_apart(kind: str, tmp_path: Path) -> None:
    factors, found = groups(tmp_path, kind)
    assert found is not None
    focal = np.array([found.cameras[i].params[0] for i in found.camera_index.tolist()])
    np.testing.assert_allclose(focal, FOCAL * factors, rtol=0.05)
    assert len(found.cameras) == 2
    assert found.parent.tolist() == [0, 0]
    assert found.gain > 0.2
    # Most photos of the camera keep it.
    assert (found.camera_index == 0).sum() >= COUNT // 2


def test_one_zoom_is_one_lens(tmp_path: Path) -> None:
    assert groups(tmp_path, "one")[1] is None


def test_most_photos_of_each_camera_keep_it() -> None:
    cameras = (zoomed(1.0), zoomed(2.0))
    of = np.array([0, 1, 0, 0, 1, 1, 0])
    # Camera 0: lens 3 once, lens 0 three times. Camera 1: lens 1 once, lens 2 twice.
    group = np.array([3, 1, 0, 0, 2, 2, 0])
    ratio = np.array([1.0, 2.1, 3.0, 0.5]) * FOCAL / 800
    found = _as_cameras(cameras, of, group, ratio)
    assert found.camera_index.tolist() == [2, 3, 0, 0, 1, 1, 0]
    assert found.parent.tolist() == [0, 1, 0, 1]
    focal = [camera.params[0] / FOCAL for camera in found.cameras]
    assert focal == pytest.approx([1.0, 3.0, 0.5, 2.1])
    # All else of a lens is its camera's.
    assert [camera.params[1] for camera in found.cameras] == [400.0] * 4
    assert of.tolist() == [0, 1, 0, 0, 1, 1, 0], "what was given stays"


def test_photos_of_a_camera_each_are_not_even_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("splatpose.sfm.viewgraph.lens_groups.photo_focals", None)
    scene = lens_scene(tmp_path, mix("two", 3), facade(3), front(60))
    table, cameras = match_table(scene.graph), [zoomed(1.2)] * 3
    asked = np.ones(3, bool)
    given = table, cameras, np.arange(3), asked
    assert find_lens_groups(*given, min_matches=15, seed=0) is None
