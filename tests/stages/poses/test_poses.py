"""The poses stage on exact scenes: what it finds, refuses, repeats and resumes."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest
from scenes.poses import CONFIG, Scene, arc, cloud, look_at, make_scene, position_error, solve

from splatpose.errors import SplatposeError
from splatpose.events import Event, Message, Progress
from splatpose.geometry.projection import project
from splatpose.geometry.rotations import rotation_angle
from splatpose.geometry.similarity import umeyama
from splatpose.io.colmap import read_model
from splatpose.scene.camera import Camera
from splatpose.scene.capture import Capture
from splatpose.scene.matches import MatchGraph
from splatpose.sfm.mapping import matches_to_map
from splatpose.sfm.mapping.colmap_mappers import MapperTask, run_mapper
from splatpose.sfm.registration.final_refinement import refine
from splatpose.sfm.thresholds import TRACKS, TrackThresholds
from splatpose.stages.poses import attempt
from splatpose.stages.poses.stage import load_poses, solve_poses


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("arc")
    return make_scene(folder, arc(8), cloud(), noise=0.3, outliers=0.2)


@pytest.fixture(scope="module")
def solved(scene: Scene, tmp_path_factory: pytest.TempPathFactory):
    events: list[Event] = []
    poses, summary = solve(scene, tmp_path_factory.mktemp("solved"), events=events)
    return poses, summary, events


def test_snapshots_tell_how_the_poses_came_to_be(solved) -> None:
    poses, _, _ = solved
    initial, final = poses.snapshots
    assert (initial.stage, final.stage) == ("initial", "global")
    np.testing.assert_allclose(final.cam_from_world, poses.cam_from_world, atol=1e-12)
    np.testing.assert_allclose(final.points, poses.points, atol=1e-5)
    # In one frame: what is left is what the refinement did, and that is little here.
    apart = np.abs(initial.cam_from_world - final.cam_from_world)
    assert 0 < apart.max() < 0.05
    R = initial.cam_from_world[:, :3, :3]
    np.testing.assert_allclose(R @ R.transpose(0, 2, 1), np.tile(np.eye(3), (8, 1, 1)), atol=1e-9)
    assert np.abs(np.median(initial.points, 0) - np.median(final.points, 0)).max() < 0.1


def test_poses_and_focal_are_right(solved, scene: Scene) -> None:
    poses, summary, _ = solved
    assert poses.registered.all()
    assert position_error(poses, scene) < 0.3
    assert poses.cameras[0].params[0] == pytest.approx(700, rel=0.01)
    assert summary.startswith("8/8 photos placed")


def test_world_frame(solved, scene: Scene) -> None:
    """Gravity along +y, centred, of unit radius, and right-handed."""
    poses, _, _ = solved
    R, t = poses.cam_from_world[:, :3, :3], poses.cam_from_world[:, :3, 3]
    centers = -np.einsum("nji,nj->ni", R, t)
    np.testing.assert_allclose(centers.mean(0), 0, atol=1e-9)
    assert np.sqrt((centers**2).sum(1).mean()) == pytest.approx(1)
    np.testing.assert_allclose(np.linalg.det(R), 1, atol=1e-9)
    truth_from_ours = umeyama(centers, scene.centers).rotation
    assert truth_from_ours[1, 1] > np.cos(np.radians(1))


def test_points_project_onto_their_keypoints(solved, scene: Scene) -> None:
    poses, _, _ = solved
    for photo in range(8):
        own = poses.observations[:, 1] == photo
        track, keypoint = poses.observations[own, 0], poses.observations[own, 2]
        xy, _ = project(poses.cameras[0], poses.cam_from_world[photo], poses.points[track])
        assert np.median(np.linalg.norm(xy - poses.observation_xy[own], axis=1)) < 0.6
        np.testing.assert_allclose(
            poses.observation_xy[own], scene.graph.keypoints[photo][keypoint], atol=1e-4
        )
    np.testing.assert_array_equal(poses.point_colors[0], (90, 120, 150))


def test_model_folder_is_the_same_model(solved) -> None:
    poses, _, _ = solved
    model = read_model(poses.model_dir, poses.names)
    np.testing.assert_array_equal(model.cam_from_world, poses.cam_from_world)
    assert pycolmap.Reconstruction(poses.model_dir).is_valid()


def test_evidence_is_recorded(solved) -> None:
    poses, _, events = solved
    assert [photo.name for photo in poses.evidence] == list(poses.names)
    assert all(photo.inlier_share > 0.9 for photo in poses.evidence)
    assert all(0 < photo.reprojection_error < 0.6 for photo in poses.evidence)
    chosen = [h for h in poses.hypotheses if h.chosen]
    assert len(chosen) == 1
    assert len(poses.hypotheses) >= 2, "the first result is never accepted alone"
    assert chosen[0].explained_share == max(h.explained_share for h in poses.hypotheses)
    assert any(isinstance(e, Message) and "agree" in e.text for e in events)
    progress = [e for e in events if isinstance(e, Progress)]
    assert all(0 <= e.done <= e.total for e in progress)


def test_same_seed_same_result(solved, scene: Scene, tmp_path: Path) -> None:
    """Bit for bit, whether the hypotheses run side by side or one after the other."""
    poses, _, _ = solved
    again, _ = solve(scene, tmp_path / "again", replace(CONFIG, workers=1))
    np.testing.assert_array_equal(again.cam_from_world, poses.cam_from_world)
    np.testing.assert_array_equal(again.points, poses.points)
    np.testing.assert_array_equal(again.cameras[0].params, poses.cameras[0].params)


class Interrupted(BaseException):
    pass


def test_finished_hypotheses_survive_an_interruption(solved, scene: Scene, tmp_path: Path) -> None:
    def stop_when_refining(event: Event) -> None:
        if isinstance(event, Progress) and event.text.startswith("refining"):
            raise Interrupted

    with pytest.raises(Interrupted):
        solve_poses(scene.capture, scene.graph, CONFIG, tmp_path, stop_when_refining, seed=0)
    marks = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("done.json")}
    assert len(marks) == 2
    seen: list[int] = []

    def look(event: Event) -> None:
        if isinstance(event, Progress) and event.text.startswith("refining"):
            seen.extend(path.stat().st_mtime_ns for path in marks)

    solve_poses(scene.capture, scene.graph, CONFIG, tmp_path, look, seed=0)
    assert seen == list(marks.values()), "a finished hypothesis was computed again"
    np.testing.assert_array_equal(load_poses(tmp_path).cam_from_world, solved[0].cam_from_world)
    assert not (tmp_path / "hypotheses").exists()


def test_interrupt_while_mapping_leaves_no_half_result(scene: Scene, tmp_path: Path) -> None:
    """Ctrl-C in the middle of the mappers; the next run starts them afresh and is right."""
    timer = threading.Timer(0.25, signal.raise_signal, [signal.SIGINT])
    timer.start()
    try:
        solve_poses(scene.capture, scene.graph, CONFIG, tmp_path, lambda event: None, seed=0)
        pytest.skip("this machine was done before the interrupt came")
    except KeyboardInterrupt:
        pass
    finally:
        timer.cancel()
    poses, _ = solve(scene, tmp_path)
    assert poses.registered.all()
    assert position_error(poses, scene) < 0.3


def test_result_survives_a_renamed_folder(scene: Scene, tmp_path: Path) -> None:
    before, _ = solve(scene, tmp_path / "poses.part")
    (tmp_path / "poses.part").rename(tmp_path / "poses")
    after = load_poses(tmp_path / "poses")
    np.testing.assert_array_equal(after.points, before.points)
    assert (after.model_dir / "cameras.bin").exists()


@pytest.mark.parametrize("count", [2, 3])
def test_two_and_three_photos(tmp_path: Path, count: int) -> None:
    scene = make_scene(tmp_path, arc(count, 30), cloud(), noise=0.2)
    poses, _ = solve(scene, tmp_path / "out")
    assert poses.registered.all()
    relative = [p[1, :3, :3] @ p[0, :3, :3].T for p in (poses.cam_from_world, scene.cam_from_world)]
    assert rotation_angle(relative[0] @ relative[1].T) < 1.5


def test_planar_scene(tmp_path: Path) -> None:
    """A poster on a wall: homographies everywhere, and still poses."""
    points = cloud(300) * (1.6, 1.2, 0) + (0, 0, 0.3)
    scene = make_scene(tmp_path, arc(8, 70), points, noise=0.2)
    poses, _ = solve(scene, tmp_path / "out")
    assert poses.registered.all()
    assert position_error(poses, scene) < 5


def test_off_centre_principal_point_is_found(tmp_path: Path) -> None:
    """And a centred one is not moved: `test_centred_camera_stays_simple`."""
    camera = Camera("RADIAL", 800, 600, np.array([700.0, 388.0, 311.0, -0.2, 0.15]))
    scene = make_scene(tmp_path, arc(10, 120), 1.4 * cloud(400), camera=camera, noise=0.2)
    poses, _ = solve(scene, tmp_path / "out")
    found = poses.cameras[0]
    assert found.model == "RADIAL"
    np.testing.assert_allclose(found.params[1:3], (388, 311), atol=2.5)
    np.testing.assert_allclose(found.params[0], 700, rtol=0.004)
    simple, _ = solve(scene, tmp_path / "simple", replace(CONFIG, intrinsics="simple"))
    assert simple.cameras[0].model == "SIMPLE_RADIAL"
    assert position_error(poses, scene) < 0.5 * position_error(simple, scene)


def test_centred_camera_stays_simple(solved) -> None:
    poses, _, _ = solved
    assert poses.cameras[0].model == "SIMPLE_RADIAL"
    np.testing.assert_array_equal(poses.cameras[0].params[1:3], (400, 300))


@pytest.mark.parametrize(("photos", "offset"), [(10, 1.0), (6, 12.0)])
def test_principal_point_stays_where_little_speaks_for_another(
    tmp_path: Path, photos: int, offset: float
) -> None:
    """Near the centre it gains no more than flaws of photos would; six photos do not tell."""
    camera = Camera("SIMPLE_RADIAL", 800, 600, np.array([700.0, 400 + offset, 300 + offset, 0]))
    scene = make_scene(tmp_path, arc(photos), 1.4 * cloud(400), camera=camera, noise=0.2)
    poses, _ = solve(scene, tmp_path / "out")
    assert poses.registered.all()
    np.testing.assert_array_equal(poses.cameras[0].params[1:3], (400, 300))


def test_two_places_in_one_folder(tmp_path: Path) -> None:
    """The larger group is reconstructed; the others are told why they are not."""
    groups = [0] * 6 + [1] * 3
    scene = make_scene(tmp_path, np.concatenate([arc(6), arc(3, 20)]), cloud(500), groups=groups)
    events: list[Event] = []
    poses, summary = solve(scene, tmp_path / "out", events=events)
    np.testing.assert_array_equal(poses.registered, np.array(groups) == 0)
    assert summary.startswith("6/9")
    assert "share nothing with the rest" in poses.evidence[7].reason
    assert np.isnan(poses.cam_from_world[7]).all()
    warning = next(e.text for e in events if isinstance(e, Message) and e.level == "warning")
    assert "IMG_1.png..IMG_6.png and IMG_7.png..IMG_9.png" in warning


def refusal(scene: Scene, folder: Path) -> SplatposeError:
    with pytest.raises(SplatposeError) as caught:
        solve(scene, folder)
    return caught.value


def test_camera_that_only_turned_is_refused(tmp_path: Path) -> None:
    turns = np.stack([look_at((0, 0, 0), (np.sin(a), 0.05 * a, np.cos(a))) for a in (0, 0.2, 0.4)])
    points = cloud(900) * 4 + (0.5, 0, 5)
    error = refusal(make_scene(tmp_path, turns, points), tmp_path / "out")
    assert "only turned" in error.message
    assert "sideways" in error.hint


def test_small_steps_are_not_mistaken_for_turning(tmp_path: Path) -> None:
    poses = np.stack([look_at((x, 0.1 * x * x, -4), (0, 0, 0)) for x in (-0.3, 0, 0.3, 0.6)])
    scene = make_scene(tmp_path, poses, cloud(), noise=0.2)
    assert solve(scene, tmp_path / "out")[0].registered.all()


def test_a_mapping_that_raises_is_one_that_found_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*_: object) -> None:
        raise ValueError("a rig without sensors")

    monkeypatch.setattr(pycolmap, "global_mapping", odd)
    poses = np.stack([look_at((x, 0.1 * x * x, -4), (0, 0, 0)) for x in (-0.6, 0, 0.6)])
    events: list[Event] = []
    found, _ = solve(make_scene(tmp_path, poses, cloud(120)), tmp_path / "out", events=events)
    assert found.registered.all()
    told = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    assert any(text.startswith("global calibrated mapping") and "sensors" in text for text in told)


def test_a_mapping_in_a_child_is_the_same_and_may_die(
    solved, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of the command, which has a child for everything."""
    monkeypatch.delenv("SPLATPOSE_ONE_PROCESS")
    again, _ = solve(scene, tmp_path / "again")
    before = solved[0]
    np.testing.assert_array_equal(again.cam_from_world, before.cam_from_world)
    np.testing.assert_array_equal(again.points, before.points)
    token = pycolmap.CancellationToken()
    task = MapperTask("global", str(tmp_path), str(tmp_path), 0, 15, relaxed=False, few=True)
    with pytest.raises(RuntimeError):
        run_mapper(task, token)  # a folder is no database
    token.cancel()
    with pytest.raises(CancelledError):
        run_mapper(replace(task, database=str(scene.graph.database)), token)


