"""SIFT against exact homographies."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scenes.matching import bias_between_scales, texture, transform, warp

from splatpose.features.sift import SiftMatcher


def test_sift_follows_a_homography() -> None:
    matcher = SiftMatcher(max_keypoints=1000, working_size=1600)
    photo = texture(360, 280)
    H = np.array([[0.9, -0.25, 60], [0.2, 0.95, -20], [1e-4, -5e-5, 1]])
    first, second = matcher.extract(photo), matcher.extract(warp(photo, H, 360, 280))
    matches = matcher.match(first, second)
    assert len(matches) >= 150
    assert len(np.unique(matches[:, 0])) == len(np.unique(matches[:, 1])) == len(matches)
    expected = transform(H, first.keypoints[matches[:, 0]])
    off = np.linalg.norm(expected - second.keypoints[matches[:, 1]], axis=1)
    assert (off < 1.5).mean() > 0.97
    assert np.median(off) < 0.3


def test_sift_keypoints_scale_with_the_photo() -> None:
    """With pixel centres at half numbers a photo of half the size has half the coordinates."""
    photo = texture(640, 480, seed=1)
    matcher = SiftMatcher(max_keypoints=1500, working_size=1600)
    half = cv2.resize(photo, (320, 240), interpolation=cv2.INTER_AREA)
    large, small = matcher.extract(photo), matcher.extract(half)
    matches = matcher.match(large, small)
    assert len(matches) > 60
    assert np.abs(bias_between_scales(large, small, matches)).max() < 0.1


def test_sift_reduces_large_photos_and_reports_their_own_pixels() -> None:
    photo = texture(640, 480, seed=2)
    full = SiftMatcher(max_keypoints=1500, working_size=640).extract(photo)
    reduced = SiftMatcher(max_keypoints=1500, working_size=320).extract(photo)
    assert (reduced.width, reduced.height) == (640, 480)
    assert reduced.keypoints.max(0) == pytest.approx([640, 480], abs=40)
    matches = SiftMatcher(max_keypoints=1, working_size=1).match(full, reduced)
    off = full.keypoints[matches[:, 0]] - reduced.keypoints[matches[:, 1]]
    assert np.abs(np.median(off, axis=0)).max() < 0.1


def test_sift_keeps_no_more_than_asked_and_none_of_a_blank_photo() -> None:
    matcher = SiftMatcher(max_keypoints=50, working_size=1600)
    found = matcher.extract(texture(320, 240))
    assert len(found) == 50
    blank = matcher.extract(np.full((100, 120, 3), 128, np.uint8))
    assert len(blank) == 0
    assert matcher.match(found, blank).shape == (0, 2)
    assert matcher.match(blank, blank).shape == (0, 2)
