"""Photos whose own points ask for another lens than they have in the model."""

from __future__ import annotations

import numpy as np
import pytest
from scenes.poses import CAMERA
from scenes.zooms import facade, front, seen_by, zoomed

from splatpose.scene.camera import Camera
from splatpose.sfm.lens_doubts import lens_pulls, shifted_crops


def moved(shift: float) -> Camera:
    """A crop whose window moved sideways."""
    params = CAMERA.params.copy()
    params[1] += shift
    return Camera(CAMERA.model, CAMERA.width, CAMERA.height, params)


@pytest.mark.parametrize("factor", [0.9, 1.08, 1.5])
def test_points_pull_at_the_focal_length_of_a_zoomed_photo(factor: float) -> None:
    cameras = [zoomed(factor if i == 2 else 1.0) for i in range(6)]
    pulls = lens_pulls(seen_by(cameras, facade(6), front(300)))
    assert np.exp(pulls.log_focal[2]) == pytest.approx(factor, rel=0.02)
    others = np.arange(6) != 2
    assert np.abs(pulls.log_focal[others]).max() < 0.01
    assert pulls.log_focal[2] ** 2 > (4 * pulls.log_focal_sigma[2]) ** 2


def test_points_pull_at_the_principal_point_of_a_moved_crop() -> None:
    cameras = [moved(32.0 if i == 3 else 0.0) for i in range(6)]
    pulls = lens_pulls(seen_by(cameras, facade(6), front(300)))
    assert pulls.center[3] == pytest.approx([0.04, 0], abs=3 * pulls.center_sigma[3])
    assert np.linalg.norm(pulls.center[3]) > 4 * pulls.center_sigma[3]
    assert np.abs(np.delete(pulls.center, 3, axis=0)).max() < 0.01
    found = shifted_crops(seen_by(cameras, facade(6), front(300)))
    assert found.tolist() == [False, False, False, True, False, False]


def test_photos_with_few_points_are_not_asked() -> None:
    pulls = lens_pulls(seen_by([CAMERA] * 4, facade(4), front(20)))
    assert np.isnan(pulls.log_focal).all()
