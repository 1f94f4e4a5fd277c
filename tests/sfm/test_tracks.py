"""Tracks from matches: what links keypoints, and what is made of a false link."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.joint import joint_scene
from scenes.poses import Scene

from splatpose.scene.camera import Camera
from splatpose.sfm.correspondences import (
    REFERENCE_SIDE,
    MatchTable,
    distinct_keypoints,
    keypoint_ids,
    match_table,
)
from splatpose.sfm.held_out import drawn, held_out_tracks
from splatpose.sfm.tracks import (
    component_labels,
    grown_labels,
    labelled_tracks,
    tracks_of,
    triangulated,
)

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


def test_tracks_never_see_a_photo_twice(scene: Scene) -> None:
    found = match_table(scene.graph)
    label = grown_labels(found).ravel()
    ids, first = np.unique(keypoint_ids(found).ravel(), return_index=True)
    photo = found.photos.ravel()[first]
    assert len(ids) == len(np.unique(np.stack([label[first], photo]), axis=1).T)


def test_triangulation_meets_exact_rays(tmp_path: Path):
    clean = joint_scene(tmp_path, noise=0.0)
    exact = tracks_of(clean.poses, clean.views)
    found = triangulated(exact.moved(exact.points + 0.3), clean.truth)
    count = np.bincount(exact.track, minlength=len(exact))
    np.testing.assert_allclose(found.points[count > 1], exact.points[count > 1], atol=1e-6)


def test_subsets_of_tracks_keep_their_observations(tmp_path: Path):
    joint = joint_scene(tmp_path)
    tracks = tracks_of(joint.poses, joint.views)
    chosen = held_out_tracks(tracks, 0.2, seed=0)
    assert chosen.sum() == pytest.approx(0.2 * len(tracks), abs=2)
    part = tracks.subset(chosen)
    rows = chosen[tracks.track]
    np.testing.assert_array_equal(part.points[part.track], tracks.points[tracks.track[rows]])
    np.testing.assert_array_equal(part.rays, tracks.rays[rows])
    views = np.array([1, 4, 5])
    seen = tracks.of(views).shared()
    assert set(np.unique(seen.view)) == {0, 1, 2}
    assert np.bincount(seen.track).min() >= 2
    errors = seen.errors(joint.truth[views])
    np.testing.assert_allclose(np.median(errors), np.median(tracks.errors(joint.truth)), rtol=0.2)
