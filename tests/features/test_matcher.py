"""Features on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from splatpose.features.matcher import Features


def test_features_survive_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = Features(
        rng.normal(size=(7, 2)).astype(np.float32), rng.normal(size=(7, 4)).astype(np.float32), 9, 8
    )
    features.save(tmp_path / "f.npz")
    loaded = Features.load(tmp_path / "f.npz")
    assert loaded is not None
    np.testing.assert_array_equal(loaded.keypoints, features.keypoints)
    np.testing.assert_array_equal(loaded.descriptors, features.descriptors)
    assert (loaded.width, loaded.height) == (9, 8)
    assert Features.load(tmp_path / "absent.npz") is None
    damaged = (tmp_path / "f.npz").read_bytes()[:-30]
    (tmp_path / "f.npz").write_bytes(damaged)
    assert Features.load(tmp_path / "f.npz") is None
