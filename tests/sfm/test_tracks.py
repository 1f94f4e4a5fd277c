"""Tracks from matches: what links keypoints, and what is made of a false link."""

from __future__ import annotations

import numpy as np
import pytest

from splatpose.scene.camera import Camera
from splatpose.sfm.correspondences import REFERENCE_SIDE, MatchTable, distinct_keypoints
from splatpose.sfm.held_out import drawn
from splatpose.sfm.tracks import component_labels, grown_labels, labelled_tracks

CAMERA = Camera("SIMPLE_PINHOLE", 200, 100, np.array([150.0, 100.0, 50.0]))
PAIRS = np.array([[0, 1], [1, 2], [0, 2]])


def table(*matches: tuple[int, int, int]) -> MatchTable:
    """Matches (pair, keypoint, keypoint); keypoint k of photo i is at pixel (10 k, i)."""
    pair, keypoints = np.array([m[0] for m in matches]), np.array([m[1:] for m in matches])
    photos = PAIRS[pair]
    return MatchTable(PAIRS, pair, photos, keypoints, np.stack([10.0 * keypoints, photos], -1))


CLEAN = table((0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 1, 1), (2, 0, 0))
FALSE = table((0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 1, 1), (2, 0, 1))
"""Its last match links both points."""


def test_both_labellings_agree_where_no_match_is_false() -> None:
    label, proper = component_labels(CLEAN, np.ones(len(CLEAN), bool))
    assert proper.all()
    np.testing.assert_array_equal(label, [0, 1, 0, 1, 0])
    grown = grown_labels(CLEAN)
    np.testing.assert_array_equal(grown[:, 0], grown[:, 1])
    assert len(np.unique(np.stack([label, grown[:, 0]]), axis=1).T) == 2


def test_a_false_match_spoils_a_component_and_parts_grown_tracks() -> None:
    label, proper = component_labels(FALSE, np.ones(len(FALSE), bool))
    assert (label == 0).all()
    assert not proper[0]
    grown = grown_labels(FALSE)
    assert (grown[:4, 0] == grown[:4, 1]).all()
    assert grown[4, 0] != grown[4, 1]
    label, proper = component_labels(FALSE, np.arange(5) < 4)
    assert proper.all()
    assert label[4] == -1


def test_observations_are_the_keypoints_in_views_and_pixels_of_the_reference() -> None:
    label, _ = component_labels(CLEAN, np.ones(len(CLEAN), bool))
    match, side = distinct_keypoints(CLEAN)
    views = np.arange(3)
    tracks = labelled_tracks(CLEAN, (match, side), label[match], views, (CAMERA,), np.zeros(3, int))
    assert len(tracks) == 2
    np.testing.assert_array_equal(tracks.track, [0, 1] * 3)
    np.testing.assert_array_equal(tracks.view, [0, 0, 1, 1, 2, 2])
    assert tracks.focal == pytest.approx(np.full(3, 150 * REFERENCE_SIDE / 200))
    xy = np.stack([10.0 * tracks.track, tracks.view], -1)
    np.testing.assert_allclose(tracks.rays, (xy - (100, 50)) / 150)


def test_what_is_drawn_and_the_rest_are_all_tracks() -> None:
    tracks = np.arange(10, 30)
    chosen, rest = drawn(tracks, 5, np.random.default_rng(0))
    assert len(chosen) == 5
    np.testing.assert_array_equal(np.sort(np.r_[chosen, rest]), tracks)
