"""Camera models in bundle adjustment."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pycolmap

from splatpose.scene.camera import Camera, CameraModel
from splatpose.sfm.mapping.bundle_adjustment import Freedom, _Phase, _phases, set_model


def test_cameras_with_different_freedom_take_turns() -> None:
    simple, free = Freedom("SIMPLE_RADIAL"), Freedom("RADIAL", principal_point=True)
    rich, none = Freedom("FULL_OPENCV", principal_point=True), frozenset[int]()
    everyone = _Phase(False, True, none)
    assert _phases({1: simple, 2: simple}, none) == [everyone]
    assert _phases({1: free}, none) == [_Phase(True, True, none)]
    assert _phases({1: simple, 2: free}, none) == [everyone, _Phase(True, True, frozenset({1}))]
    # COLMAP would free all eight distortion terms, which nothing tells apart.
    assert _phases({1: rich}, none) == [_Phase(False, False, none)]
    assert _phases({1: rich, 2: simple}, none) == [
        _Phase(False, True, frozenset({1})),
        _Phase(False, False, frozenset({2})),
    ]
    assert _phases({1: rich}, frozenset({1})) == [_Phase(False, True, frozenset({1}))]


def test_changing_the_camera_model_keeps_what_both_have() -> None:
    camera = pycolmap.Camera.create_from_model_name(1, "SIMPLE_RADIAL", 500, 640, 480)
    camera.params = [500, 320, 240, -0.1]
    set_model(camera, "OPENCV")
    np.testing.assert_array_equal(camera.params, [500, 500, 320, 240, -0.1, 0, 0, 0])
    set_model(camera, "RADIAL")
    np.testing.assert_array_equal(camera.params, [500, 320, 240, -0.1, 0])
    set_model(camera, "SIMPLE_PINHOLE")
    np.testing.assert_array_equal(camera.params, [500, 320, 240])


def test_camera_models_we_estimate_are_ours() -> None:
    for model in get_args(CameraModel):
        camera = pycolmap.Camera.create_from_model_name(1, "SIMPLE_PINHOLE", 500, 640, 480)
        set_model(camera, model)
        assert camera.verify_params()
        Camera(model, 640, 480, np.array(camera.params))
