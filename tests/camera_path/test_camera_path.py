"""Camera paths, and films of a finished run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import av
import numpy as np
import pytest
from scenes.outputs import make_scene
from scenes.splats import orbit as camera_ring
from scenes.splats import random_splats
from scipy.spatial.transform import Rotation

from splatpose.camera_path.movie import Shot, middle_of, render_frame, shot_of_run, write_movie
from splatpose.camera_path.paths import (
    CameraPath,
    Keyframe,
    along,
    look_at,
    orbit,
    read_keyframes,
    through,
    write_keyframes,
)
from splatpose.cli.main import main
from splatpose.errors import SplatposeError
from splatpose.render import choose_backend

MIDDLE = np.array([0.2, 0.1, -0.3])


def ring_of_cameras(start: float, end: float, count: int = 12) -> np.ndarray:
    angles = np.linspace(start, end, count)
    places = np.stack([2 * np.sin(angles), np.full(count, -0.5), 2 * np.cos(angles)], axis=1)
    return np.stack([look_at(MIDDLE + place, MIDDLE) for place in places])


def centers(path: CameraPath) -> np.ndarray:
    return np.linalg.inv(path.cam_from_world)[:, :3, 3]


def test_a_camera_that_looks_at_something_sees_it_in_the_middle_and_upright() -> None:
    pose = look_at(np.array([3.0, -2, 1]), MIDDLE)
    seen = pose[:3, :3] @ MIDDLE + pose[:3, 3]
    np.testing.assert_allclose(seen[:2], 0, atol=1e-12)
    assert seen[2] > 0
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert (pose[:3, :3] @ [0, 1, 0])[1] > 0, "what is below is down in the picture"
    assert np.isfinite(look_at(np.array([0.0, -1, 0]), np.zeros(3))).all()


def test_an_orbit_goes_all_the_way_round_where_cameras_stand() -> None:
    path = orbit(ring_of_cameras(0, 1.8 * np.pi), MIDDLE, 0.9, 60)
    offsets = centers(path) - MIDDLE
    np.testing.assert_allclose(np.hypot(offsets[:, 0], offsets[:, 2]), 2, rtol=1e-6)
    np.testing.assert_allclose(offsets[:, 1], -0.5)
    turns = np.diff(np.unwrap(np.arctan2(offsets[:, 0], offsets[:, 2])))
    np.testing.assert_allclose(turns, 2 * np.pi / 60, rtol=1e-6)
    np.testing.assert_allclose(path.cam_from_world[:, 2, :3] @ [0, 1, 0], 0.5 / 2.06, atol=0.01)


def test_an_orbit_of_a_forward_facing_capture_stays_where_cameras_stood() -> None:
    angles = np.array([2.8, 3.6])  # across the seam at pi
    path = orbit(ring_of_cameras(*angles), MIDDLE, 0.9, 40)
    offsets = centers(path) - MIDDLE
    turned = np.arctan2(offsets[:, 0], offsets[:, 2]) % (2 * np.pi)
    assert turned.min() > 2.79
    assert turned.max() < 3.61
    assert turned.max() - turned.min() > 0.7


def test_the_path_of_the_photos_goes_by_all_of_them() -> None:
    poses = ring_of_cameras(0, 3.0)
    path = along(poses, 0.9, 200)
    assert len(path.fov) == 200
    for place in np.linalg.inv(poses)[:, :3, 3]:
        assert np.linalg.norm(centers(path) - place, axis=1).min() < 0.1
    rotations = path.cam_from_world[:, :3, :3]
    identity = rotations @ rotations.transpose(0, 2, 1)
    np.testing.assert_allclose(identity, np.tile(np.eye(3), (200, 1, 1)), atol=1e-9)
    steps = np.linalg.norm(np.diff(centers(path), axis=0), axis=1)
    assert steps.max() < 3 * np.median(steps)


def test_photos_on_their_side_do_not_roll_the_film() -> None:
    poses = ring_of_cameras(0, 3.0)
    rolled = poses.copy()
    for photo, quarter in enumerate(np.arange(len(poses)) % 4):
        turn = Rotation.from_euler("z", 90 * quarter, degrees=True).as_matrix()
        rolled[photo, :3] = turn @ poses[photo, :3]
    path, usual = along(rolled, 0.9, 50), along(poses, 0.9, 50)
    np.testing.assert_allclose(path.cam_from_world, usual.cam_from_world, atol=1e-9)
    from_above = np.stack([look_at(MIDDLE + np.array([0.1 * i, -3, 0]), MIDDLE) for i in range(4)])
    np.testing.assert_allclose(along(from_above, 0.9, 4).cam_from_world[0], from_above[0])


def test_photos_from_one_place_make_a_path_too() -> None:
    poses = np.stack([np.eye(4)] * 4)
    for number, pose in enumerate(poses):
        pose[:3, :3] = Rotation.from_rotvec([0, 0.2 * number, 0]).as_matrix()
    path = along(poses, 0.9, 30)
    assert np.isfinite(path.cam_from_world).all()
    np.testing.assert_allclose(centers(path), 0, atol=1e-9)


def test_keyframes_are_met_and_survive_their_file(tmp_path: Path) -> None:
    turns = Rotation.random(3, random_state=0).as_quat(scalar_first=True)
    keys = [
        Keyframe(float(t), (t, -t, 2.0), tuple(turn.tolist()), 0.5 + 0.1 * t)
        for t, turn in zip((0, 1, 4), turns, strict=True)
    ]
    write_keyframes(tmp_path / "keys.json", keys)
    assert read_keyframes(tmp_path / "keys.json") == keys
    path = through(keys, 401)
    for key, frame in zip(keys, (0, 100, 400), strict=True):
        np.testing.assert_allclose(centers(path)[frame], key.position, atol=1e-9)
        expected = Rotation.from_quat(key.wxyz, scalar_first=True).as_matrix().T
        np.testing.assert_allclose(path.cam_from_world[frame, :3, :3], expected, atol=1e-9)
        assert path.fov[frame] == pytest.approx(key.fov)
    assert len(through(keys[:1], 5).fov) == 5


@pytest.mark.parametrize("text", ["", "{}", '{"keyframes": [{"seconds": 0}]}', "[]"])
def test_other_files_are_no_keyframes(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(SplatposeError, match="keyframes"):
        read_keyframes(tmp_path / "keys.json")
    with pytest.raises(SplatposeError, match="no keyframe"):
        through([], 3)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fov": float("nan")}, "not finite"),
        ({"fov": 4.0}, "field of view"),
        ({"wxyz": [0, 0, 0, 0]}, "all zeros"),
        ({"position": [0, float("inf"), 0]}, "not finite"),
    ],
)
def test_keyframes_with_impossible_numbers_are_refused(
    tmp_path: Path, changed: dict, said: str
) -> None:
    row = {"seconds": 0, "position": [0, 0, 0], "wxyz": [1, 0, 0, 0], "fov": 1.0} | changed
    (tmp_path / "keys.json").write_text(json.dumps({"keyframes": [row]}))
    with pytest.raises(SplatposeError, match=said):
        read_keyframes(tmp_path / "keys.json")


def test_the_middle_is_what_the_cameras_look_at() -> None:
    splats = random_splats(400, 0)
    poses, _ = camera_ring(8, 64, 48)
    assert np.linalg.norm(middle_of(splats, poses)) < 0.2


def test_a_film_shows_what_is_rendered(tmp_path: Path) -> None:
    splats = random_splats(200, 0)
    poses, _ = camera_ring(5, 64, 48)
    backend = choose_backend("cpu")
    shot = Shot(splats, CameraPath(poses, np.full(5, 0.8)))
    done: list[tuple[int, int]] = []
    target = tmp_path / "film.mp4"
    write_movie(target, shot, backend, size=(97, 64), rate=25, progress=lambda *at: done.append(at))
    assert done == [(number, 5) for number in range(1, 6)]
    with av.open(str(target)) as film:
        stream = film.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 25
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
    assert len(frames) == 5
    assert frames[0].shape == (64, 96, 3)
    for number, frame in enumerate(frames):
        expected = render_frame(shot, number, backend, 96, 64).astype(float)
        assert np.abs(frame - expected).mean() < 8, "lossy, but the same picture"
    assert np.abs(frames[0].astype(float) - frames[2]).mean() > 8


@pytest.mark.parametrize("earlier", [False, True])
def test_films_draw_gaussians_as_they_were_trained(tmp_path: Path, earlier: bool) -> None:
    """By the splat's header; earlier versions told it in the report alone."""
    scene = make_scene(tmp_path)
    splats = dataclasses.replace(random_splats(50, 0), antialiased=not earlier)
    trained = dataclasses.replace(scene.trained, splats=splats)
    config = {"training": {"antialiased": True}} if earlier else {}
    dataclasses.replace(scene, trained=trained).write(config=config)
    shot = shot_of_run(scene.out, "trajectory", 1, 1.0)
    plain = dataclasses.replace(shot, splats=dataclasses.replace(shot.splats, antialiased=False))
    frames = [render_frame(each, 0, choose_backend("cpu"), 32, 32) for each in (shot, plain)]
    assert shot.splats.antialiased
    assert (frames[0] != frames[1]).any()


