"""The geometry of two photos from matches many of which are false."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scenes.poses import CAMERA, arc, cloud

from splatpose.features.magsac import fit_robustly
from splatpose.features.threads import one_thread_each
from splatpose.geometry.projection import project

H = np.array([[0.9, -0.2, 60.0], [0.2, 0.95, -20.0], [1e-4, -5e-5, 1.0]])


def two_views(points: np.ndarray) -> list[np.ndarray]:
    return [project(CAMERA, pose, points)[0] for pose in arc(8)[[2, 5]]]


def with_false(matches: list[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matches, a little noisy, among as many false ones as asked for, and which are right."""
    rng = np.random.default_rng(0)
    a, b = (
        np.concatenate([x + 0.3 * rng.standard_normal(x.shape), rng.uniform(0, 600, (count, 2))])
        for x in matches
    )
    return a, b, np.arange(len(a)) < len(matches[0])


def test_a_scene_with_depth_has_epipolar_lines() -> None:
    a, b, right = with_false(two_views(cloud(200)), 150)
    found = fit_robustly(a, b, 2.0)
    assert found is not None
    assert found.kind == "epipolar"
    assert found.inliers[right].mean() > 0.95
    assert found.inliers[~right].mean() < 0.15
    lines = np.c_[a, np.ones(len(a))] @ found.matrix.T
    off = (lines * np.c_[b, np.ones(len(b))]).sum(1) / np.hypot(lines[:, 0], lines[:, 1])
    assert np.median(np.abs(off[right])) < 0.6


def test_a_plane_and_a_turning_camera_have_a_homography() -> None:
    a = np.random.default_rng(1).uniform(0, 500, (200, 2))
    b = np.c_[a, np.ones(200)] @ H.T
    x1, x2, right = with_false([a, b[:, :2] / b[:, 2:]], 100)
    found = fit_robustly(x1, x2, 2.0)
    assert found is not None
    assert found.kind == "homography"
    assert found.inliers[right].mean() > 0.95
    assert found.inliers[~right].mean() < 0.05
    assert (np.abs(found.matrix / found.matrix[2, 2] - H) < 0.05 * np.abs(H)).all()


@pytest.mark.parametrize(
    "points", [np.zeros((0, 2)), np.arange(14.0).reshape(7, 2), np.full((40, 2), 5.0)]
)
def test_too_few_or_equal_points_have_none(points: np.ndarray) -> None:
    assert fit_robustly(points, points, 2.0) is None


def test_the_same_matches_have_the_same_geometry() -> None:
    a, b, _ = with_false(two_views(cloud(100)), 150)
    first, second = fit_robustly(a, b, 2.0), fit_robustly(a, b, 2.0)
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.matrix, second.matrix)
    np.testing.assert_array_equal(first.inliers, second.inliers)


def test_geometry_is_the_same_from_any_thread() -> None:
    """OpenCV's random numbers are one sequence a thread."""
    a, b, _ = with_false(two_views(cloud(100)), 150)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = one_thread_each(lambda _: fit_robustly(a, b, 2.0), range(9))
    finally:
        torch.set_num_threads(before)
    expected = fit_robustly(a, b, 2.0)
    assert expected is not None
    for one in found:
        assert one is not None
        np.testing.assert_array_equal(one.matrix, expected.matrix)
        np.testing.assert_array_equal(one.inliers, expected.inliers)


def test_false_matches_alone_agree_on_little() -> None:
    """What a cascade takes for settled is far more than chance gives."""
    rng = np.random.default_rng(4)
    shares = []
    for _ in range(5):
        a, b = rng.uniform(0, 1000, (2, 150, 2))
        found = fit_robustly(a, b, 2.0)
        shares.append(0.0 if found is None else found.inliers.mean())
    assert max(shares) < 0.2
