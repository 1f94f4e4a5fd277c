"""Suites: jobs that resume and crash alone, scores against truth, tables, two small scenes."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scenes import DEMO
from scenes.demo_photos import copy_small, first_photos

from splatpose.cli.main import main
from splatpose.config import FitConfig
from splatpose.errors import SplatposeError
from splatpose.evaluation.published import PUBLISHED, published
from splatpose.evaluation.readers import read_dataset
from splatpose.evaluation.suites import nope_nerf, nope_nerf_table, stress, stress_table
from splatpose.evaluation.suites.jobs import Job, Outcome, run_jobs
from splatpose.geometry.rotations import so3_exp
from splatpose.io.nerfstudio import read_transforms

JOBS = """
import os
from splatpose.errors import SplatposeError

def count(folder, *, word):
    path = folder / "calls.txt"
    calls = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(calls))
    return {"word": word, "calls": calls}

def abort(folder):
    os.abort()

def refuse(folder, *, marker):
    if not os.path.exists(marker):
        raise SplatposeError("not yet")
    return {}

def stumble(folder):
    return {}["missing"]
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for jobs, whose functions the jobs' processes can import."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "some_jobs.py").write_text(JOBS)
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "code"), before]))
    return tmp_path / "out"


def job(folder: Path, function: str, **arguments: Any) -> Job:
    return Job(folder.name, folder, f"some_jobs:{function}", arguments)


def test_a_job_is_done_once(jobs: Path) -> None:
    (first,) = run_jobs([job(jobs / "a", "count", word="x")])
    assert first.result == {"word": "x", "calls": 1}
    assert not first.reused
    (again,) = run_jobs([job(jobs / "a", "count", word="x")])
    assert again.reused
    assert again.result == first.result
    (other,) = run_jobs([job(jobs / "a", "count", word="y")])
    assert other.result == {"word": "y", "calls": 2}, "what lay in the folder may be used"
    (anew,) = run_jobs([job(jobs / "a", "count", word="y")], overwrite=True)
    assert anew.result == {"word": "y", "calls": 1}


def test_a_job_that_dies_takes_no_other_along(jobs: Path) -> None:
    marker = jobs.parent / "marker"
    work = [
        job(jobs / "a", "abort"),
        job(jobs / "b", "refuse", marker=str(marker)),
        job(jobs / "c", "stumble"),
        job(jobs / "d", "count", word="x"),
    ]
    outcomes = list(run_jobs(work))
    assert [outcome.result for outcome in outcomes[:3]] == [None] * 3
    assert "signal 6" in str(outcomes[0].error)
    assert "not yet" in str(outcomes[1].error)
    assert "KeyError" in str(outcomes[2].error)
    assert outcomes[3].result is not None
    marker.touch()
    outcomes = list(run_jobs(work))
    assert outcomes[1].result == {}, "failed jobs are tried again"
    assert outcomes[3].reused


