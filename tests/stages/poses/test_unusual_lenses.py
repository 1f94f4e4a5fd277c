"""The poses stage on lenses that are not those of an ordinary, whole photo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from scenes.lenses import STRONG, aimed, desk, hand_held
from scenes.poses import arc, cloud, make_scene, position_error, solve
from scenes.trust import levels, subject_of, verdicts_on

from splatpose.geometry.rotations import rotation_angle
from splatpose.scene.camera import Camera


def test_photos_cropped_to_one_corner_are_not_turned(tmp_path: Path) -> None:
    camera = Camera("SIMPLE_RADIAL", 800, 600, np.array([1000.0, 800, 600, -0.05]))
    poses = aimed(camera, arc(8, 70, 4.5, 0.9))
    scene = make_scene(tmp_path, poses, cloud(250), camera=camera, noise=0.4)
    found, _ = solve(scene, tmp_path / "out")
    np.testing.assert_allclose(found.cameras[0].params[1:3], (800, 600), atol=12)
    relative = [p[7, :3, :3] @ p[0, :3, :3].T for p in (found.cam_from_world, poses)]
    assert rotation_angle(relative[0] @ relative[1].T) < 0.2
    assert position_error(found, scene) < 0.3


def test_a_lens_of_three_radial_terms_survives_to_the_end(tmp_path: Path) -> None:
    """And the halves of the matches, which start from it, agree."""
    scene = make_scene(tmp_path, hand_held(10), desk(250), camera=STRONG, noise=0.3)
    found, _ = solve(scene, tmp_path / "out")
    camera = found.cameras[0]
    assert camera.model == "FULL_OPENCV"
    assert camera.params[0] == camera.params[1]
    np.testing.assert_allclose(camera.params[0], 521, rtol=0.012)
    np.testing.assert_array_equal(camera.params[[6, 7, 9, 10, 11]], 0)
    told = json.loads((tmp_path / "out" / "poses.json").read_text())["intrinsics"]
    assert any("FULL_OPENCV" in line and line.endswith("taken") for line in told)
    subject = replace(subject_of(scene), model=found)
    assert levels(verdicts_on(subject, tmp_path / "halves")) == ["trusted"] * 10
