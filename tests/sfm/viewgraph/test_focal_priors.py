"""Focal lengths from the view graph's fundamental matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.poses import Scene

from splatpose.io.colmap_database import read_cameras
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
