"""Real ALIKED against a homography."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from scenes.matching import transform, warp
from scenes.random_lightglue import random_lightglue

from splatpose.features.aliked import AlikedMatcher
from splatpose.io.photos import read_photo


def test_aliked_finds_keypoints_and_matches(shared: Path, tmp_path: Path) -> None:
    """Real ALIKED, with a random LightGlue of the right shape; a homography checks positions."""
    torch.save(random_lightglue(2, 256, 4, 128).state_dict(), tmp_path / "w.pt")
    matcher = AlikedMatcher(
        shared / "weights/aliked/aliked-n16.pth",
        tmp_path / "w.pt",
        max_keypoints=400,
        working_size=400,
    )
    photo = cv2.resize(
        read_photo(shared / "data/fountain_p11/images/0004.jpg"),
        (400, 267),
        interpolation=cv2.INTER_AREA,
    )
    H = np.array([[0.97, -0.1, 20], [0.1, 0.97, -15], [0, 0, 1]])
    first, second = matcher.extract(photo), matcher.extract(warp(photo, H, 400, 267))
    assert 100 < len(first) <= 400
    assert first.descriptors.shape == (len(first), 128)
    similarity = first.descriptors @ second.descriptors.T
    best = similarity.argmax(1)
    mutual = similarity.argmax(0)[best] == np.arange(len(best))
    off = transform(H, first.keypoints[mutual]) - second.keypoints[best[mutual]]
    near = np.linalg.norm(off, axis=1) < 2
    assert near.mean() > 0.6
    assert np.abs(np.median(off[near], axis=0)).max() < 0.1
    assert matcher.match(first, second).shape[1] == 2