def write_scene(folder: Path, name: str, photos: list[Path], *, reconstructable: bool = True,
                places: list[int] | None = None) -> Path:  # fmt: skip
    """A scene of the stress suite's format from demo photos at half size."""
    truth = read_transforms(DEMO / "transforms.json")
    index = {path.name: i for i, path in enumerate(truth.photos)}
    frames = []
    copy_small(photos, folder / "photos")
    for number, path in enumerate(photos):
        pose = np.linalg.inv(truth.cam_from_world[index[path.name]])
        frames.append({"file": f"photos/{path.name}", "c2w": pose.tolist(), "fx": 270.0,
                       "fy": 270.0, "cx": 159.5, "cy": 119.5, "w": 320, "h": 240,
                       "place": places[number] if places else 0})  # fmt: skip
    (folder / "poses.json").write_text(json.dumps({"frames": frames}))
    about = {"scene": name, "seed": 1, "split": "tune", "about": "A table.",
             "reconstructable": reconstructable}  # fmt: skip
    (folder / "scene.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six neighbouring photos, and two that show nothing of each other."""
    folder = tmp_path_factory.mktemp("stress")
    photos = first_photos(6)
    write_scene(folder / "table-1", "table", photos)
    nothing = write_scene(folder / "noise-1", "noise", photos[:2], reconstructable=False)
    rng = np.random.default_rng(0)
    for path in (nothing / "photos").iterdir():
        Image.fromarray(rng.integers(0, 256, (240, 320, 3), np.uint8)).save(path)
    return folder


def quick() -> FitConfig:
    usual = FitConfig()
    return dataclasses.replace(
        usual,
        matching=dataclasses.replace(usual.matching, matcher="sift"),
        views=dataclasses.replace(usual.views, max_size=100),
        training=dataclasses.replace(usual.training, steps=40, final_steps=5, backend="cpu"),
    )


@pytest.fixture(scope="module")
def stress_run(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[stress.Row, ...]]:
    out = tmp_path_factory.mktemp("out")
    scenes = stress.find_scenes(data, "all")
    return out, tuple(stress.run_stress(scenes, out, quick()))


def test_the_stress_suite_runs_all_methods_on_all_scenes(
    stress_run: tuple[Path, tuple[stress.Row, ...]],
) -> None:
    _, rows = stress_run
    assert [(row.scene, row.method) for row in rows] == [
        (scene, method) for scene in ("noise", "table") for method in stress.METHODS
    ]
    assert not any(row.error for row in rows)
    for row in rows:
        assert (row.right, row.wrong) == (row.photos, 0), row
    ours = rows[0], rows[3]
    assert ours[0].refused
    assert ours[0].registered == ours[0].trusted == 0
    assert ours[1].registered == 6
    assert ours[1].ate_percent < 2
    assert ours[1].silent == 0
    assert all(row.trusted is None for row in rows if row.method != stress.OURS)
    assert all(row.seconds > 0 for row in rows)


def test_the_stress_suite_goes_on_where_it_was(
    data: Path, stress_run: tuple[Path, tuple[stress.Row, ...]], tmp_path: Path
) -> None:
    first, rows = stress_run
    out = shutil.copytree(first, tmp_path / "out")
    (out / "table-1" / "colmap_global" / "result.json").unlink()
    lines: list[str] = []
    scenes = stress.find_scenes(data, "all")
    again = tuple(stress.run_stress(scenes, out, quick(), tell=lines.append))
    assert ["earlier run" in line for line in lines] == [True] * 5 + [False]
    assert repr(again[:5]) == repr(rows[:5])
    assert again[5].right == rows[5].right


def test_no_method_is_told_the_truth(
    data: Path, stress_run: tuple[Path, tuple[stress.Row, ...]]
) -> None:
    out, _ = stress_run
    for path in out.glob("*/*/job.json"):
        arguments = json.loads(path.read_text())["job"]["arguments"]
        given = [v for v in arguments.values() if isinstance(v, str) and str(data) in v]
        assert [Path(value).name for value in given] == ["photos"]


def test_scenes_are_found_by_split_and_name(data: Path) -> None:
    assert [scene.name for scene in stress.find_scenes(data, "tune")] == ["noise", "table"]
    assert [s.label for s in stress.find_scenes(data, "all", ("table",))] == ["table-1"]
    assert [s.name for s in stress.find_scenes(data, "all", ("noise-1",))] == ["noise"]
    with pytest.raises(SplatposeError, match="no scene of the split test"):
        stress.find_scenes(data, "test")
    with pytest.raises(SplatposeError, match="no scene nowhere"):
        stress.find_scenes(data, "all", ("nowhere",))


def outcome_of(poses: dict[str, np.ndarray], levels: dict[str, str] | None = None,
               others: list[dict[str, np.ndarray]] | None = None) -> Outcome:  # fmt: skip
    result = {
        "poses": {name: pose.tolist() for name, pose in poses.items()},
        "others": [{n: p.tolist() for n, p in model.items()} for model in others or []],
        "levels": levels, "refused": None, "seconds": {"poses": 2.0, "matching": 3.0},
    }  # fmt: skip
    return Outcome(job(Path("x"), "y"), result, None, 1.0, reused=False)


def moved(poses: np.ndarray, scale: float) -> np.ndarray:
    """The same cameras in another world: turned, scaled, shifted."""
    world = np.eye(4)
    world[:3, :3] = so3_exp(np.array([0.3, -1.0, 0.7]))
    world[:3, 3] = 5, -2, 1
    result = poses @ world
    result[:, :3, 3] *= scale
    return result


def test_a_wrong_pose_is_found_and_a_trusted_one_counts_as_silent(data: Path) -> None:
    scene = stress.find_scenes(data, "all", ("table",))[0]
    truth = read_dataset(scene.folder)
    poses = moved(truth.cam_from_world, 3.0)
    turn = np.eye(4)
    turn[:3, :3] = so3_exp(np.radians([0.0, 8.0, 0.0]))
    poses[2] = turn @ poses[2]
    names = truth.names
    estimate = {name: poses[i] for i, name in enumerate(names) if i != 5}
    levels = dict.fromkeys(names, "trusted") | {names[0]: "weak", names[5]: "refused"}
    row = stress.score(scene, stress.OURS, truth, outcome_of(estimate, levels))
    assert (row.registered, row.right, row.wrong) == (5, 4, 1)
    assert (row.trusted, row.silent, row.trusted_right) == (4, 1, 3)
    assert row.wrong_photos == row.silent_photos == (names[2],)
    assert row.seconds == 5
    careful = levels | {names[2]: "weak"}
    row = stress.score(scene, stress.OURS, truth, outcome_of(estimate, careful))
    assert (row.wrong, row.silent) == (1, 0)
    nothing = dataclasses.replace(scene, reconstructable=False)
    row = stress.score(nothing, stress.OURS, truth, outcome_of(estimate, levels))
    assert (row.right, row.wrong, row.silent, row.trusted_right) == (1, 5, 4, 0)


def test_two_places_in_one_frame_are_wrong_and_in_two_models_right(tmp_path: Path) -> None:
    photos = first_photos(7)
    folder = write_scene(tmp_path / "two-1", "two", photos, places=[0, 0, 0, 0, 1, 1, 1])
    scene = stress.find_scenes(tmp_path, "all")[0]
    truth = read_dataset(folder)
    here = dict(zip(truth.names[:4], truth.cam_from_world[:4], strict=True))
    there = dict(zip(truth.names[4:], moved(truth.cam_from_world[4:], 0.5), strict=True))
    joined = stress.score(scene, stress.OURS, truth, outcome_of(here | there))
    assert (joined.right, joined.wrong) == (4, 3)
    apart = stress.score(scene, stress.OURS, truth, outcome_of(here, others=[there]))
    assert (apart.right, apart.wrong, apart.right_in_any_model) == (4, 0, 7)


def row_of(scene: str, method: stress.Method, right: int, wrong: int, **more: Any) -> stress.Row:
    common = {"seed": 1, "split": "test", "about": "", "reconstructable": True, "photos": 10}
    return stress.Row(**common | more, scene=scene, method=method,
                      registered=right + wrong, right=right, wrong=wrong)  # fmt: skip


def test_totals_and_table() -> None:
    verdicts = {"trusted": 8, "silent": 1, "trusted_right": 7}
    rows = [
        row_of("a", "splatpose", 9, 1, **verdicts, seconds=61.6),
        row_of("a", "COLMAP incremental", 7, 0, seconds=4.0),
        row_of("a", "COLMAP global", 8, 2, seconds=5.0),
        row_of("b", "splatpose", 10, 0, trusted=0, silent=0, trusted_right=0,
               reconstructable=False),
        row_of("b", "COLMAP incremental", 10, 0, reconstructable=False),
        dataclasses.replace(row_of("b", "COLMAP global", 0, 0), error="killed by signal 6"),
        row_of("c", "splatpose", 5, 0, trusted=5, silent=0, trusted_right=5),
        row_of("c", "COLMAP incremental", 6, 0),
        row_of("c", "COLMAP global", 3, 0),
    ]  # fmt: skip
    total = stress_table.totals(rows)
    assert total.silent_failures == 1
    assert (total.right, total.right_trusted) == (14, 12)
    assert total.right_trusted_share == pytest.approx(12 / 14)
    assert (total.scenes, total.at_least_as_many, total.more) == (3, 2, 1)
    assert total.wrong == {"splatpose": 1, "COLMAP incremental": 0, "COLMAP global": 2}
    assert total.errors == 1
    text = stress_table.as_markdown(rows)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1, "every row has every column"
    assert "| a (1) | 10 | 9 | 1 | 8 | 1 | 78% | 7 | 0 | 8 | 2 | 62 / 4 / 5 |" in lines
    assert any(line.startswith("| b * (1) |") and "crashed" in line for line in lines)
    assert "Silent failures (trusted and wrong): 1" in text
    assert "2 of 3, with more: 1" in text
    unjudged = [row_of("a", "splatpose", 9, 1), row_of("a", "COLMAP global", 9, 1)]
    later = stress_table.totals([*rows, *(dataclasses.replace(r, scene="d") for r in unjudged)])
    assert later.right_trusted_share == total.right_trusted_share, "no verdict, no share"
    assert stress_table.totals(unjudged).silent_failures is None
    assert "no verdicts" in stress_table.as_markdown(unjudged)
    assert json.loads(json.dumps(stress_table.as_json(rows)))["totals"]["more"] == 1


def test_published_rows_are_there_and_marked() -> None:
    rows = {row.method: row.psnr for row in published("nope-nerf")}
    assert rows["CF-3DGS"] == 31.28
    assert rows["NoPe-NeRF"] == 26.34
    assert rows["COLMAP + 3DGS"] == 30.20
    assert {row.benchmark for row in PUBLISHED} > {"nope-nerf", "mipnerf360"}
    assert all(10 < row.psnr < 40 and row.source for row in PUBLISHED)
    text = nope_nerf_table.as_markdown(())
    assert "Published by others" in text
    assert all(f"| {row.method} | {row.psnr:.2f} |" in text for row in published("nope-nerf"))


def test_family_has_a_split_of_its_own(data: Path) -> None:
    scene = read_dataset(data / "table-1")
    names = scene.names
    assert nope_nerf.split_of(scene, None) == ("every:8", names[4::8])
    family = dataclasses.replace(scene, name="Family")
    assert nope_nerf.split_of(family, None) == ("family:2", names[1::2])
    assert nope_nerf.split_of(family, "every:3") == ("every:3", names[1::3])
    own = dataclasses.replace(scene, test=np.array([True] + [False] * 5))
    assert nope_nerf.split_of(own, None)[1] == names[:1]


def test_scenes_of_a_data_set_are_found_whatever_their_depth(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "table-1", tmp_path / "Tanks" / "table")
    assert [s.name for s in nope_nerf.find_datasets(tmp_path)] == ["table"]
    assert [s.name for s in nope_nerf.find_datasets(tmp_path / "Tanks" / "table")] == ["table"]
    with pytest.raises(SplatposeError, match="no scene chair"):
        nope_nerf.find_datasets(tmp_path, ("chair",))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SplatposeError, match="holds no scene"):
        nope_nerf.find_datasets(tmp_path / "empty")


