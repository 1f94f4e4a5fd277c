"""Camera motions that lead other methods astray, and orders of the photos that mean nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.poses import Scene, arc, cloud, look_at, make_scene, position_error, solve

from splatpose.scene.camera import Camera


def corridor(photos: int, wobble: float) -> np.ndarray:
    """Cameras that walk straight ahead, each shifted and turned by about `wobble`."""
    rng = np.random.default_rng(0)
    return np.stack(
        [
            look_at(
                (*(wobble * rng.standard_normal(2)), 0.35 * i),
                (wobble * rng.standard_normal(), 0.0, 0.35 * i + 5),
            )
            for i in range(photos)
        ]
    )


def walls(count: int) -> np.ndarray:
    """Points on the four walls around the walk."""
    rng = np.random.default_rng(0)
    across, side = rng.uniform(-1.5, 1.5, count), rng.integers(0, 4, count)
    x = np.choose(side, [np.full(count, -1.5), np.full(count, 1.5), across, across])
    y = np.choose(side, [0.8 * across, 0.8 * across, np.full(count, -1.2), np.full(count, 1.2)])
    return np.stack([x, y, rng.uniform(0.5, 12.0, count)], 1)


def walk(folder: Path, focal: float, wobble: float) -> Scene:
    camera = Camera("SIMPLE_RADIAL", 800, 600, np.array([focal, 400.0, 300.0, 0.0]))
    return make_scene(
        folder, corridor(12, wobble), walls(500), camera=camera, noise=0.5, outliers=0.1
    )


@pytest.mark.parametrize("focal", [500.0, 1000.0])
def test_forward_motion_does_not_end_at_an_absurd_focal(tmp_path: Path, focal: float) -> None:
    """Straight ahead any focal length explains the matches: then the usual one is kept."""
    scene = walk(tmp_path, focal, 0.0)
    poses, _ = solve(scene, tmp_path / "poses")
    assert poses.registered.all()
    assert 0.6 < poses.cameras[0].params[0] / 800 < 1.6
    assert position_error(poses, scene) < 1.0


@pytest.mark.parametrize("focal", [500.0, 1000.0])
def test_a_hand_that_shakes_gives_the_focal_away(tmp_path: Path, focal: float) -> None:
    scene = walk(tmp_path, focal, 0.02)
    poses, _ = solve(scene, tmp_path / "poses")
    assert poses.registered.all()
    assert poses.cameras[0].params[0] == pytest.approx(focal, rel=0.06)
    assert position_error(poses, scene) < 1.0


def test_order_of_the_photos_means_nothing(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(9)
    figures = []
    for name, cameras in (("sorted", arc(9)), ("shuffled", arc(9)[order])):
        (tmp_path / name).mkdir()
        scene = make_scene(tmp_path / name, cameras, cloud(), noise=0.3, outliers=0.2)
        poses, _ = solve(scene, tmp_path / name / "poses")
        assert poses.registered.all()
        figures.append((position_error(poses, scene), poses.cameras[0].params[0]))
    assert max(error for error, _ in figures) < 0.5
    assert figures[0][1] == pytest.approx(figures[1][1], rel=0.01)
