"""Points of given cameras from the photos' own matches."""

from __future__ import annotations

import numpy as np
from scenes.poses import Scene
from scenes.trust import PIXELS, subject_of

from splatpose.geometry.projection import project


def test_points_of_foreign_cameras_are_the_true_ones(scene: Scene) -> None:
    model = subject_of(scene).model
    assert len(model.points) > 200
    nearest = np.linalg.norm(model.points[:, None] - scene.points, axis=2).min(1)
    assert np.median(nearest) < 0.01
    for photo in range(8):
        own = model.observations[:, 1] == photo
        xy, _ = project(
            scene.camera, model.cam_from_world[photo], model.points[model.observations[own, 0]]
        )
        error = np.linalg.norm(xy - model.observation_xy[own], axis=1)
        assert error.max() < 4 * PIXELS
