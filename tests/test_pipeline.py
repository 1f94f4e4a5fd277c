"""The product as its user meets it: photos in, splat out, and what happens when things go wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import DEMO, ROOT
from scenes.demo_photos import copy_small, first_photos
from schema_checking import violations

from splatpose.cli.fit import check_trust
from splatpose.config import FitConfig
from splatpose.errors import SplatposeError
from splatpose.evaluation.finished_run import config_of
from splatpose.event_lines import parse_event
from splatpose.events import (
    Event,
    Message,
    Progress,
    RunFinished,
    StageFinished,
    StageSkipped,
    TrainingStep,
)
from splatpose.geometry.similarity import umeyama
from splatpose.io.colmap import read_model
from splatpose.io.nerfstudio import read_transforms
from splatpose.io.ply import read_splat_ply
from splatpose.io.tum import read_tum
from splatpose.pipeline import fit, solve
from splatpose.runs.log import LogReader
from splatpose.runs.steering import Watcher
from splatpose.schemas import load_schema
from splatpose.stages.budget.config import BudgetConfig
from splatpose.stages.capture.stage import fingerprint
from splatpose.stages.joint.config import JointConfig
from splatpose.stages.local.config import LocalConfig

KEEPS_ANYTHING = JointConfig(
    steps=60,
    max_size=120,
    min_gain=-99,
    min_standard_errors=-99,
    match_tolerance=1e9,
    lr_poses=0.5,
)
KEEPS_NOTHING = dataclasses.replace(KEEPS_ANYTHING, min_gain=99)


def tiny() -> FitConfig:
    """A whole run in well under a minute on two cores."""
    usual = FitConfig()
    return dataclasses.replace(
        usual,
        matching=dataclasses.replace(usual.matching, matcher="sift"),
        views=dataclasses.replace(usual.views, max_size=160),
        training=dataclasses.replace(usual.training, steps=120, backend="cpu"),
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven neighbouring demo photos, small, in a folder whose name is not plain ASCII."""
    folder = tmp_path_factory.mktemp("in") / "Fotos vom Kücheneck"
    copy_small(first_photos(7), folder)
    return folder


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    out = tmp_path_factory.mktemp("runs") / "out"
    events: list[Event] = []
    fit(photos, out, tiny(), emit=events.append)
    return out, events


def test_everything_promised_is_there(finished: tuple[Path, list[Event]]) -> None:
    out, events = finished
    for name in ("splat.ply", "transforms.json", "trajectory.tum", "report.json"):
        assert (out / name).stat().st_size > 0, name
    assert {path.name for path in (out / "sparse" / "0").iterdir()} >= {
        "cameras.bin",
        "images.bin",
        "points3D.bin",
    }
    assert len(list((out / "previews").glob("*.png"))) == 1
    report = json.loads((out / "report.json").read_text())
    assert sum(photo["registered"] for photo in report["photos"]) == 7
    splats = read_splat_ply(out / "splat.ply")
    assert len(splats) > 500
    assert splats.sh_degree >= 1
    assert [e.stage for e in events if isinstance(e, StageFinished)] == [
        "capture",
        "matching",
        "poses",
        "views",
        "trust",
        "splats",
        "outputs",
    ]
    assert any(isinstance(event, TrainingStep) for event in events)


def test_every_photo_has_a_verdict(finished: tuple[Path, list[Event]]) -> None:
    out, _ = finished
    report = json.loads((out / "report.json").read_text())
    assert [photo["verdict"] for photo in report["photos"]] == ["trusted"] * 7
    assert all(photo["verdict_reason"] and photo["advice"] is None for photo in report["photos"])
    assert all(photo["evidence"]["folds_agreeing"] == 2 for photo in report["photos"])
    assert report["verdicts"]["trusted_share"] == 1
    (held_out,) = (photo for photo in report["photos"] if photo["held_out"])
    assert held_out["evidence"]["held_out_psnr"] == held_out["held_out_psnr"]
    check_trust(out, 1.0)


