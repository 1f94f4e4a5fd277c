"""Several lenses behind one label, by matches alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.zooms import FOCAL, facade, front, lens_scene, mix, zoomed

from splatpose.sfm.correspondences import match_table
from splatpose.sfm.viewgraph.lens_groups import LensGroups, find_lens_groups

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
