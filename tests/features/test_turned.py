"""Features of turned photos, and keypoints found in two ways."""

from __future__ import annotations

import numpy as np
import pytest
from scenes.matching import texture
from scenes.upright_sift import UprightMatcher

from splatpose.features.turned import ANGLES, extract_turned, join_keypoints

MATCHER = UprightMatcher(max_keypoints=300, working_size=1024)
PHOTO = texture(200, 140)


@pytest.mark.parametrize("angle", ANGLES)
def test_keypoints_of_a_turned_photo_lie_where_they_are_in_the_photo(angle: int) -> None:
    """Most are also found in the photo as given, to a fraction of a pixel."""
    plain, turned = MATCHER.extract(PHOTO), extract_turned(MATCHER, PHOTO, angle)
    assert turned.degrees == angle
    assert (turned.positions >= 0).all()
    assert (turned.positions <= [200, 140]).all()
    off = np.linalg.norm(plain.keypoints[:, None] - turned.positions[None], axis=2).min(1)
    assert np.median(off) < 0.5
    assert (off < 1).mean() > 0.5


def test_a_quarter_to_the_right_is_clockwise() -> None:
    turned = extract_turned(MATCHER, PHOTO, 90)
    x, y = turned.positions.T
    expected = np.stack([140 - y, x], 1)
    assert (turned.features.width, turned.features.height) == (140, 200)
    np.testing.assert_allclose(turned.features.keypoints, expected, atol=1e-3)


def test_a_keypoint_that_is_there_is_the_same_and_others_are_added() -> None:
    known = np.array([[10.0, 10.0], [50.0, 50.0]])
    others = np.array([[50.4, 50.0], [10.3, 10.0], [10.1, 10.0], [80.0, 80.0]])
    keypoints, rows = join_keypoints(known, others, 1.5)
    assert rows.tolist() == [1, 2, 0, 3], "the nearer of two is the same, the other is new"
    np.testing.assert_array_equal(keypoints, [*known, others[1], others[3]])


@pytest.mark.parametrize(("known", "others"), [(0, 3), (3, 0), (0, 0)])
def test_without_keypoints_there_is_nothing_to_join(known: int, others: int) -> None:
    keypoints, rows = join_keypoints(np.ones((known, 2)), 9 * np.ones((others, 2)), 1.0)
    assert len(keypoints) == known + others
    assert rows.tolist() == list(range(known, known + others))
