"""Camera models in bundle adjustment, and how soon it is at its end."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pycolmap
from scenes.poses import arc, cloud, make_scene
from scenes.trust import subject_of

from splatpose.io.colmap import reconstruction_from_model
from splatpose.scene.camera import Camera, CameraModel
from splatpose.sfm.mapping.bundle_adjustment import (
    Freedom,
    _Phase,
    _phases,
    bundle_options,
    set_model,
)


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


def adjusted(start: pycolmap.Reconstruction, *, inner: bool | None) -> tuple[int, float]:
    """Iterations and the final cost; whether with inner iterations, None as it is by default."""
    reconstruction = pycolmap.Reconstruction(start)
    options = bundle_options(1.0, principal_point=False)
    if inner is not None:
        options.ceres.solver_options.use_inner_iterations = inner
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in reconstruction.reg_image_ids():
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    adjuster = pycolmap.create_default_bundle_adjuster(options, config, reconstruction)
    report = adjuster.solve().brief_report()
    told = dict(part.split(": ") for part in report.split(": ", 1)[1].split(", "))
    return int(told["Iterations"]), float(told["Final cost"])


def test_outliers_do_not_make_adjustment_creep(tmp_path: Path) -> None:
    """Student's noise with few degrees of freedom, which the loss is made for."""
    scene = make_scene(tmp_path, arc(8, 40), cloud(400), noise=0.6)
    rng = np.random.default_rng(0)
    keypoints = [xy + 0.5 * rng.standard_t(1.2, xy.shape) for xy in scene.graph.keypoints]
    start = reconstruction_from_model(subject_of(scene).model, keypoints)
    for point in start.points3D.values():
        point.xyz = point.xyz + 0.02 * rng.normal(size=3)
    plain, own = adjusted(start, inner=False), adjusted(start, inner=None)
    assert own[0] <= plain[0] / 2
    assert own[1] <= plain[1]


def test_rough_adjustment_is_cheap() -> None:
    rough = bundle_options(1.0, principal_point=False, iterations=6)
    assert not rough.ceres.solver_options.use_inner_iterations
