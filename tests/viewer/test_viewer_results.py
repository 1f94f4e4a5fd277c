"""A folder of outputs alone in the viewer: all that the files say."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image
from scenes.outputs import COUNT, HELD_OUT, MISSING, Scene, make_scene, stored_turned

from splatpose.errors import SplatposeError
from splatpose.stages.outputs.rescale import set_scale
from splatpose.stages.outputs.scale import Scale
from splatpose.viewer.web.follow import FileFollower
from splatpose.viewer.web.results import ResultsFollower
from splatpose.viewer.web.show import follower_of
from splatpose.viewer.web.texts import counts, stage_table
from splatpose.viewer.web.world import World

STAGES = [{"stage": "matching", "seconds": 1.5, "summary": "three pairs", "peak_memory_mb": 1.0}]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = make_scene(tmp_path)
    for photo in scene.capture.photos:
        photo.path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(photo.path), np.full((48, 64, 3), (0, 0, 200), np.uint8))
    scene.write(stages=STAGES)
    return scene


def looked_at(out: Path) -> ResultsFollower:
    follower = follower_of(out)
    assert isinstance(follower, ResultsFollower)
    assert follower.look()
    return follower


def assert_same_place(world: World, scene: Scene, tolerance: float = 1e-9) -> None:
    assert world.poses is not None
    assert world.splats is not None
    registered = scene.poses.registered
    np.testing.assert_array_equal(world.poses.registered, registered)
    np.testing.assert_allclose(
        world.poses.cam_from_world[registered],
        scene.poses.cam_from_world[registered],
        atol=tolerance,
    )
    np.testing.assert_allclose(world.poses.points, scene.poses.points, atol=tolerance)
    np.testing.assert_allclose(
        world.splats.full.log_scales, scene.trained.splats.log_scales, atol=1e-4
    )


def test_cameras_points_gaussians_and_history_are_shown(scene: Scene) -> None:
    follower = looked_at(scene.out)
    world = follower.world
    assert_same_place(world, scene)
    assert world.capture is not None
    assert [photo.name for photo in world.capture.photos] == list(scene.poses.names)
    assert len(world.thumbnails) == COUNT
    assert world.thumbnails[0].reshape(-1, 3).mean(0) == pytest.approx([200, 0, 0], abs=5)
    assert [verdict.level for verdict in world.verdicts].count("refused") == 1
    assert world.verdicts[MISSING].reason == "too few matches"
    table = stage_table(follower.progress)
    assert "three pairs" in table
    assert follower.progress.curve == [(0, 0.5, 12), (100, 0.1, 20)]
    assert "5 cameras" in counts(world, 5, 20, 20)
    assert not follower.look(), "nothing is new"


def test_cameras_are_shown_while_gaussians_are_read(scene: Scene) -> None:
    follower = follower_of(scene.out)
    parts = follower.parts()
    next(parts)
    assert follower.world.poses is not None
    assert follower.world.splats is None
    assert list(parts) == []
    assert follower.world.splats is not None
    assert list(follower.parts()) == [], "nothing is new"


def test_photos_that_are_stored_turned_are_shown_upright(scene: Scene) -> None:
    turned = stored_turned(scene, {0: 6, 4: 3})
    photo = turned.capture.photos[0]
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24] = 255  # the upper half of the upright photo
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(photo.path, exif=exif)
    turned.write(stages=STAGES)
    world = looked_at(scene.out).world
    assert_same_place(world, scene)
    assert world.views is not None
    shown = world.views.picture(0)
    assert shown.shape[1] > shown.shape[0]
    assert shown[:15].mean() > 200
    assert shown[-15:].mean() < 50


def test_results_that_moved_alone_find_their_photos(scene: Scene, tmp_path: Path) -> None:
    moved = tmp_path / "far" / "away" / "run"
    moved.parent.mkdir(parents=True)
    scene.out.rename(moved)
    world = looked_at(moved).world
    assert world.thumbnails[0].reshape(-1, 3).mean(0) == pytest.approx([200, 0, 0], abs=5)


def test_photos_that_are_still_there_are_compared(scene: Scene) -> None:
    views = looked_at(scene.out).world.views
    assert views is not None
    assert len(views.names) == COUNT - 1
    assert views.held_out[views.names.index(scene.poses.names[HELD_OUT])]
    for number in range(COUNT - 1):
        picture = views.picture(number)
        cx, cy = views.Ks[number][:2, 2]
        assert abs(picture.shape[1] / 2 - cx) < 2
        assert abs(picture.shape[0] / 2 - cy) < 2
        assert picture.reshape(-1, 3).mean(0) == pytest.approx([200, 0, 0], abs=5)
    shutil.rmtree(scene.capture.photos[0].path.parent)
    with pytest.raises((OSError, SplatposeError)):
        views.picture(0)
    world = looked_at(scene.out).world
    assert world.thumbnails[0].std() == 0, "grey"


def test_results_in_metres_are_in_the_same_place(scene: Scene) -> None:
    follower = looked_at(scene.out)
    assert follower.world.metres_per_unit is None
    poses = follower.world.poses
    assert poses is not None
    set_scale(scene.out, Scale.of(0.02, poses.names, poses.cam_from_world))
    os.utime(scene.out / "splat.ply", (1, 1))
    assert follower.look()
    assert follower.world.metres_per_unit == pytest.approx(0.02)
    assert_same_place(follower.world, scene, 1e-6)
    alone = FileFollower(scene.out / "splat.ply")
    alone.look()
    assert alone.world.splats is not None
    np.testing.assert_allclose(alone.world.splats.full.means, scene.trained.splats.means, rtol=1e-5)


@pytest.mark.parametrize("kept", ["splat.ply", "sparse"])
def test_a_part_of_the_results_is_shown_too(scene: Scene, kept: str) -> None:
    for path in scene.out.iterdir():
        if path.name != kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    world = looked_at(scene.out).world
    assert (world.splats is not None) == (kept == "splat.ply")
    assert (world.poses is not None) == (kept == "sparse")
    if world.poses is not None:
        assert int(world.poses.registered.sum()) == COUNT - 1
    assert stage_table(looked_at(scene.out).progress) == ""


def test_what_is_damaged_while_it_is_shown_stays_as_it_was(scene: Scene) -> None:
    follower = looked_at(scene.out)
    world = follower.world
    (scene.out / "splat.ply").write_text("ply\n")
    os.utime(scene.out / "splat.ply", (1, 1))
    assert not follower.look()
    assert follower.world is world
    with pytest.raises(SplatposeError, match="readable"):
        follower_of(scene.out).look()