def test_one_photo_is_refused(scene: Scene, tmp_path: Path) -> None:
    capture = Capture(scene.capture.photos[:1], scene.capture.groups)
    error = refusal(replace(scene, capture=capture), tmp_path / "out")
    assert "only one photo (IMG_1.png)" in error.message
    assert error.hint


def test_different_places_are_refused(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(8), cloud(1600), groups=range(8))
    error = refusal(scene, tmp_path / "out")
    assert "No two of the 8 photos show the same thing" in error.message


def test_one_overlapping_pair_among_many_is_refused(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(6), cloud(1500), groups=[0, 0, 1, 2, 3, 4])
    error = refusal(scene, tmp_path / "out")
    assert "Only 2 of 6 photos overlap (IMG_1.png..IMG_2.png)" in error.message
    assert "IMG_3.png..IMG_6.png" in error.message


def test_matches_without_geometry_are_refused(tmp_path: Path) -> None:
    """Every pair fits some epipolar geometry, and no reconstruction fits them all."""
    rng = np.random.default_rng(5)
    good = make_scene(tmp_path, arc(3), cloud(40))
    graph: MatchGraph = good.graph
    scrambled = [rng.permutation(len(k)) for k in graph.keypoints]
    with pycolmap.Database.open(graph.database) as database:
        for photo, order in enumerate(scrambled):
            database.update_keypoints(photo + 1, graph.keypoints[photo][order].astype(np.float32))
    shuffled = replace(
        graph, keypoints=tuple(k[o] for k, o in zip(graph.keypoints, scrambled, strict=True))
    )
    with pytest.raises(SplatposeError, match=r"No camera poses|Only . of") as caught:
        solve(replace(good, graph=shuffled), tmp_path / "out", replace(CONFIG, max_rounds=1))
    assert caught.value.hint


