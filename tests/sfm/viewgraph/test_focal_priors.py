"""Focal lengths from the view graph's fundamental matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.poses import Scene, arc, cloud, make_scene

from splatpose.io.colmap_database import opened, read_cameras
from splatpose.sfm.viewgraph.focal_priors import calibrate


def test_view_graph_calibration_works_on_a_copy(scene: Scene, tmp_path: Path) -> None:
    before, known = read_cameras(scene.graph.database)
    assert known == (False,)
    assert before[0].params[0] == pytest.approx(1.2 * 800)
    result = calibrate(scene.graph.database, tmp_path / "calibrated.db", seed=0)
    assert result.num_calibrated == 1
    assert result.cameras[0].params[0] == pytest.approx(700, rel=0.1)
    after, _ = read_cameras(scene.graph.database)
    np.testing.assert_array_equal(after[0].params, before[0].params)


def test_what_exif_says_of_a_long_lens_stays_known(tmp_path: Path) -> None:
    """Longer than what a calibration is believed."""
    scene = make_scene(tmp_path, arc(6), cloud())
    with opened(scene.graph.database) as database:
        (camera,) = database.read_all_cameras()
        camera.params = [6.5 * 800, *camera.params[1:]]
        camera.has_prior_focal_length = True
        database.update_camera(camera)
    result = calibrate(scene.graph.database, tmp_path / "calibrated.db", seed=0)
    (after,), known = read_cameras(result.database)
    assert known == (True,)
    assert after.params[0] == 6.5 * 800
