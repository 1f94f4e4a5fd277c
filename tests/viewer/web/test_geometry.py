"""Lines, rings, boxes and first views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from splatpose.geometry.centers import centers_of
from splatpose.viewer.web.follow import RunFollower
from splatpose.viewer.web.geometry import (
    around,
    box_edges,
    first_view,
    fitting_fov,
    ground_level,
    link_lines,
    path_lines,
    ring,
)


def test_photos_without_a_place_stand_in_a_ring() -> None:
    poses = ring(7)
    centers = centers_of(poses)
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(centers[:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1, atol=1e-9)
    np.testing.assert_allclose(poses[:, 1, 1], 1, atol=1e-9)  # upright: y is down for both


def test_links_are_stronger_for_more_matches_and_need_two_places() -> None:
    centers = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [np.nan] * 3])
    pairs = np.array([[0, 1], [1, 2], [2, 3]])
    segments, colors = link_lines(centers, pairs, np.array([10, 500, 900]))
    assert segments.tolist() == [[[1, 0, 0], [2, 0, 0]], [[0, 0, 0], [1, 0, 0]]]
    assert colors[0, 0].sum() > colors[1, 0].sum()
    assert path_lines(centers).shape == (2, 2, 3)
    assert path_lines(centers[3:]).shape == (0, 2, 3)


def test_the_first_view_looks_at_the_scene_from_above(finished: Path) -> None:
    follower = RunFollower(finished)
    follower.look()
    poses = follower.world.poses
    assert poses is not None
    view = first_view(poses)
    np.testing.assert_allclose(view.look_at, np.median(poses.points, axis=0))
    nearest = np.linalg.norm(centers_of(poses.cam_from_world)[:-1] - view.look_at, axis=1).min()
    assert np.linalg.norm(view.position - view.look_at) > nearest
    assert ground_level(poses.points) > np.median(poses.points[:, 1]), "down is +y"


def test_a_window_shows_a_whole_photo() -> None:
    K = np.array([[100.0, 0, 50], [0, 100, 25], [0, 0, 1]])
    assert fitting_fov(K, (100, 50), 2.0) == pytest.approx(2 * np.arctan(0.25))
    assert fitting_fov(K, (100, 50), 1.0) == pytest.approx(2 * np.arctan(0.5))


def test_a_box_has_twelve_edges_and_holds_nearly_all_points() -> None:
    points = np.random.default_rng(0).normal(size=(1000, 3)) * (1, 2, 3)
    inner, outer = around(points)
    assert 0.85 < np.mean([point in inner for point in points]) < 1
    assert np.all(np.array(outer.low) < inner.low)
    edges = box_edges(inner)
    assert edges.shape == (12, 2, 3)
    lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    assert lengths.sum() == pytest.approx(4 * np.subtract(inner.high, inner.low).sum())
