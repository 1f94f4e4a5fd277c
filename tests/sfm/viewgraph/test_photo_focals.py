"""Which photos cannot share a focal length, by the information on all of them."""

from __future__ import annotations

import numpy as np
import pytest

from splatpose.sfm.viewgraph.photo_focals import PhotoFocals, fewest_groups


def said(log_ratio: np.ndarray, sigma: float | np.ndarray = 0.01) -> PhotoFocals:
    """Each photo's focal length by itself."""
    information = np.diag(1 / np.square(np.broadcast_to(sigma, log_ratio.shape)))
    return PhotoFocals(log_ratio, information, np.zeros(len(log_ratio)))


ONE = np.zeros(8, np.int64)


@pytest.mark.parametrize("members", [(4, 5, 6, 7), (1, 3, 5, 7), (2, 6)])
def test_photos_of_two_zooms_are_parted(members: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    log_ratio = 0.01 * rng.standard_normal(8)
    log_ratio[list(members)] += 0.3
    group = fewest_groups(said(log_ratio), ONE)
    assert group.tolist() == [int(i in members) for i in range(8)]


def test_three_zooms() -> None:
    log_ratio = np.array([0, 0.3, 0.6, 0, 0.3, 0.6, 0, 0.3])
    assert fewest_groups(said(log_ratio), ONE).max() == 2


@pytest.mark.parametrize(
    ("spread", "sigma"),
    [(0.04, 0.001), (0.3, 0.3)],
    ids=["focusing", "nothing sure"],
)
def test_one_lens_stays_one(spread: float, sigma: float) -> None:
    log_ratio = np.where(np.arange(8) % 2, spread, 0.0)
    assert fewest_groups(said(log_ratio, sigma), ONE).tolist() == ONE.tolist()


def test_what_all_photos_have_in_common_parts_none() -> None:
    """Focal lengths that matches leave open only together: their differences are sure."""
    apart = np.eye(8) - 1 / 8
    focals = PhotoFocals(np.full(8, 0.7), 1e4 * apart, np.zeros(8))
    assert fewest_groups(focals, ONE).tolist() == ONE.tolist()
    zoom = np.where(np.arange(8) < 3, 0.2, 0.0)
    focals = PhotoFocals(0.7 + zoom, 1e4 * apart, np.zeros(8))
    assert len(set(fewest_groups(focals, ONE)[:3])) == 1
    assert fewest_groups(focals, ONE).max() == 1


def test_a_photo_that_says_nothing_stays_with_most() -> None:
    log_ratio = np.array([0.0, 0, 0, 0, 0, 0.3, 0.3, 0.9])
    sigma = np.array([0.01] * 7 + [3.0])
    assert fewest_groups(said(log_ratio, sigma), ONE).tolist() == [0, 0, 0, 0, 0, 1, 1, 0]


def test_photos_of_different_cameras_are_not_joined() -> None:
    cameras = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    log_ratio = np.array([0, 0, 0.3, 0.3, 0, 0, 0, 0])
    group = fewest_groups(said(log_ratio), cameras)
    assert len({tuple(group[i] for i in part) for part in ((0, 1), (2, 3), (4, 5, 6, 7))}) == 3
    assert group.max() == 2
