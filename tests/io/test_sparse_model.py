"""A reconstruction on disk, with all that is known of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from scenes.poses import CAMERA

from splatpose.io.sparse_model import read_sparse_model, write_sparse_model
from splatpose.scene.evidence import HypothesisEvidence, PhotoEvidence
from splatpose.scene.sparse_model import PoseSnapshot, SparseModel

NAN = float("nan")


def model() -> tuple[SparseModel, list[np.ndarray]]:
    """Three photos of two cameras, the last one without a pose, and one point."""
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[1, 0, 3] = -1
    poses[2] = NAN
    keypoints = [np.array([[400.0, 300]]), np.array([[10.0, 20], [225, 300]]), np.zeros((4, 2))]
    kept = PhotoEvidence("a.jpg", True, "placed", 9, 1.0, 0.5, "mapping")
    lost = PhotoEvidence("c.jpg", False, "too few matches", 2, NAN, NAN)
    return SparseModel(
        names=("a.jpg", "b.jpg", "c.jpg"),
        registered=np.array([True, True, False]),
        cam_from_world=poses,
        camera_index=np.array([0, 0, 1]),
        cameras=(CAMERA, dataclasses.replace(CAMERA, width=600, height=800)),
        points=np.array([[0.0, 0, 4]]),
        point_colors=np.array([[1, 2, 3]], np.uint8),
        point_errors=np.zeros(1),
        observations=np.array([[0, 0, 0], [0, 1, 1]]),
        observation_xy=np.array([[400.0, 300], [225, 300]]),
        evidence=(kept, dataclasses.replace(kept, name="b.jpg"), lost),
        hypotheses=(HypothesisEvidence("global", 2, 1, 0.5, NAN, 1.2, 3.0, True, "the only one"),),
        snapshots=(PoseSnapshot("initial", poses + 1, np.ones((2, 3))),),
    ), keypoints


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """The camera of a photo without a pose too, of which a COLMAP model knows nothing."""
    before, keypoints = model()
    write_sparse_model(tmp_path, before, keypoints, {"note": ["for people"]})
    after = read_sparse_model(tmp_path)
    for field in dataclasses.fields(SparseModel):
        a, b = getattr(before, field.name), getattr(after, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(b, a, atol=1e-12, err_msg=field.name)
    assert after.names == before.names
    assert [camera.width for camera in after.cameras] == [800, 600]
    assert repr(after.evidence) == repr(before.evidence)  # NaN is not equal to itself
    assert repr(after.hypotheses) == repr(before.hypotheses)
    assert after.model_dir is not None
    assert (after.model_dir / "images.bin").exists()
    (snapshot,) = after.snapshots
    assert snapshot.stage == "initial"
    np.testing.assert_array_equal(snapshot.cam_from_world, before.snapshots[0].cam_from_world)