def test_a_camera_of_which_no_photo_is_placed(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(6), cloud(), strangers=1)
    poses, summary = solve(scene, tmp_path / "poses")
    assert poses.registered.tolist() == [True] * 6 + [False]
    assert summary.startswith("6/7 photos placed")
    assert [(c.width, c.height) for c in poses.cameras] == [(800, 600), (301, 200)]
    assert poses.camera_index.tolist() == [0] * 6 + [1]


def test_photos_on_their_side_are_told_and_the_world_stands(tmp_path: Path) -> None:
    cameras = arc(8)
    for photo in range(1, 8, 2):  # turned about the optical axis
        cameras[photo, :2] = np.stack([-cameras[photo, 1], cameras[photo, 0]])
    scene = make_scene(tmp_path, cameras, cloud())
    events: list[Event] = []
    poses, _ = solve(scene, tmp_path / "poses", events=events)
    assert poses.registered.all()
    said = [event.text for event in events if isinstance(event, Message)]
    assert any(
        text.startswith("4 photos lie on their side: IMG_2.png, IMG_4.png, IMG_6.png, IMG_8.png")
        for text in said
    )
    assert not any("uncertain" in text for text in said)
    down = poses.cam_from_world[::2, 1, 1]
    assert (down > np.cos(np.radians(20))).all()


