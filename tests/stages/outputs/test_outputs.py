"""What a run leaves in OUT: every file read back by other means, and replaced wholly or not."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch
from plyfile import PlyData
from scenes.outputs import COUNT, HELD_OUT, MISSING, Scene, make_scene, stored_turned, taken_at

from splatpose.errors import SplatposeError
from splatpose.evaluation.estimate import read_estimate
from splatpose.events import Message
from splatpose.io.colmap import read_model
from splatpose.io.nerfstudio import read_transforms
from splatpose.io.ply import read_splat_ply
from splatpose.io.tum import read_stamp_names, read_tum
from splatpose.scene.depth_maps import DepthAlignment, DepthFit
from splatpose.stages.outputs.report import build_report


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_everything_is_there_and_nothing_else(scene: Scene) -> None:
    summary = scene.write()
    assert "20 Gaussians" in summary
    assert f"{COUNT - 1} of {COUNT} cameras" in summary
    assert "28.50 dB" in summary
    files = set(contents(scene.out))
    model = {f"sparse/0/{path.name}" for path in scene.poses.model_dir.glob("*.bin")}
    assert files == model | {
        "splat.ply",
        "sparse_pc.ply",
        "transforms.json",
        "trajectory.tum",
        "trajectory.csv",
        "report.html",
        "report.json",
        "previews/photo_4.png",
    }


def test_the_files_say_what_the_stages_found(scene: Scene) -> None:
    scene.write()
    registered = np.flatnonzero(scene.poses.registered)
    splats = read_splat_ply(scene.out / "splat.ply")
    torch.testing.assert_close(splats.means, scene.trained.splats.means)

    model = pycolmap.Reconstruction(str(scene.out / "sparse" / "0"))
    assert model.num_reg_images() == COUNT - 1

    cloud = PlyData.read(str(scene.out / "sparse_pc.ply"))["vertex"]
    xyz = np.stack([cloud["x"], cloud["y"], cloud["z"]], 1)
    np.testing.assert_allclose(xyz, scene.poses.points, atol=1e-6)
    np.testing.assert_array_equal(cloud["red"], scene.poses.point_colors[:, 0])

    nerf = read_transforms(scene.out / "transforms.json")
    assert [photo.resolve() for photo in nerf.photos] == [
        scene.capture.photos[i].path.resolve() for i in registered
    ]
    np.testing.assert_allclose(nerf.cam_from_world, scene.poses.cam_from_world[registered])
    np.testing.assert_array_equal(nerf.camera_index, scene.poses.camera_index[registered])
    np.testing.assert_allclose(nerf.cameras[0].params, (60, 60, 32, 24, 0.05, 0, 0, 0))
    np.testing.assert_allclose(nerf.cameras[1].params, (80, 81, 31, 25, 0, 0, 0, 0))
    assert nerf.point_cloud is not None
    assert nerf.point_cloud.is_file()

    stamps, poses = read_tum(scene.out / "trajectory.tum")
    np.testing.assert_array_equal(stamps, registered)
    np.testing.assert_allclose(poses, scene.poses.cam_from_world[registered], atol=1e-7)


def test_a_trajectory_has_the_photos_times_and_their_names_beside_it(scene: Scene) -> None:
    """In the order of time, whatever order the names have; the photo without a pose has no time."""
    events: list[Message] = []
    taken_at(scene, {0: 50.25, 1: 40.0, 3: 60.5, 4: 30.0, 5: 70.0}).write(events)
    path, table = scene.out / "trajectory.tum", scene.out / "trajectory.csv"
    stamps, poses = read_tum(path)
    order = [4, 1, 0, 3, 5]
    np.testing.assert_array_equal(stamps, [30, 40, 50.25, 60.5, 70])
    np.testing.assert_allclose(poses, scene.poses.cam_from_world[order], atol=1e-7)
    assert "EXIF time of the photo" in path.read_text().splitlines()[0]
    assert read_stamp_names(table) == tuple(scene.poses.names[i] for i in order)
    assert table.read_text().splitlines()[:2] == ["timestamp,name", "30.000000,photo_4.jpg"]
    assert not events
    read = read_estimate(path)
    assert read.names == read_stamp_names(table)
    np.testing.assert_allclose(read.cam_from_world, poses)


def test_where_nothing_tells_times_photos_are_counted_and_it_is_said(scene: Scene) -> None:
    events: list[Message] = []
    taken_at(scene, {0: 50.25}).write(events)
    assert read_tum(scene.out / "trajectory.tum")[0].tolist() == [0, 1, 3, 4, 5]
    assert "the photos have no times" in (scene.out / "trajectory.tum").read_text()
    assert [event.text for event in events] == [
        "neither the photos' names nor EXIF tell their times: trajectory.tum counts them"
    ]


def test_cameras_fit_the_pixels_as_they_are_stored(scene: Scene) -> None:
    turned = stored_turned(scene, {1: 6, 3: 8, 4: 3, 5: 5})
    events: list[Message] = []
    turned.write(events)
    model = read_model(scene.out / "sparse" / "0", scene.poses.names)
    lenses = [model.cameras[i] for i in model.camera_index]
    sizes = [(lens.width, lens.height) for lens in lenses]
    assert [sizes[i] for i in (0, 1, 3, 4, 5)] == [(64, 48), (48, 64), (48, 64), *[(64, 48)] * 2]
    # The right of the upright photo is the bottom of pixels that are stored in orientation 8.
    np.testing.assert_allclose(
        model.cam_from_world[3, 1], scene.poses.cam_from_world[3, 0], atol=1e-12
    )
    np.testing.assert_allclose(model.cam_from_world[5], scene.poses.cam_from_world[5])
    nerf = read_transforms(scene.out / "transforms.json")
    registered = np.flatnonzero(scene.poses.registered)
    np.testing.assert_allclose(nerf.cam_from_world, model.cam_from_world[registered], atol=1e-12)
    written = [nerf.cameras[i] for i in nerf.camera_index]
    assert [(c.width, c.height) for c in written] == [sizes[i] for i in registered]
    for lens, number in zip(written, registered, strict=True):
        np.testing.assert_allclose(lens.K, lenses[number].K)
    _, path = read_tum(scene.out / "trajectory.tum")
    np.testing.assert_allclose(path, nerf.cam_from_world, atol=1e-7)
    report = json.loads((scene.out / "report.json").read_text())
    assert [row["orientation"] for row in report["photos"]] == [1, 6, 1, 8, 3, 5]
    info, warning, _ = [event for event in events if isinstance(event, Message)]
    assert info.text.startswith("3 photos not stored upright")
    assert warning.text.startswith("photo_5.jpg are stored mirrored")


def test_the_report_accounts_for_every_photo(scene: Scene) -> None:
    stage = {"stage": "capture", "seconds": 1.0, "peak_memory_mb": 80.0, "summary": "6 photos"}
    scene.write(command=["splatpose", "fit"], stages=[stage])
    report = json.loads((scene.out / "report.json").read_text(), parse_constant=pytest.fail)
    assert report["version"] == 1
    assert report["seed"] == 3
    assert report["stages"][0]["seconds"] == 1.0
    assert [photo["name"] for photo in report["photos"]] == list(scene.poses.names)
    lost, measured, plain = (report["photos"][i] for i in (MISSING, HELD_OUT, 0))
    assert not lost["registered"]
    assert lost["cam_from_world"] is None
    np.testing.assert_array_equal(plain["cam_from_world"], scene.poses.cam_from_world[0])
    assert [row["path"] for row in report["photos"]] == [
        str(photo.path) for photo in scene.capture.photos
    ]
    assert report["trajectory"] == {"times": "numbers"}
    assert lost["reason"] == "too few matches"
    assert lost["inlier_share"] is None
    assert (measured["held_out"], measured["held_out_psnr"]) == (True, 28.5)
    assert (plain["held_out"], plain["held_out_psnr"], plain["camera"]) == (False, None, 0)
    assert plain["triangulated_keypoints"] == 2
    assert report["skipped"] == [{"name": "note.jpg", "reason": "it is text", "kind": ""}]
    assert [h["chosen"] for h in report["hypotheses"]] == [True, False]
    assert report["hypotheses"][1]["reprojection_error"] is None
    assert report["cameras"][0]["focal_prior"] == 55.0
    assert report["cameras"][1]["estimate"]["focal_x"] == 80.0
    assert report["matching"]["verified_matches"] == 11
    assert report["matching"]["verified_pairs"] == 2
    assert report["matching"]["ways"] == [
        {"way": "nearest neighbours", "pairs": 2, "verified_pairs": 1, "sift_beside": 0},
        {"way": "network, all keypoints", "pairs": 1, "verified_pairs": 1, "sift_beside": 1},
    ]
    assert report["training"]["final_pass_on_all"] is True
    assert report["training"]["curve"][-1] == {
        "step": 100, "seconds": 3.5, "loss": 0.1, "gaussians": 20
    }  # fmt: skip
    assert report["summary"]["held_out_psnr"] == 28.5
    assert report["versions"]["numpy"] == np.__version__
    assert report["machine"]["usable_cores"] >= 1


def test_the_report_says_what_became_of_every_depth_map(scene: Scene) -> None:
    good = DepthFit(True, "agrees", 0.5, 0.1, 300, 0.9, 0.03, 0.2)
    bad = DepthFit(False, "does not follow the matches", points=40, rank_correlation=0.1)
    fits = (good, bad, DepthFit(False, "the photo has no pose"), good, bad, good)
    scene.write(depth=DepthAlignment(scene.poses.names, "maps", "disparity", fits))
    report = json.loads((scene.out / "report.json").read_text())
    assert report["depth"] == {
        "source": "maps",
        "kind": "disparity",
        "kept": 3,
        "mean_residual": pytest.approx(0.03),
    }
    rows = [photo["depth_prior"] for photo in report["photos"]]
    assert rows[0] == dataclasses.asdict(good)
    assert [row["kept"] for row in rows] == [True, False, False, True, False, True]
    assert rows[1]["alpha"] is None
    assert "matches" in rows[1]["reason"]
    scene.write()
    report = json.loads((scene.out / "report.json").read_text())
    assert report["depth"] is None
    assert all(photo["depth_prior"] is None for photo in report["photos"])


def test_a_later_run_s_files_replace_all_of_an_earlier_one_s(scene: Scene) -> None:
    scene.write()
    (scene.out / "mine.txt").write_text("the user's own")
    (scene.trained.previews_dir / "photo_4.png").rename(scene.trained.previews_dir / "photo_5.png")
    scene.write()
    files = contents(scene.out)
    assert "previews/photo_5.png" in files
    assert "previews/photo_4.png" not in files
    assert files["mine.txt"] == b"the user's own"
    assert not [name for name in files if name.startswith(".outputs")]


def test_previews_take_no_room_twice(scene: Scene) -> None:
    scene.write()
    made = scene.out / "previews" / "photo_4.png"
    assert made.samefile(scene.trained.previews_dir / "photo_4.png")


def test_a_failure_leaves_the_earlier_results(scene: Scene) -> None:
    scene.write()
    before = contents(scene.out)
    splats = scene.trained.splats
    ruined = dataclasses.replace(splats, means=splats.means * float("nan"))
    trained = dataclasses.replace(scene.trained, splats=ruined)
    with pytest.raises(SplatposeError, match="NaN"):
        dataclasses.replace(scene, trained=trained).write()
    assert contents(scene.out) == before


def test_a_section_or_preview_that_cannot_be_made_costs_itself_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*_: object) -> None:
        raise ZeroDivisionError("no cameras apart")

    monkeypatch.setattr("splatpose.stages.outputs.page.build.top_view", odd)
    (scene.trained.previews_dir / "gone.png").symlink_to("nowhere.png")
    events: list[object] = []
    scene.write(events)
    files = contents(scene.out)
    assert b"Reprojection error" in files["report.html"]
    assert "previews/photo_4.png" in files
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    preview, section = warnings
    assert "gone.png could not be copied to the previews" in preview
    assert "The section cameras of the report could not be made" in section


def test_a_page_that_cannot_be_made_leaves_no_older_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write()

    def odd(*_: object) -> None:
        raise LookupError("template")

    monkeypatch.setattr("splatpose.stages.outputs.stage.build_page", odd)
    events: list[object] = []
    scene.write(events)
    assert "report.html" not in contents(scene.out)
    assert "splat.ply" in contents(scene.out)
    (warning,) = (e.text for e in events if isinstance(e, Message) and e.level == "warning")
    assert warning.startswith("report.html could not be made; report.json")


def test_leftovers_of_a_killed_run_are_cleared(scene: Scene) -> None:
    for name in (".outputs.part", ".outputs.old"):
        (scene.out / name / "previews").mkdir(parents=True)
        (scene.out / name / "previews" / "junk.png").touch()
    scene.write()
    assert not [name for name in contents(scene.out) if "junk" in name]


def test_gaussians_that_are_not_finite_are_counted_out_loud(scene: Scene) -> None:
    means = scene.trained.splats.means.clone()
    means[3] = float("inf")
    splats = dataclasses.replace(scene.trained.splats, means=means)
    events: list[object] = []
    trained = dataclasses.replace(scene.trained, splats=splats)
    summary = dataclasses.replace(scene, trained=trained).write(events)
    assert "19 Gaussians" in summary
    assert any(isinstance(e, Message) and e.level == "warning" for e in events)
    report = json.loads((scene.out / "report.json").read_text())
    assert report["training"]["gaussians_dropped"] == 1


def test_nothing_held_out(scene: Scene) -> None:
    trained = dataclasses.replace(scene.trained, held_out=())
    assert "PSNR" not in dataclasses.replace(scene, trained=trained).write()
    report = json.loads((scene.out / "report.json").read_text())
    assert report["summary"]["held_out_psnr"] is None


def test_a_part_of_a_nerf_run_can_be_moved_with_its_photos(scene: Scene, tmp_path: Path) -> None:
    for photo in scene.capture.photos:
        photo.path.parent.mkdir(exist_ok=True)
        photo.path.touch()
    scene.write()
    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / "run").rename(moved / "run")
    (tmp_path / "my photös").rename(moved / "my photös")
    nerf = read_transforms(moved / "run" / "transforms.json")
    assert all(photo.is_file() for photo in nerf.photos)


def test_importing_the_stage_stays_light() -> None:
    code = (
        "import sys, splatpose.stages.outputs; "
        "print([m for m in ('numpy', 'torch', 'pycolmap', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_lenses_behind_one_label_are_cameras_of_their_own(scene: Scene) -> None:
    poses = scene.poses
    longer = dataclasses.replace(poses.cameras[0], params=poses.cameras[0].params * 2)
    index = poses.camera_index.copy()
    index[1] = len(poses.cameras)
    poses = dataclasses.replace(poses, cameras=(*poses.cameras, longer), camera_index=index)
    report = build_report(scene.capture, scene.graph, poses, scene.views, scene.trained)
    focal = float(longer.K[0, 0])
    labels = [camera["label"] for camera in report["cameras"]]
    assert labels == [f"phone, {focal / 2:.0f} px", "64x48", f"phone, {focal:.0f} px"]
    assert [camera["photos"] for camera in report["cameras"]] == [2, 3, 1]
    assert [photo["camera"] for photo in report["photos"]] == [0, 2, 0, 1, 1, 1]