def test_the_nope_nerf_suite_from_photos_to_table(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("splatpose.cli.suites._config", lambda arguments: quick())
    words = ["eval", "--suite", "nope-nerf", "--data", str(data / "table-1"), "-o", str(tmp_path)]
    words += ["--split", "every:3", "--lpips", "none"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    value = json.loads((tmp_path / "nope-nerf.json").read_text())
    (scene,) = value["scenes"]
    assert scene["test"] == ["photo_02.jpg", "photo_05.jpg"]
    assert scene["poses"]["photos"] == scene["poses"]["registered"] == 4, "training photos alone"
    assert scene["poses"]["ate_percent"] < 2
    scores = scene["views"]["scores"]
    assert set(scores) == {"registered", "from neighbour", "from registered"}
    assert all([s["name"] for s in rows] == scene["test"] for rows in scores.values())
    report = json.loads((tmp_path / "table-1" / "run" / "report.json").read_text())
    assert [p["name"] for p in report["photos"] if p["held_out"]] == scene["test"]
    assert not report["training"]["final_pass_on_all"]
    table = (tmp_path / "nope-nerf.md").read_text()
    assert table in printed
    for line in (
        "no test-time optimisation",
        "from the neighbouring training photo",
        "n/a",
        "31.28",
    ):
        assert line in table
    for block in table.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1
    assert main(words) == 0
    again = json.loads((tmp_path / "nope-nerf.json").read_text())
    assert again | {"date": value["date"]} == value, "nothing is done again"
