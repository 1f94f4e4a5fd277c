"""What the live viewer is made of, without a browser."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.splats import random_splats
from scenes.viewer_run import REGISTERED, compute_run

from splatpose.errors import SplatposeError
from splatpose.events import Message
from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.rotations import matrix_from_quat
from splatpose.io.ply import write_splat_ply
from splatpose.runs.log import EventLog, LogReader
from splatpose.scene import verdicts as trust
from splatpose.scene.sparse_model import PoseSnapshot
from splatpose.scene.splats import Splats
from splatpose.stages.outputs.crop import CropBox
from splatpose.stages.trust.storage import save as save_verdicts
from splatpose.viewer.web.access import Door, door_for, host_name, is_this_machine
from splatpose.viewer.web.drawing import Drawer, Shown, placed_poses
from splatpose.viewer.web.follow import FileFollower, RunFollower
from splatpose.viewer.web.gaussians import for_browser
from splatpose.viewer.web.geometry import (
    around,
    box_edges,
    changes,
    first_view,
    fitting_fov,
    ground_level,
    link_lines,
    path_lines,
    ring,
)
from splatpose.viewer.web.progress import RunProgress
from splatpose.viewer.web.reading import read_final_verdicts, read_verdicts
from splatpose.viewer.web.server import address_of, open_server, tunnel_command
from splatpose.viewer.web.server_render import (
    Overlay,
    Picture,
    RenderService,
    Request,
    fitting_size,
    lay_over,
    shade_depth,
)
from splatpose.viewer.web.show import follower_of
from splatpose.viewer.web.texts import (
    counts,
    message_list,
    snapshot_line,
    stage_table,
    steering_line,
)
from splatpose.viewer.web.world import ShownSplats, World

LOCAL = {"Host": "localhost:8080"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:80", "[::1]:8080"])
def test_without_a_token_this_machine_is_let_in(host: str) -> None:
    assert Door().judge("/", {"Host": host}).refusal == ""


@pytest.mark.parametrize("host", ["", "evil.example", "192.168.0.7:8080", "[nonsense"])
def test_without_a_token_a_foreign_name_is_refused(host: str) -> None:
    """A foreign name that leads to this machine is how pages from elsewhere get round origins."""
    assert Door().judge("/", {"Host": host}).refusal


@pytest.mark.parametrize("door", [Door(), Door("secret")])
def test_pages_from_elsewhere_are_refused(door: Door) -> None:
    address = "/?token=secret"
    assert door.judge(address, LOCAL | {"Origin": "http://evil.example"}).refusal
    assert door.judge(address, LOCAL | {"Origin": "null"}).refusal
    assert not door.judge(address, LOCAL | {"Origin": "http://localhost:8080"}).refusal


def test_the_token_opens_and_its_cookie_keeps_the_door_open() -> None:
    door = Door("secret")
    for address in ("/", "/?token=", "/?token=wrong", "/?token=secre", "/?other=secret"):
        assert "token" in door.judge(address, {"Host": "box:8080"}).refusal
    answer = door.judge("/?token=secret", {"Host": "box:8080"})
    assert answer.refusal == ""
    assert "HttpOnly" in answer.cookie
    assert "SameSite=Strict" in answer.cookie
    cookie = answer.cookie.split(";")[0]
    assert door.judge("/", {"Host": "box:8080", "Cookie": f"a=b; {cookie}"}).refusal == ""
    for wrong in (f"{door.cookie_name}=wrong", "splatpose=secret", "\x00=;;"):
        assert door.judge("/", {"Host": "box:8080", "Cookie": wrong}).refusal


def test_only_other_hosts_get_a_token_and_each_another() -> None:
    assert door_for("127.0.0.1").token == door_for("localhost").token == ""
    first, second = door_for("0.0.0.0").token, door_for("0.0.0.0").token
    assert len(first) >= 32
    assert first != second


def test_addresses() -> None:
    assert is_this_machine("127.0.0.9")
    assert not is_this_machine("0.0.0.0")
    assert host_name("[::1]:80") == "::1"
    assert address_of("127.0.0.1", 8080, Door()) == "http://localhost:8080/"
    assert address_of("0.0.0.0", 81, Door("t")) == f"http://{socket.gethostname()}:81/?token=t"
    assert address_of("fe80::1", 81, Door("t")) == "http://[fe80::1]:81/?token=t"


def test_the_tunnel_is_named_on_remote_machines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert tunnel_command("127.0.0.1", 8080) == ""
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 5000 10.0.0.2 22")
    monkeypatch.setenv("USER", "ann")
    assert tunnel_command("127.0.0.1", 8081) == "ssh -N -L 8081:localhost:8081 ann@10.0.0.2"
    assert tunnel_command("0.0.0.0", 8081) == ""
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 5000 10.0.0.2 2222")
    assert "-p 2222" in tunnel_command("127.0.0.1", 8081)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("viewer") / "run"
    compute_run(out, 30)
    return out


def test_a_finished_run_is_read_whole(finished: Path) -> None:
    follower = RunFollower(finished)
    assert follower.look()
    world, progress = follower.world, follower.progress
    assert world.problems == ()
    assert progress.finished is not None
    assert progress.error == ""
    assert world.capture is not None
    assert len(world.thumbnails) == len(world.capture.photos) == REGISTERED + 1
    assert world.poses is not None
    assert int(world.poses.registered.sum()) == REGISTERED
    assert world.links is not None
    assert world.links.pairs.tolist()[0] == [0, 1]
    assert world.links.matches.tolist()[:2] == [20, 10]
    assert world.splats is not None
    assert world.splats.step is None
    assert len(world.splats.browser) == len(world.splats.full)
    assert world.views is not None
    assert len(progress.curve) > 1
    levels = [verdict.level for verdict in world.verdicts]
    assert levels == ["weak"] + ["registered"] * (REGISTERED - 1) + ["refused"]
    assert world.verdicts[0].advice == "Photograph it again."
    assert not follower.look(), "nothing is new"
    assert follower.world is world


def test_a_run_without_a_log_is_read_by_its_manifests(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    os.system(f"cp -r '{finished}' '{out}'")
    (out / ".splatpose" / "events.jsonl").unlink()
    follower = RunFollower(out)
    follower.look()
    assert follower.world.splats is not None
    assert follower.progress.stages["poses"].state == "done"
    assert len(follower.progress.curve) > 1


def test_a_run_is_followed_from_nothing_through_its_stages(tmp_path: Path) -> None:
    out = tmp_path / "run"
    follower = RunFollower(out)
    assert not follower.look()
    seen: list[str] = []

    def look(event: object) -> None:
        if follower.look():
            world = follower.world
            parts = {"capture": world.capture, "poses": world.poses, "splats": world.splats}
            seen.extend(name for name, part in parts.items() if part and name not in seen)

    compute_run(out, 20, look)
    follower.look()
    assert seen[:2] == ["capture", "poses"]
    assert follower.world.splats is not None
    before = follower.world
    compute_run(out, 20, last="capture")
    follower.look()
    assert follower.world is not before
    assert follower.world.poses is None, "the poses of an earlier run are not this one's"
    assert follower.progress.stages["capture"].state == "kept"


def test_a_run_that_died_is_known_to_be_dead(tmp_path: Path) -> None:
    work = tmp_path / ".splatpose"
    work.mkdir()
    with EventLog(work) as log:
        log.sink(lambda event: None)(Message("poses", "x"))
    text = (work / "events.jsonl").read_text().replace(f'"pid": {os.getpid()}', '"pid": 99999999')
    (work / "events.jsonl").write_text(text)
    follower = RunFollower(tmp_path)
    follower.look()
    assert "gone" in follower.progress.error


def test_a_splat_file_is_shown_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "scene.ply"
    write_splat_ply(path, random_splats(30, 0))
    follower = follower_of(path)
    assert isinstance(follower, FileFollower)
    assert follower.look()
    assert not follower.look()
    write_splat_ply(path, random_splats(40, 0))
    os.utime(path, (1, 1))
    assert follower.look()
    assert follower.world.splats is not None
    assert len(follower.world.splats.browser) == 40


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="nothing at"):
        follower_of(tmp_path / "absent")
    with pytest.raises(SplatposeError, match="no output folder"):
        follower_of(tmp_path)
    (tmp_path / "points.ply").write_text("ply\n")
    with pytest.raises(SplatposeError, match="readable"):
        follower_of(tmp_path / "points.ply").look()


def test_gaussians_for_the_browser_are_the_same_gaussians() -> None:
    splats = random_splats(50, 1)
    shown = for_browser(splats)
    assert len(shown) == 50
    order = [int(np.argmin(np.abs(splats.means.numpy() - c).sum(1))) for c in shown.centers]
    assert sorted(order) == list(range(50))
    rotation = matrix_from_quat(splats.quats.numpy()[order])
    scales = splats.log_scales.exp().numpy()[order]
    expected = rotation @ (scales[:, :, None] ** 2 * np.eye(3)) @ rotation.transpose(0, 2, 1)
    np.testing.assert_allclose(shown.covariances, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(
        shown.opacities[:, 0], splats.logit_opacities.sigmoid().numpy()[order], rtol=1e-5
    )
    zoomed = shown.covariances * shown.zoom(1.0) ** 2
    assert np.isfinite(zoomed.astype(np.float16)).all()


def test_the_largest_contributions_come_first_and_nan_not_at_all() -> None:
    splats = Splats(
        means=torch.tensor([[0.0, 0, 0], [0, 0, 0], [0, 0, 50], [float("nan"), 0, 0]]),
        quats=torch.tensor([[0.0, 0, 0, 0]] * 4),
        log_scales=torch.tensor([-3.0, -1, -1, 5])[:, None].expand(4, 3).clone(),
        logit_opacities=torch.zeros(4),
        sh=torch.zeros(4, 1, 3),
    )
    shown = for_browser(splats)
    assert shown.centers[:, 2].tolist() == [0, 0, 50]
    assert shown.covariances[0, 0, 0] > shown.covariances[1, 0, 0]
    assert len(shown.limited(1)) == 1


def test_huge_gaussians_fit_in_half_floats() -> None:
    splats = random_splats(3, 0)
    splats.log_scales[0] = 6.0
    shown = for_browser(splats)
    assert np.isfinite((shown.covariances * shown.zoom(1.5) ** 2 * 1.5**2).astype(np.float16)).all()


def test_photos_without_a_place_stand_in_a_ring() -> None:
    poses = ring(7)
    centers = centers_of(poses)
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(centers[:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1, atol=1e-9)
    np.testing.assert_allclose(poses[:, 1, 1], 1, atol=1e-9)  # upright: y is down for both


def test_links_are_stronger_for_more_matches_and_need_two_places() -> None:
    centers = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [np.nan] * 3])
    pairs = np.array([[0, 1], [1, 2], [2, 3]])
    segments, colors = link_lines(centers, pairs, np.array([10, 500, 900]))
    assert segments.tolist() == [[[1, 0, 0], [2, 0, 0]], [[0, 0, 0], [1, 0, 0]]]
    assert colors[0, 0].sum() > colors[1, 0].sum()
    assert path_lines(centers).shape == (2, 2, 3)
    assert path_lines(centers[3:]).shape == (0, 2, 3)


def test_the_first_view_looks_at_the_scene_from_above(finished: Path) -> None:
    follower = RunFollower(finished)
    follower.look()
    poses = follower.world.poses
    assert poses is not None
    view = first_view(poses)
    np.testing.assert_allclose(view.look_at, np.median(poses.points, axis=0))
    nearest = np.linalg.norm(centers_of(poses.cam_from_world)[:-1] - view.look_at, axis=1).min()
    assert np.linalg.norm(view.position - view.look_at) > nearest
    assert ground_level(poses.points) > np.median(poses.points[:, 1]), "down is +y"


def test_a_window_shows_a_whole_photo() -> None:
    K = np.array([[100.0, 0, 50], [0, 100, 25], [0, 0, 1]])
    assert fitting_fov(K, (100, 50), 2.0) == pytest.approx(2 * np.arctan(0.25))
    assert fitting_fov(K, (100, 50), 1.0) == pytest.approx(2 * np.arctan(0.5))


def test_an_overlaid_photo_lies_where_the_camera_saw_it() -> None:
    """A photo over a rendering with the same intrinsics is pixel for pixel itself."""
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    K = np.array([[50.0, 0, 30], [0, 50, 20], [0, 0, 1]])
    fov = 2 * np.arctan(20 / 50)
    black = np.zeros((40, 60, 3), np.uint8)
    whole = lay_over(black, Overlay(photo, K, "blend", 1.0), fov)
    np.testing.assert_array_equal(whole, photo)
    half = lay_over(black, Overlay(photo, K, "split", 0.5), fov)
    np.testing.assert_array_equal(half[:, :30], photo[:, :30])
    assert not half[:, 30:].any()
    error = lay_over(photo, Overlay(photo, K, "error", 0.5), fov)
    assert error.max() < 10, "there is no error"
    wide = lay_over(np.zeros((40, 120, 3), np.uint8), Overlay(photo, K, "blend", 1.0), fov)
    np.testing.assert_array_equal(wide[:, 30:90], photo)
    assert not wide[:, :29].any()


def test_depth_is_brighter_near_and_black_where_nothing_is() -> None:
    depth = np.tile(np.linspace(1, 5, 40, dtype=np.float32), (30, 1))
    solid = np.ones((30, 40), bool)
    solid[:10] = False
    image = shade_depth(depth, solid)
    assert not image[:10].any()
    assert image[20, 1, 0] > image[20, -2, 0], "near is red in this map"
    assert not shade_depth(depth, np.zeros((30, 40), bool)).any()


@pytest.mark.parametrize("pace", [1e-9, 1e-6, 1e-4])
def test_the_size_adapts_to_the_pace(pace: float) -> None:
    width, height = fitting_size((1600, 900), pace, 0.1)
    assert width / height == pytest.approx(16 / 9, rel=0.03)
    assert width * height * pace < 0.11 or width * height <= 160 * 120 * 1.05
    assert width <= 1600


def test_the_page_says_what_happens_and_nothing_is_taken_for_markup(finished: Path) -> None:
    progress = RunProgress()
    for line in LogReader(finished / ".splatpose").lines():
        progress = progress.after(line)
    table = stage_table(progress)
    assert 'data-stage="splats" data-state="done"' in table
    assert "depth" not in table, "stages that were not asked for"
    messages = message_list(progress.messages, ["could not <read>"])
    assert "&lt;no&gt;" in messages
    assert "<no>" not in messages
    assert "&lt;read&gt;" in messages
    follower = RunFollower(finished)
    follower.look()
    text = counts(follower.world, 9, 100, 900)
    assert 'data-cameras="9"' in text
    assert "100 of" in text
    assert "1 weak" in text


def test_what_pausing_and_stopping_come_to_is_said() -> None:
    progress = RunProgress()
    assert steering_line(progress, False, True) == ""
    progress = progress.after({"event": "stage_started", "elapsed": 1, "stage": "poses"})
    assert "once Gaussians are trained" in steering_line(progress, False, True)
    assert "under way" in steering_line(progress, True, True)
    assert "cannot be steered" in steering_line(progress, False, False)
    progress = progress.after({"event": "stage_finished", "elapsed": 1, "stage": "poses",
        "summary": "", "seconds": 1.0, "peak_memory_mb": 1.0})  # fmt: skip
    progress = progress.after({"event": "stage_started", "elapsed": 1, "stage": "splats"})
    assert "saves all results" in steering_line(progress, False, True)


def test_a_run_that_goes_back_to_a_checkpoint_has_one_curve() -> None:
    progress = RunProgress()
    for step in (1, 5, 9, 5, 7):
        progress = progress.after(
            {
                "event": "training_step",
                "elapsed": 1,
                "step": step,
                "total_steps": 10,
                "loss": 0.1 * step,
                "num_gaussians": 5,
                "image_size": [4, 4],
                "held_out_psnr": 20.0,
            }
        )
    assert [step for step, _, _ in progress.curve] == [1, 5, 7]
    assert [step for step, _ in progress.psnr] == [1, 5, 7]


def test_the_time_that_is_left_recovers_from_a_pause() -> None:
    progress = RunProgress().after({"event": "stage_started", "elapsed": 0, "stage": "splats"})
    elapsed = 0.0
    for step in range(1, 201):
        elapsed += 1000 if step == 100 else 2
        line = {"event": "training_step", "elapsed": elapsed, "step": step, "total_steps": 300}
        progress = progress.after(line | {"loss": 0.1, "num_gaussians": 5, "image_size": [4, 4]})
    assert progress.remaining() == pytest.approx(200)


def test_a_box_has_twelve_edges_and_holds_nearly_all_points() -> None:
    points = np.random.default_rng(0).normal(size=(1000, 3)) * (1, 2, 3)
    inner, outer = around(points)
    assert 0.85 < np.mean([point in inner for point in points]) < 1
    assert np.all(np.array(outer.low) < inner.low)
    edges = box_edges(inner)
    assert edges.shape == (12, 2, 3)
    lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    assert lengths.sum() == pytest.approx(4 * np.subtract(inner.high, inner.low).sum())


def test_only_what_is_asked_for_is_drawn_again(finished: Path) -> None:
    """A viser scene on a real server, which nobody looks at."""
    follower = RunFollower(finished)
    follower.look()
    server = open_server("127.0.0.1", 0, Door("nobody"))
    try:
        drawer, shown = Drawer(server.scene), Shown()
        drawer.draw(follower.world, shown)
        assert drawer.cameras_shown == REGISTERED
        total = drawer.splats_shown
        assert total == len(follower.world.splats.browser)
        handles = dict(drawer._handles)
        drawer.draw(follower.world, shown)
        assert all(drawer._handles[part] is handles[part] for part in handles)
        shown.most_splats, shown.crop = 50, CropBox((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        drawer.draw(follower.world, shown)
        assert drawer.splats_shown == 50
        assert drawer._handles["cameras"] is handles["cameras"]
        assert len(drawer._handles["crop"]) == 1
        shown.cameras = False
        drawer.draw(follower.world, shown)
        assert drawer.cameras_shown == 0
        assert server.scene.get_handle_by_name("/points") is not None
    finally:
        server.stop()


def test_snapshots_of_the_poses_are_shown_where_there_are_some(finished: Path) -> None:
    follower = RunFollower(finished)
    follower.look()
    poses = follower.world.poses
    assert poses is not None
    assert placed_poses(follower.world, 0)[0] is poses.cam_from_world, "there is no past"
    moved = poses.cam_from_world.copy()
    moved[:, :3, 3] += 0.02
    early = PoseSnapshot("initial", moved, poses.points[:5])
    late = PoseSnapshot("global", poses.cam_from_world, poses.points)
    past = dataclasses.replace(poses, snapshots=(early, late))
    world = dataclasses.replace(follower.world, poses=past)
    assert "initial poses, 5 points" in snapshot_line(past, 0)
    percent, degrees = changes(moved, poses.cam_from_world)
    expected = 100 * 0.02 * 3**0.5 / rms_radius(centers_of(poses.cam_from_world[:REGISTERED]))
    assert percent == pytest.approx(expected)
    assert degrees == pytest.approx(0, abs=1e-5)
    assert "(final)" in snapshot_line(past, 1)
    assert placed_poses(world, 0)[0] is early.cam_from_world
    assert len(placed_poses(world, 0)[1]) == 5
    assert placed_poses(world, -1)[0] is poses.cam_from_world
    assert placed_poses(World(), 0)[0] is None


def test_the_newest_request_wins() -> None:
    service = RenderService()
    splats = random_splats(100, 0)
    shown = ShownSplats(for_browser(splats), splats, None)
    pose = np.eye(4)
    pose[2, 3] = 4.0
    pictures: list[int] = []
    last = threading.Event()

    def deliver(number: int) -> Callable[[Picture], None]:
        def take(picture: Picture) -> None:
            assert picture.image.shape[1] / picture.image.shape[0] == pytest.approx(1.5, rel=0.05)
            assert picture.image.max() > 20
            pictures.append(number)
            if number == 39:
                last.set()

        return take

    for number in range(40):
        request = Request(shown, pose, 0.8, (300, 200))
        service.ask(1, request, deliver(number))
    assert last.wait(120)
    service.close()
    assert len(set(pictures)) < 20, "stale requests were rendered"
    assert pictures == sorted(pictures)


def test_verdicts_of_the_trust_stage_and_of_the_report_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / ".splatpose" / "trust"
    folder.mkdir(parents=True)
    rows = [("a.jpg", "trusted", None), ("b.jpg", "weak", "Go closer."), ("c.jpg", "refused", None)]
    photos = tuple(
        trust.PhotoVerdict(name, level, f"about {name}", advice, trust.PhotoTrust())
        for name, level, advice in rows
    )
    save_verdicts(folder, trust.Verdicts(photos, (), ()))
    verdicts = read_verdicts(tmp_path / ".splatpose")
    assert [verdict.level for verdict in verdicts] == ["trusted", "weak", "refused"]
    assert verdicts[1].advice == "Go closer."
    assert read_final_verdicts(tmp_path, verdicts) == verdicts, "there is no report"
    lines = [{"name": name, "verdict": "weak", "verdict_reason": "seen"} for name, _, _ in rows]
    (tmp_path / "report.json").write_text(json.dumps({"photos": lines}))
    final = read_final_verdicts(tmp_path, verdicts)
    assert [verdict.level for verdict in final] == ["weak", "weak", "refused"]
    assert final[0].reason == "seen"
    assert final[2] == verdicts[2], "a photo without a pose has none in another run's report either"
