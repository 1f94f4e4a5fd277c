"""Guided matching against the obvious search, and what it finds that a whole photo hides."""

from __future__ import annotations

import numpy as np
import pytest
from scenes.poses import CAMERA, arc, cloud

from splatpose.features.guided_matching import guided_matches
from splatpose.features.magsac import RobustGeometry
from splatpose.features.matcher import Features
from splatpose.features.nearest_neighbours import mutual_nearest
from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.projection import project

ERROR, COSINE = 2.0, 0.7
H = np.array([[0.9, -0.2, 60.0], [0.2, 0.95, -20.0], [1e-4, -5e-5, 1.0]])


def near_lines(first: Features, second: Features, F: np.ndarray, max_error_px: float = ERROR):
    geometry = RobustGeometry("epipolar", F, np.zeros(0, bool))
    return guided_matches(first, second, geometry, max_error_px=max_error_px, min_cosine=COSINE)


def near_homography(first: Features, second: Features, H: np.ndarray):
    geometry = RobustGeometry("homography", H, np.zeros(0, bool))
    return guided_matches(first, second, geometry, max_error_px=ERROR, min_cosine=COSINE)


def described(xy: np.ndarray, descriptors: np.ndarray) -> Features:
    unit = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    return Features(xy.astype(np.float32), unit.astype(np.float32), 800, 600)


def slow(
    first: Features, second: Features, distance: np.ndarray, min_cosine: float
) -> list[list[int]]:
    """Best in both directions of what is near, pair by pair."""
    cosine = first.descriptors @ second.descriptors.T
    cosine = np.where((distance <= ERROR) & (cosine > min_cosine), cosine, -np.inf)
    return [
        [i, int(j)]
        for i, j in enumerate(cosine.argmax(1))
        if np.isfinite(cosine[i, j]) and cosine[:, j].argmax() == i
    ]


def two_views() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of the same points in two photos, and the fundamental matrix."""
    poses, points = arc(8)[[2, 5]], cloud(300)
    a, b = (project(CAMERA, pose, points)[0] for pose in poses)
    R, t = relative_pose(poses[:1], poses[1:])
    cross = np.cross(np.eye(3), -t[0])
    focal, x, y = CAMERA.params[:3]
    K_inverse = np.linalg.inv(np.array([[focal, 0, x], [0, focal, y], [0, 0, 1]]))
    return a, b, K_inverse.T @ cross @ R[0] @ K_inverse


def epipolar_distance(a: np.ndarray, b: np.ndarray, F: np.ndarray) -> np.ndarray:
    """Larger distance [K, L] of two pixels from each other's epipolar line."""
    a, b = np.c_[a, np.ones(len(a))], np.c_[b, np.ones(len(b))]
    there, back = a @ F.T, b @ F
    product = np.abs(there @ b.T)
    lengths = (np.hypot(*x[:, :2].T) for x in (there, back))
    return product / np.minimum.outer(*lengths)


def test_epipolar_matches_are_those_of_the_obvious_search() -> None:
    rng = np.random.default_rng(0)
    a, b, F = two_views()
    words = rng.standard_normal((300, 16))
    first = described(a, words + 0.3 * rng.standard_normal(words.shape))
    second = described(b, words + 0.3 * rng.standard_normal(words.shape))
    found = near_lines(first, second, 7.0 * F)
    expected = slow(first, second, epipolar_distance(a, b, F), COSINE)
    assert len(expected) > 150
    assert found.tolist() == expected
    back = near_lines(second, first, F.T)
    assert sorted(back[:, ::-1].tolist()) == expected, "the order of the photos means nothing"


def test_homography_matches_are_those_of_the_obvious_search() -> None:
    rng = np.random.default_rng(1)
    a = rng.uniform(0, 500, (200, 2))
    b = np.c_[a, np.ones(200)] @ H.T
    b = b[:, :2] / b[:, 2:]
    words = rng.standard_normal((200, 16))
    first, second = described(a, words), described(b + rng.uniform(-3, 3, b.shape), words)
    found = near_homography(first, second, H)
    distance = np.abs(b[:, None] - second.keypoints[None]).max(2)
    expected = slow(first, second, distance, COSINE)
    assert 50 < len(expected) < 150
    assert found.tolist() == expected


def test_what_repeats_over_the_photo_is_told_apart_along_the_lines() -> None:
    """Of each descriptor there are ten: nearest neighbours take any of them."""
    rng = np.random.default_rng(2)
    a, b, F = two_views()
    words = np.tile(rng.standard_normal((30, 16)), (10, 1))
    first = described(a, words + 0.1 * rng.standard_normal(words.shape))
    second = described(b, words + 0.1 * rng.standard_normal(words.shape))
    nearest = mutual_nearest(first.descriptors, second.descriptors, COSINE)
    guided = near_lines(first, second, F, max_error_px=1.0)
    right = [int((m[:, 0] == m[:, 1]).sum()) for m in (nearest, guided)]
    assert right[1] > 240
    assert right[1] > 2 * right[0]


@pytest.mark.parametrize("match", [near_lines, near_homography])
def test_photos_without_keypoints_have_no_matches(match) -> None:
    rng = np.random.default_rng(3)
    none = Features(np.zeros((0, 2), np.float32), np.zeros((0, 4), np.float32), 800, 600)
    some = described(rng.uniform(0, 500, (5, 2)), rng.standard_normal((5, 4)))
    for first, second in ((none, some), (some, none)):
        assert match(first, second, H).shape == (0, 2)


@pytest.mark.filterwarnings("error")
def test_points_that_a_homography_sends_to_infinity_have_no_match() -> None:
    """x = 200 is its horizon; there keypoints of equal descriptors are no match."""
    horizon = np.array([[1.0, 0, 0], [0, 1.0, 0], [1 / 200, 0, -1.0]])
    rng = np.random.default_rng(4)
    a = np.array([[200.0, 50], [200.0, 0], [300.0, 60]])
    words = rng.standard_normal((3, 16))
    b = np.array([[200.0, 50], [200.0, 0], [600.0, 120]])
    assert near_homography(described(a, words), described(b, words), horizon).tolist() == [[2, 2]]


def test_the_second_photo_of_more_keypoints_than_the_first() -> None:
    """And the other way round: neither is read beyond its end."""
    rng = np.random.default_rng(5)
    a, b, F = two_views()
    words = rng.standard_normal((300, 16))
    first, second = described(a, words), described(b, words)
    for few in (1, 7):
        there = near_lines(first.strongest(few), second, F)
        back = near_lines(first, second.strongest(few), F)
        assert there[:, 0].tolist() == list(range(few))
        assert back[:, 1].tolist() == list(range(few))