def test_strict_fails_a_run_with_too_few_trusted_photos(
    finished: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    report = json.loads((finished[0] / "report.json").read_text())
    report["verdicts"].update(trusted=4, trusted_share=4 / 7, advice=["Take more."])
    (tmp_path / "report.json").write_text(json.dumps(report))
    check_trust(tmp_path, 0.5)
    with pytest.raises(SplatposeError, match=r"4 of 7 photos \(57 %\).*90 %") as refusal:
        check_trust(tmp_path, 0.9)
    assert refusal.value.hint == "Take more."


def test_recovered_cameras_agree_with_the_renderer(finished: tuple[Path, list[Event]]) -> None:
    out, _ = finished
    names, found = centres(out / "transforms.json")
    true_names, true = centres(DEMO / "transforms.json")
    true = true[[true_names.index(name) for name in names]]
    moved = umeyama(found, true).points(found)
    radius = np.sqrt(((true - true.mean(0)) ** 2).sum(1).mean())
    ate = np.sqrt(((moved - true) ** 2).sum(1).mean()) / radius
    assert ate < 0.02


def centres(transforms: Path) -> tuple[list[str], np.ndarray]:
    """Photo names and camera centres."""
    scene = read_transforms(transforms)
    world_from_cam = np.linalg.inv(scene.cam_from_world)
    return [photo.name for photo in scene.photos], world_from_cam[:, :3, 3]


def test_the_run_is_written_down_for_those_who_watch(
    finished: tuple[Path, list[Event]],
) -> None:
    out, events = finished
    header, *lines = LogReader(out / ".splatpose").lines()
    assert header["event"] == "log_started"
    told = [event for event in events if not isinstance(event, Progress)]
    written = [parse_event(line) for line in lines if line["event"] != "progress"]
    assert len(written) == len(told)
    assert [type(event) for event in written] == [type(event) for event in told]
    assert isinstance(written[-1], RunFinished)


def test_a_training_that_is_told_to_stop_leaves_all_results_and_goes_on_later(
    photos: Path, finished: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    shutil.rmtree(out / ".splatpose" / "splats")
    with Watcher(out / ".splatpose") as watcher:

        def stop(event: Event) -> None:
            if isinstance(event, TrainingStep):
                watcher.ask(stop=True)

        fit(photos, out, tiny(), emit=stop)
        steps = json.loads((out / "report.json").read_text())["training"]["steps"]
        assert 0 < steps < 120
        assert len(read_splat_ply(out / "splat.ply")) > 0
        events: list[Event] = []
        fit(photos, out, tiny(), emit=events.append)  # the wish was meant for the run before
    texts = [event.text for event in events if isinstance(event, Message)]
    assert f"training goes on from step {steps}" in texts
    report = json.loads((out / "report.json").read_text())["training"]
    assert report["steps"] > 120
    whole, cut = (read_splat_ply(folder / "splat.ply").means for folder in (finished[0], out))
    assert np.array_equal(whole.numpy(), cut.numpy()), "it is another splat for the interruption"


def test_a_second_run_computes_nothing(photos: Path, finished: tuple[Path, list[Event]]) -> None:
    out, _ = finished
    before = (out / "splat.ply").read_bytes()
    events: list[Event] = []
    fit(photos, out, tiny(), emit=events.append)
    skipped = [event.stage for event in events if isinstance(event, StageSkipped)]
    assert skipped == ["capture", "matching", "poses", "views", "trust", "splats"]
    assert (out / "splat.ply").read_bytes() == before


def test_report_and_log_are_as_their_schemas_say(finished: tuple[Path, list[Event]]) -> None:
    out, _ = finished
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert violations(load_schema("report"), report) == []
    for line in (out / ".splatpose" / "events.jsonl").read_text(encoding="utf-8").splitlines():
        assert violations(load_schema("events"), json.loads(line)) == [], line


def test_minutes_are_planned_once_and_their_numbers_make_the_same_splat(
    photos: Path, finished: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    """A run that goes on has the numbers of its first plan, and they stand for themselves."""
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    asked = dataclasses.replace(tiny(), budget=BudgetConfig(minutes=0.1, given=("views.max_size",)))
    events: list[Event] = []

    def interrupted(event: Event) -> None:
        events.append(event)
        if isinstance(event, TrainingStep):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(photos, out, asked, emit=interrupted)
    planned = [event for event in events if isinstance(event, StageFinished)]
    assert [event.stage for event in planned] == ["budget"], "the views are those of before"
    assert "160 px, 120 steps, " in planned[0].summary
    fit(photos, out, asked, emit=events.append)
    skipped = [event for event in events if isinstance(event, StageSkipped)]
    assert planned[0].summary in [event.summary for event in skipped if event.stage == "budget"]
    report = json.loads((out / "report.json").read_text())
    assert violations(load_schema("report"), report) == []
    told, config = report["budget"], config_of(report)
    assert told["minutes"] == 0.1
    assert told["took_seconds"] > 0
    assert told["max_gaussians"] == config.training.max_gaussians
    assert config.budget == BudgetConfig(minutes=0)
    events.clear()
    fit(photos, out, config, emit=events.append)
    assert not any(isinstance(event, StageFinished) for event in events[:-2])
    splats = read_splat_ply(out / "splat.ply")
    assert len(splats) <= told["max_gaussians"]


def test_names_to_hold_out_are_asked_for_before_the_matching(photos: Path, tmp_path: Path) -> None:
    config = tiny()
    views = dataclasses.replace(config.views, hold_out=("nobody.jpg",))
    with pytest.raises(SplatposeError, match="not among the photos, 'nobody"):
        solve(photos, tmp_path / "out", dataclasses.replace(config, views=views))
    assert (tmp_path / "out" / ".splatpose" / "capture").is_dir()
    assert not list((tmp_path / "out" / ".splatpose").glob("matching*"))


def test_depth_maps_join_a_finished_run_and_leave_it_again(
    photos: Path, finished: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    """Poses and what follows from them are done again, matching is not, and all is reported."""
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    maps = tmp_path / "maps"
    maps.mkdir()
    names = [path.stem for path in sorted(photos.iterdir())]
    with Image.open(next(photos.iterdir())) as photo:
        shape = (photo.height // 4, photo.width // 4)
    for seed, name in enumerate(names[1:]):
        np.save(maps / f"{name}.npy", np.random.default_rng(seed).uniform(1, 2, shape))
    config = tiny()
    with_depth = dataclasses.replace(
        config, depth=dataclasses.replace(config.depth, source=str(maps))
    )
    events: list[Event] = []
    fit(photos, out, with_depth, emit=events.append)
    done = [event.stage for event in events if isinstance(event, StageFinished)]
    assert done == ["depth", "poses", "views", "trust", "splats", "outputs"]
    report = json.loads((out / "report.json").read_text())
    assert [record["stage"] for record in report["stages"]][:3] == ["capture", "depth", "matching"]
    assert report["depth"]["source"] == str(maps)
    assert report["depth"]["kept"] == 0
    said = [photo["depth_prior"]["reason"] for photo in report["photos"]]
    assert said[0] == "there is no depth map of its name"
    assert not any(photo["depth_prior"]["kept"] for photo in report["photos"])
    texts = [event.text for event in events if isinstance(event, Message)]
    assert any("all are dropped" in text for text in texts)
    fit(photos, out, config, emit=events.append)
    report = json.loads((out / "report.json").read_text())
    assert report["depth"] is None
    assert all(photo["depth_prior"] is None for photo in report["photos"])
    assert "depth" not in [record["stage"] for record in report["stages"]]


def with_joint(joint: JointConfig) -> FitConfig:
    return dataclasses.replace(tiny(), joint=joint)


def jointly(
    plain: Path, photos: Path, folder: Path, joint: JointConfig
) -> tuple[Path, list[Event]]:
    """The finished run taken up again with the joint optimisation."""
    out = folder / "out"
    shutil.copytree(plain, out)
    events: list[Event] = []
    fit(photos, out, with_joint(joint), emit=events.append)
    return out, events


def test_kept_poses_reach_every_output(
    photos: Path, finished: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    plain, _ = finished
    out, events = jointly(plain, photos, tmp_path, KEEPS_ANYTHING)
    report = json.loads((out / "report.json").read_text())
    assert report["joint"]["decision"] == "kept"
    assert report["joint"]["psnr_before"] > 0
    assert report["joint"]["match_error_after"] > 0
    assert any(isinstance(e, Message) and "refined poses kept" in e.text for e in events)
    assert [s["stage"] for s in report["stages"]].count("joint") == 1
    model = read_model(out / "sparse" / "0")
    before = read_model(plain / "sparse" / "0")
    assert not np.allclose(model.cam_from_world, before.cam_from_world, atol=1e-7)
    np.testing.assert_allclose(model.cam_from_world, before.cam_from_world, atol=0.05)
    scene = read_transforms(out / "transforms.json")
    np.testing.assert_allclose(scene.cam_from_world, model.cam_from_world, atol=1e-7)
    _, trajectory = read_tum(out / "trajectory.tum")
    np.testing.assert_allclose(trajectory, model.cam_from_world, atol=1e-6)
    assert (out / "splat.ply").read_bytes() != (plain / "splat.ply").read_bytes()
    # Run again: nothing is computed, and nothing changes.
    events = []
    fit(photos, out, with_joint(KEEPS_ANYTHING), emit=events.append)
    assert sum(isinstance(event, StageSkipped) for event in events) == 7
    # Turned off, the poses are those of the matches again.
    fit(photos, out, tiny())
    assert (out / "splat.ply").read_bytes() == (plain / "splat.ply").read_bytes()
    report = json.loads((out / "report.json").read_text())
    assert report["joint"] is None
    assert "joint" not in [s["stage"] for s in report["stages"]]


def test_rolled_back_poses_change_nothing(
    photos: Path, finished: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    plain, _ = finished
    out, events = jointly(plain, photos, tmp_path, KEEPS_NOTHING)
    report = json.loads((out / "report.json").read_text())
    assert report["joint"]["decision"] == "rolled back"
    for name in ("splat.ply", "transforms.json", "trajectory.tum", "sparse/0/images.bin"):
        assert (out / name).read_bytes() == (plain / name).read_bytes(), name
    # The splat was not trained again.
    assert [e.stage for e in events if isinstance(e, StageSkipped)][-1] == "splats"


def test_kill_9_in_training_resumes_to_the_same_splat(
    photos: Path, finished: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    reference, _ = finished
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    shutil.rmtree(out / ".splatpose" / "splats")
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'tests');"
        "from test_pipeline import tiny; from splatpose.pipeline import fit;"
        f"fit(Path({str(photos)!r}), Path({str(out)!r}), tiny(), emit=print)"
    )
    process = subprocess.Popen(
        [sys.executable, "-uc", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("TrainingStep"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    assert not (out / ".splatpose" / "splats").exists()
    fit(photos, out, tiny())
    assert (out / "splat.ply").read_bytes() == (reference / "splat.ply").read_bytes()


def test_the_true_cameras_never_reach_the_fit(photos: Path, tmp_path: Path) -> None:
    """A transforms.json beside the photos, even a wrong one, changes nothing."""
    before = fingerprint(photos)
    (photos / "transforms.json").write_text('{"frames": "nonsense"}')
    try:
        assert fingerprint(photos) == before
    finally:
        (photos / "transforms.json").unlink()


def test_bad_files_among_good_ones_are_skipped_with_reasons(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed bag"
    shutil.copytree(photos, folder)
    good = (folder / "photo_01.jpg").read_bytes()
    (folder / "note.jpg").write_text("not a photo")
    (folder / "cut.jpg").write_bytes(good[: len(good) // 3])
    (folder / "empty.jpg").touch()
    (folder / "again.jpg").write_bytes(good)
    Image.new("RGB", (8, 8)).save(folder / "icon.png")
    out = tmp_path / "out"
    fit(folder, out, tiny())
    report = json.loads((out / "report.json").read_text())
    assert {entry["name"] for entry in report["skipped"]} >= {"note.jpg", "empty.jpg", "icon.png"}
    assert all(entry["reason"] for entry in report["skipped"])
    assert len(report["photos"]) + len(report["skipped"]) == 12


def test_one_photo_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(DEMO / "photo_01.jpg", folder)
    with pytest.raises(SplatposeError) as caught:
        fit(folder, tmp_path / "out", tiny())
    assert "photo" in caught.value.message
    assert caught.value.hint


def test_an_empty_folder_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(SplatposeError) as caught:
        fit(tmp_path / "in", tmp_path / "out", tiny())
    assert caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_failed_run_leaves_the_earlier_result(
    finished: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    reference, _ = finished
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    before = {
        path.relative_to(out): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and ".splatpose" not in path.parts
    }
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(DEMO / "photo_01.jpg", folder)
    with pytest.raises(SplatposeError):
        fit(folder, out, tiny(), overwrite=True)
    after = {
        path.relative_to(out): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and ".splatpose" not in path.parts
    }
    assert after == before


@pytest.mark.slow
def test_refined_pairs_are_reported_and_leave_again(photos: Path, tmp_path: Path) -> None:
    """The local stage in a whole run; its poses are one more hypothesis where others disagree."""
    local = LocalConfig(steps=30, max_size=96, gaussians=400, cluster_size=4)
    config = dataclasses.replace(tiny(), local=local)
    events: list[Event] = []
    fit(photos, tmp_path / "out", config, emit=events.append)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["local"]["num_refined"] > 0
    assert {cluster["kept"] for cluster in report["local"]["clusters"]} - {"two views"}
    stages = [e.stage for e in events if isinstance(e, StageFinished)]
    assert stages[:4] == ["capture", "matching", "local", "poses"]
    fit(photos, tmp_path / "out", tiny(), emit=events.append)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["local"] is None
    assert sum(photo["registered"] for photo in report["photos"]) == 7


@pytest.mark.slow
def test_a_really_full_disk(photos: Path, tmp_path: Path) -> None:
    """A file system of one MB runs full in the middle of the run."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        with pytest.raises(SplatposeError, match="disk is full"):
            fit(photos, disk / "out", tiny())
    finally:
        subprocess.run(["umount", str(disk)], check=True)
