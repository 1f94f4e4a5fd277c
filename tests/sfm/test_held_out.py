"""Matches and tracks that are held out."""

from __future__ import annotations

import numpy as np
import pytest
from scenes.poses import CAMERA

from splatpose.sfm.correspondences import MatchTable, keypoint_ids
from splatpose.sfm.held_out import held_out_matches, split_matches
from splatpose.sfm.tracks import component_labels
from splatpose.sfm.twoview.all_pairs import relative_poses
from splatpose.sfm.twoview.match_errors import fitting_matches


@pytest.mark.parametrize("share", [0.1, 0.15, 0.2])
def test_held_out_matches_are_a_share_of_every_pair(table: MatchTable, share: float) -> None:
    index = np.zeros(8, np.int64)
    relative = relative_poses(table, (CAMERA,), index, min_matches=15, seed=0)
    fits = fitting_matches(table, relative, (CAMERA,), index)
    judging, learning = held_out_matches(table, fits, share, seed=1)
    count = np.bincount(table.pair[fits], minlength=len(table.pairs))
    out = np.bincount(table.pair[judging], minlength=len(table.pairs))
    large = count >= 30
    assert large.sum() > 20
    assert (out[large] >= 0.6 * share * count[large]).all()
    assert (out[large] <= 1.4 * share * count[large] + 1).all()
    ids = keypoint_ids(table)
    assert not np.isin(ids[learning], ids[judging]).any()
    assert learning.mean() > 0.6
    # Whole tracks with one keypoint a photo.
    label, proper = component_labels(table, fits)
    assert proper[label[judging]].all()
    assert not np.isin(label[learning & fits], label[judging]).any()


def test_halves_share_no_keypoint_and_next_to_nothing_is_lost(table: MatchTable) -> None:
    half = split_matches(table, 0)
    ids = keypoint_ids(table)
    assert not set(ids[half == 0].ravel()) & set(ids[half == 1].ravel())
    assert (half < 0).mean() < 0.05
    assert 0.4 < (half == 0).mean() < 0.6
    np.testing.assert_array_equal(half, split_matches(table, 0))
    assert (half != split_matches(table, 1)).any()
