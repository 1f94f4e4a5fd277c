"""XFeat and its matches against true camera poses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes.matching import bias_between_scales
from scenes.true_cameras import epipolar_distances

from splatpose.features.xfeat import XFeatMatcher
from splatpose.io.photos import read_photo


@pytest.fixture(scope="module")
def xfeat(shared: Path) -> XFeatMatcher:
    folder = shared / "weights" / "xfeat"
    return XFeatMatcher(
        folder / "xfeat.pt", folder / "lighterglue_l3.pt", max_keypoints=1024, working_size=640
    )


def fountain_camera(shared: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """K [3, 3] and world_from_camera [4, 4] of a fountain photo."""
    frame = json.loads((shared / "data/fountain_p11/poses.json").read_text())["frames"][number]
    # The file has the top-left pixel's centre at (0, 0).
    K = [[frame["fx"], 0, frame["cx"] + 0.5], [0, frame["fy"], frame["cy"] + 0.5], [0, 0, 1]]
    return np.array(K), np.array(frame["c2w"])


def test_xfeat_agrees_with_true_poses(xfeat: XFeatMatcher, shared: Path) -> None:
    images = shared / "data/fountain_p11/images"
    first, second = (xfeat.extract(read_photo(images / f"{i:04d}.jpg")) for i in (4, 5))
    assert (first.width, first.height) == (1024, 683)
    np.testing.assert_allclose(np.linalg.norm(first.descriptors, axis=1), 1, atol=1e-4)
    matches = xfeat.match(first, second)
    assert len(matches) > 250
    xy = first.keypoints[matches[:, 0]], second.keypoints[matches[:, 1]]
    K, poses = zip(fountain_camera(shared, 4), fountain_camera(shared, 5), strict=True)
    distance = epipolar_distances(K, poses, *xy)
    assert (distance < 3).mean() > 0.8
    assert np.median(distance) < 0.8


def test_xfeat_keypoints_scale_with_the_photo(xfeat: XFeatMatcher, shared: Path) -> None:
    photo = read_photo(shared / "data/fountain_p11/images/0004.jpg")[:640, :960]
    half = cv2.resize(photo, (480, 320), interpolation=cv2.INTER_AREA)
    large, small = xfeat.extract(photo), xfeat.extract(half)
    matches = xfeat.match(large, small)
    assert len(matches) > 200
    assert np.abs(bias_between_scales(large, small, matches)).max() < 0.15


def test_xfeat_of_a_tiny_or_blank_photo(xfeat: XFeatMatcher) -> None:
    blank = xfeat.extract(np.zeros((70, 90, 3), np.uint8))
    assert blank.descriptors.shape == (len(blank), 64)
    assert xfeat.match(blank, blank).shape[1] == 2
