"""Which photos cannot share a focal length, by the information on all of them."""

from __future__ import annotations

import numpy as np
import pytest
from scenes.zooms import zoomed

from splatpose.sfm.correspondences import MatchTable
from splatpose.sfm.lens_thresholds import LENS_GROUPS
from splatpose.sfm.twoview.all_pairs import RelativePoses
from splatpose.sfm.viewgraph.focal_adjustment import AdjustedFocals
from splatpose.sfm.viewgraph.photo_focals import PhotoFocals, _said, fewest_groups, pairs_to_ask


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


def test_focusing_and_noise_loosen_what_matches_say() -> None:
    def said_of(noise: float, sure: float) -> PhotoFocals:
        pairs = np.array([[0, 1]])
        one, none = np.array([noise]), np.zeros((1, 3))
        relative = RelativePoses(
            pairs, np.zeros(1, np.int64), np.zeros(1, np.int64), np.eye(3)[None], none,
            np.eye(6)[None], one, one, np.ones(1, np.int64), one, none,
        )  # fmt: skip
        cameras = (zoomed(1.0), zoomed(1.5))
        adjusted = AdjustedFocals(cameras, relative, sure * np.eye(2), np.full(2, sure))
        return _said(adjusted)

    # However sure: photos of one lens breathe.
    certain = said_of(0.5, 1e9)
    most = 1 / LENS_GROUPS.breathing**2
    np.testing.assert_allclose(np.diag(certain.information), most, rtol=0.01)
    np.testing.assert_allclose(certain.gradient, most, rtol=0.01)
    np.testing.assert_allclose(certain.log_ratio, np.log([0.875, 1.3125]))
    # Where they say little, twice the noise says a quarter.
    one, double = (np.diag(said_of(noise, 1e-3).information) for noise in (0.5, 1.0))
    np.testing.assert_allclose(one, 4 * double, rtol=0.01)


def test_photos_are_parted_otherwise_than_by_their_order_where_they_hang_together() -> None:
    """Photo 3 by itself is the widest, and its pairs hold it to the last ones."""
    log_ratio = np.array([0.0, 0.0, 0.0, -0.05, 0.3, 0.3, 0.3, 0.3])
    information = 1e4 * np.eye(8)
    # Loose by itself, its difference to photos 4..7 is sure and not what it seems.
    information[3, 3] = 100.0
    for other in range(4, 8):
        information[[3, other], [3, other]] += 2e3
        information[[3, other], [other, 3]] -= 2e3
    gradient = information @ (log_ratio - np.array([0, 0, 0, 0.3, 0.3, 0.3, 0.3, 0.3]))
    group = fewest_groups(PhotoFocals(log_ratio, information, gradient), ONE)
    assert group.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_pairs_to_ask_are_of_the_photos_asked_and_spread_over_their_counts() -> None:
    pairs = np.stack(np.triu_indices(30, 1), 1)
    counts = 20 + np.random.default_rng(0).permutation(len(pairs)) % 90
    pair = np.repeat(np.arange(len(pairs)), counts)
    nothing = np.zeros((len(pair), 2), np.int64)
    table = MatchTable(pairs, pair, pairs[pair], nothing, np.zeros((len(pair), 2, 2)))
    asked = np.arange(30) == 5
    rows = pairs_to_ask(table, asked, 30)
    assert len(rows) == LENS_GROUPS.pairs
    assert (pairs[rows] == 5).any(1).all()
    assert (np.diff(rows) > 0).all()
    own = np.sort(counts[(pairs == 5).any(1) & (counts >= 30)])[::-1]
    assert counts[rows].max() == own[0], "the strongest one"
    # Weak ones, which may be false, are left alone; of the others all kinds are taken.
    assert counts[rows].min() == own[len(own) // 2 - 1]
    assert len(np.unique(counts[rows] // 8)) >= 4
    assert (counts[pairs_to_ask(table, asked, 60)] >= 60).all()
    assert len(pairs_to_ask(table, asked, 111)) == 0
    both = set(pairs_to_ask(table, np.isin(np.arange(30), (5, 9)), 30).tolist())
    assert both > set(rows.tolist())
