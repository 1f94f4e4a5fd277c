"""Photos without parallax: the refusal names the cause that explains the matches best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.poses import CAMERA, Scene, arc, cloud, look_at, scene_of_pictures, solve

from splatpose.errors import SplatposeError
from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp
from splatpose.io.colmap_database import read_cameras, read_putative
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.mapping.rotation_only import zoom_only
from splatpose.stages.poses.no_parallax import cause_of, motion_between, perhaps_zoomed

WIDTH, HEIGHT = CAMERA.width, CAMERA.height
RNG = np.random.default_rng(7)


def spread(count: int, left: float = 0.0, right: float = 1.0) -> np.ndarray:
    """Things all over a photo, or over a strip of it."""
    x = WIDTH * (left + (right - left) * RNG.random(count))
    return np.stack([x, HEIGHT * RNG.random(count)], 1)


def shaken(xy: np.ndarray, by: float = 0.3) -> np.ndarray:
    return xy + by * RNG.standard_normal(xy.shape)


def tripod() -> list[np.ndarray]:
    things = spread(400)
    return [shaken(things) for _ in range(4)]


def turntable() -> list[np.ndarray]:
    """An object in the middle turns by 12 degrees a photo; the wall behind it stays."""
    wall = np.concatenate([spread(250, 0, 0.3), spread(250, 0.7, 1)])
    body = cloud(90)
    pictures = []
    for photo in range(4):
        c, s = np.cos(0.2 * photo), np.sin(0.2 * photo)
        turned = 0.6 * body @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
        seen, _ = project(CAMERA, look_at((0, 0, -4), (0, 0, 0)), turned)
        pictures.append(shaken(np.concatenate([wall, seen])))
    return pictures


def watermark() -> list[np.ndarray]:
    """A camera that moves well, and writing in a corner of all its photos."""
    writing = np.array([30.0, 540.0]) + RNG.random((400, 2)) * (160, 40)
    return [
        shaken(np.concatenate([writing, project(CAMERA, pose, cloud(120))[0]]), 0.2)
        for pose in arc(4, 20)
    ]


def writing_all_over() -> list[np.ndarray]:
    writing = spread(500)
    return [
        shaken(np.concatenate([writing, project(CAMERA, pose, 1.2 * cloud(150))[0]]), 0.2)
        for pose in arc(4, 20)
    ]


def zoom() -> list[np.ndarray]:
    middle = np.array([WIDTH, HEIGHT]) / 2
    things = middle + 0.6 * (spread(400) - middle)
    return [shaken(middle + factor * (things - middle)) for factor in (1.0, 1.12, 1.25, 1.4)]


def burst() -> list[np.ndarray]:
    things = spread(400)
    return [shaken(things + shift) for shift in ((0, 0), (6, 3), (-14, 17), (19, -15))]


def turning() -> list[np.ndarray]:
    points = cloud(600) * (4, 2, 1) + (0.5, 0, 5)
    turns = [look_at((0, 0, 0), (np.sin(a), 0.05 * a, np.cos(a))) for a in (0, 0.1, 0.2)]
    return [shaken(project(CAMERA, pose, points)[0]) for pose in turns]


def walking() -> list[np.ndarray]:
    return [shaken(project(CAMERA, pose, cloud(300))[0]) for pose in arc(4, 30)]


def cause(scene: Scene) -> str:
    putative = read_putative(scene.graph.database)
    found = cause_of(motion_between(scene.capture, scene.graph, putative, 15))
    return "" if found is None else found.message + " " + found.hint


@pytest.mark.parametrize(
    ("pictures", "words", "advice"),
    [
        (tripod, "The camera stood still", "Carry the camera"),
        (turntable, "The background stands still", "Walk around the object"),
        (watermark, "Something stands still in all photos", "crop it away"),
        (writing_all_over, "Something stands still in all photos", "crop it away"),
        (zoom, "The camera zoomed", "Leave the zoom"),
        (burst, "All photos show nearly the same picture", "One photo of each view"),
    ],
)
def test_the_cause_is_named_and_the_advice_follows(
    pictures: Callable[[], list[np.ndarray]], words: str, advice: str, tmp_path: Path
) -> None:
    said = cause(scene_of_pictures(tmp_path, pictures(), outliers=0.1))
    assert said.startswith(words)
    assert advice in said


@pytest.mark.parametrize("moves", [turning, walking])
def test_nothing_is_made_up_where_the_camera_turned_or_moved(
    moves: Callable[[], list[np.ndarray]], tmp_path: Path
) -> None:
    assert cause(scene_of_pictures(tmp_path, moves(), outliers=0.1)) == ""


@pytest.mark.parametrize(
    ("pictures", "words"),
    [(tripod, "stood still"), (turntable, "background"), (burst, "nearly the same picture")],
)
def test_the_refusal_of_the_stage_says_so(
    pictures: Callable[[], list[np.ndarray]], words: str, tmp_path: Path
) -> None:
    with pytest.raises(SplatposeError, match=words) as caught:
        solve(scene_of_pictures(tmp_path, pictures()), tmp_path / "out")
    assert "only turned" not in caught.value.message


def shaken_zoom(room: np.ndarray, way: float = 0.0, longest: float = 1000.0) -> list[np.ndarray]:
    """Hand-held: the camera turns by some degrees between photos, and walks along its axis."""
    pictures = []
    for number, focal in enumerate(np.geomspace(600, longest, 6)):
        turn = so3_exp(np.radians(2.0) * RNG.standard_normal(3))
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = turn, -turn @ (0, 0, way * number / 5)
        camera = replace(CAMERA, params=np.array([focal, 400, 300, 0.0]))
        pictures.append(shaken(project(camera, pose, room)[0], 0.5))
    return pictures


def room() -> np.ndarray:
    z = RNG.uniform(2, 5, 300)
    return np.stack([RNG.uniform(-0.3, 0.3, 300) * z, RNG.uniform(-0.22, 0.22, 300) * z, z], 1)


def zoomed(scene: Scene) -> float:
    cameras, _ = read_cameras(scene.graph.database)
    count = len(scene.capture.photos)
    return zoom_only(
        match_table(scene.graph), cameras, np.zeros(count, int), max_error_px=5, min_matches=15
    ).share


def test_a_zoom_on_the_spot_is_refused(tmp_path: Path) -> None:
    """Essential matrices explain it as walking straight on."""
    scene = scene_of_pictures(tmp_path, shaken_zoom(room()))
    assert zoomed(scene) > 0.95
    with pytest.raises(SplatposeError, match=r"zoomed \(by 1\.7\) and did not move") as caught:
        solve(scene, tmp_path / "out")
    assert "Leave the zoom" in caught.value.hint


def test_walking_straight_on_is_no_zoom_nor_is_walking_while_zooming(tmp_path: Path) -> None:
    for name, longest in (("walk", 600.0), ("both", 1000.0)):
        (tmp_path / name).mkdir()
        scene = scene_of_pictures(tmp_path / name, shaken_zoom(room(), 0.9, longest))
        assert zoomed(scene) < 0.5


def test_a_zoom_that_was_taken_for_a_way_is_warned_of(tmp_path: Path) -> None:
    """Without EXIF the photos are those of a camera that walks towards a wall."""
    scene = scene_of_pictures(tmp_path, zoom())
    assert "zoomed" in perhaps_zoomed(scene.capture, match_table(scene.graph), 15)
    (tmp_path / "walk").mkdir()
    scene = scene_of_pictures(tmp_path / "walk", walking())
    assert perhaps_zoomed(scene.capture, match_table(scene.graph), 15) == ""