def test_many_photos_are_built_on_selected_tracks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is many is lowered to six: the model is right, on a part of the tracks."""
    for module in (
        "sfm.mapping.mapper_variants",
        "sfm.mapping.global_mapper",
        "stages.poses.finishing",
    ):
        monkeypatch.setattr(f"splatpose.{module}.MANY_PHOTOS", 6)
    scene = make_scene(tmp_path, arc(6), cloud(900))
    some, _ = solve(scene, tmp_path / "some")
    assert some.registered.all()
    assert position_error(some, scene) < 1
    assert 100 < len(some.points) < 0.6 * len(scene.points)
    assert {h.name for h in some.hypotheses} >= {"global calibrated", "view graph"}
    assert not list((tmp_path / "some").glob("*.db"))


def test_what_few_photos_with_many_matches_are_built_on_is_refined_on_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def spied(*given: Any, on_selected: bool, **options: Any) -> Any:
        told.append(on_selected)
        return refine(*given, on_selected=on_selected, **options)

    monkeypatch.setattr(attempt, "refine", spied)
    scene = make_scene(tmp_path, arc(6), cloud(900))
    whole, _ = solve(scene, tmp_path / "whole")
    monkeypatch.setattr(matches_to_map, "TRACKS", replace(TRACKS, many_matches=100))
    monkeypatch.setattr(matches_to_map, "TRACKS_OF_FEW", TrackThresholds(of_a_cell=1, of_a_pair=10))
    selected, _ = solve(scene, tmp_path / "selected")
    assert told == [False, True]
    assert len(selected.points) > 0.99 * len(whole.points)