def test_render_makes_a_film_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = make_scene(tmp_path)
    scene.write(config={"training": {"antialiased": False}})
    film = tmp_path / "new" / "film.mp4"
    words = ["render", str(scene.out), "-o", str(film), "--width", "64", "--height", "48"]
    words += ["--rate", "5", "--seconds", "0.6", "--backend", "cpu"]
    assert main([*words, "--path", "trajectory"]) == 0
    assert "3 frames" in capsys.readouterr().out
    assert film.stat().st_size > 0
    assert main(words) == 1
    assert "exists already" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert main([*words, "--overwrite", "--path", "nowhere.json"]) == 1
    assert main(["render", str(tmp_path), "-o", str(tmp_path / "a.mp4")]) == 1
    assert "no finished run" in capsys.readouterr().err
    assert main(["render", str(scene.out), "-o", str(tmp_path / "a.gif")]) == 1


def test_export_writes_a_page_that_needs_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make_scene(tmp_path)
    scene.write()
    page = tmp_path / "scene.html"
    assert main(["export", str(scene.out), "-o", str(page)]) == 0
    assert "20 Gaussians" in capsys.readouterr().out
    text = page.read_text()
    assert "__VISER_EMBED_DATA__" in text
    assert 'src="http' not in text
    assert main(["export", str(scene.out), str(page)]) == 1
    assert main(["export", str(scene.out), str(page), "--overwrite"]) == 0
