"""The benchmarks' own arithmetic: regressions, an honest opponent, measurements without effect."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import appearance
import gpu_check
import machine
import minutes
import pose_comparison
import splat_scenes
import targets
import tiles_reference
import timed_training
from gsplat_stand_in import gsplat_on_cpu
from physical_appearance import PhysicalAppearance, Weights, radius_squared
from scenes.splats import synthetic_views

from splatpose.events import ignore_events
from splatpose.render import reference
from splatpose.render.cpu.rasterization import rasterization
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.trainer import Trainer

RESULT: dict[str, Any] = {
    "version": 2,
    "machine": {"cpu": "a processor", "date": "2026-01-01"},
    "lanes": 8,
    "threads": 2,
    "peak_gflops_per_core": 100.0,
    "scenes": [
        {
            "name": "20k 640x480",
            "threads": 2,
            "total_ms": 30.0,
            "forward_giga_per_core": 1.0,
            "backward_giga_per_core": 0.5,
        }
    ],
    "training": [{"name": "20k 320x240", "steps_per_second": 60.0}],
    "loss": {"ratio": 30.0},
    "first_call": {"cold_s": 10.0, "cached_s": 0.3},
    "memory": {"extra_mb": 100.0, "inputs_mb": 25.0},
}


def _changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(RESULT), **changes}


def test_a_slower_machine_is_no_regression_and_slower_code_is_one() -> None:
    slow = copy.deepcopy(RESULT)
    slow["peak_gflops_per_core"] = 50.0
    scene = slow["scenes"][0]
    scene["total_ms"] *= 2
    scene["forward_giga_per_core"] /= 2
    scene["backward_giga_per_core"] /= 2
    slow["training"][0]["steps_per_second"] /= 2
    assert targets.regressions(slow, [RESULT]) == []
    scene["backward_giga_per_core"] *= 0.79
    (line,) = targets.regressions(slow, [RESULT])
    assert line.startswith("backward 20k")


def test_only_the_last_entry_of_the_same_machine_counts() -> None:
    worse = _changed(loss={"ratio": 10.0})
    other = _changed(machine={"cpu": "another", "date": "2026-01-01"})
    assert targets.regressions(worse, []) == []
    assert targets.regressions(worse, [other]) == []
    assert targets.regressions(worse, [RESULT, worse, other]) == []
    assert len(targets.regressions(worse, [worse, RESULT, other])) == 1
    assert len(targets.regressions(_changed(memory={"extra_mb": 130.0, "inputs_mb": 25.0}),
                                   [RESULT])) == 1  # fmt: skip


def test_the_table_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    targets.print_table(RESULT)
    printed = capsys.readouterr().out
    for target in targets.TARGETS:
        assert target.name in printed
    # 27 ms on a machine of 117 GFLOP/s are 31.6 on one of 100.
    assert "| forward+backward, 20k 640x480 | 31.6 | 21.1 ms | 30 | must |" in printed


def test_the_torch_opponent_renders_the_same() -> None:
    scene = splat_scenes.random_scene(1000, 75, 50, 3.0)
    image, alpha = tiles_reference.rasterize(scene)
    expected, expected_alpha, _ = rasterization(
        *scene.leaves, scene.Ks, 75, 50, sh_degree=3, render_mode="RGB+ED"
    )
    assert (image - expected[0])[..., :3].abs().mean().item() < 1e-5
    assert (alpha - expected_alpha[0]).abs().mean().item() < 1e-5
    weight = torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    ours = torch.autograd.grad((expected[0] * weight).sum(), scene.gaussians)
    theirs = torch.autograd.grad((image * weight).sum(), scene.gaussians)
    for a, b in zip(ours, theirs, strict=True):
        assert ((a - b).norm() / b.norm()).item() < 1e-2


def test_contributions_are_those_of_the_reference() -> None:
    scene = splat_scenes.random_scene(300, 40, 30, 3.0)
    means, quats, scales, opacities, _, viewmats, Ks = scene.to(torch.float64)
    order = means[:, 2].argsort()
    projected = reference.project(
        means[order], quats[order], scales[order], viewmats[0], Ks[0], 40, 30
    )
    weights, _ = reference._blend_weights(projected, opacities[order], 40, 30)
    assert splat_scenes.count_contributions(scene) == int((weights > 0).sum())


SHORT = TrainingConfig(
    backend="cpu", steps=60, refine_start=5, refine_every=10, sh_every=20, keep_holdout=True
)


def test_measuring_on_the_way_leaves_a_training_as_it_was() -> None:
    views = synthetic_views()
    with pytest.MonkeyPatch.context() as patch:
        # A clock that the machine's load cannot change: a second a step.
        advance = timed_training._advance
        patch.setattr(timed_training, "_advance", lambda trainer: advance(trainer) * 0 + 1.0)
        once = timed_training.train(views, SHORT, 0, [])
        often = timed_training.train(views, SHORT, 0, [5.0, 7.5, 31.0, 500.0])
    assert [point["step"] for point in often.curve] == [5, 8, 31, 60]
    assert once.curve == often.curve[-1:]
    assert once.seconds == often.seconds == 60
    assert once.psnr > often.curve[0]["psnr"]


def solved(name: str, method: str, *cells: Any, **more: Any) -> dict[str, Any]:
    """A row of poses.py: set, method, photos, ATE, seconds of matching and of poses."""
    photos, ate, matching, poses = cells
    seconds = {"matching": matching, "poses": poses}
    return {
        "set": name,
        "method": method,
        "registered": photos,
        "ate": ate,
        "seconds": seconds,
    } | more


OURS, INCREMENTAL, GLOBAL = "splatpose, xfeat", "COLMAP incremental, sift", "COLMAP global, sift"


def test_cost_is_over_the_better_mapper_and_one_matching() -> None:
    rows = [
        solved("fox", OURS, "67/67", 0.1, 40.0, 30.0),
        solved("fox", INCREMENTAL, "67/67", 0.3, 100.0, 40.0),
        solved("fox", GLOBAL, "67/67", 98.8, 100.0, 5.0),
        # The mapper with most photos, though its error is the larger one.
        solved("office", OURS, "62/62", 1.8, 50.0, 50.0),
        solved("office", INCREMENTAL, "24/62", 7.4, 20.0, 10.0),
        solved("office", GLOBAL, "62/62", 68.2, 20.0, 30.0),
    ]
    found = pose_comparison.costs(rows)
    assert [(r["set"], r["mapper"], r["ratio"]) for r in found] == [
        ("fox", INCREMENTAL, pytest.approx(0.5)),
        ("office", GLOBAL, pytest.approx(2.0)),
    ]
    assert pose_comparison.mean_ratio(found) == pytest.approx(1.0)


def test_times_that_compare_nothing_have_no_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    refused = {"set": "c", "method": OURS, "refused": "too few", "seconds": {"capture": 0.1}}
    unsolved = {"set": "d", "method": GLOBAL, "seconds": {"matching": 4.0, "poses": 0.1}}
    rows = [
        solved("a", OURS, "6/6", 0.1, 0.01, 5.0, reused=True),
        solved("a", GLOBAL, "6/6", 0.1, 4.0, 5.0),
        solved("b", OURS, "6/6", 0.1, 3.0, 5.0),
        solved("b", GLOBAL, "6/6", 0.1, 4.0, 5.0, reused=True),
        *(refused, solved("c", GLOBAL, "6/6", 0.1, 4.0, 5.0)),
        *(solved("d", OURS, "6/6", 0.1, 4.0, 5.0), unsolved),
        solved("e", OURS, "6/6", 0.1, 4.0, 5.0),
    ]
    assert pose_comparison.costs(rows) == []
    pose_comparison.print_costs([])
    assert capsys.readouterr().out == ""


def test_an_earlier_run_is_compared_where_as_many_photos_are_placed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = [
        solved("fox", OURS, "67/67", 0.2, 1, 1),
        solved("fern", "splatpose, xfeat+sift", "20/20", 0.4, 1, 1),
        solved("ring", OURS, "9/16", 1.0, 1, 1),
        solved("office", OURS, "62/62", 1.8, 1, 1),
        solved("walk", OURS, "5/6", 1.8, 1, 1),
        solved("fox", INCREMENTAL, "67/67", 9.0, 1, 1),
    ]
    now = [
        solved("fox", OURS, "67/67", 0.1, 1, 1),
        solved("fern", OURS, "20/20", 0.8, 1, 1),
        solved("ring", OURS, "16/16", 4.0, 1, 1),
        solved("office", OURS, "61/62", 0.1, 1, 1),
        {"set": "walk", "method": OURS, "refused": "too few", "seconds": {}},
        solved("new", OURS, "5/5", 0.1, 1, 1),
        solved("fox", INCREMENTAL, "67/67", 9.0, 1, 1),
    ]
    found = pose_comparison.changes(now, before)
    assert {row["set"]: row["ratio"] for row in found} == {
        "fox": pytest.approx(0.5),
        "fern": pytest.approx(2.0),
        **dict.fromkeys(["ring", "office", "walk"]),
    }
    assert pose_comparison.mean_ratio(found) == pytest.approx(1.0)
    assert pose_comparison.lost(found) == ["office", "walk"]
    pose_comparison.print_changes(found)
    printed = capsys.readouterr().out
    assert "| fox | 0.100 | 0.200 | 0.50 | 67 | 67 |" in printed
    assert "of 2 sets with as many photos: 1.000" in printed
    assert "lost photos: office, walk" in printed
    assert pose_comparison.mean_ratio([]) is None


def test_a_result_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "RESULTS", tmp_path / "results")
    written = [machine.write_result("poses_auto", {"run": run}) for run in range(3)]
    assert [path.name for path in written] == [f"poses_auto{n}.json" for n in ("", "_2", "_3")]
    assert [json.loads(path.read_text())["run"] for path in written] == [0, 1, 2]
    usual = ("fox", "fern")
    assert machine.label_of(usual, usual) == ""
    assert machine.label_of(["rgbd_room/3", "fern:6"], usual) == "_rgbd_room-3_fern-6"
    assert machine.label_of([*"abcd"], usual) == "_4-sets"


def test_a_longer_training_is_the_same_in_slow_motion() -> None:
    longer = timed_training.stretched(SHORT, 600)
    assert (longer.steps, longer.refine_start, longer.refine_every, longer.sh_every) == (
        600,
        50,
        100,
        200,
    )
    assert timed_training.stretched(longer, 60) == SHORT


def test_what_a_gpu_is_to_show_is_shown_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the card's own kernels: the same code, with our rasterizer in gsplat's place."""
    monkeypatch.setattr(timed_training, "_PILOT_STEPS", 4)
    monkeypatch.setattr(timed_training, "_LEAST_STEPS", 3)
    monkeypatch.setattr(gpu_check, "load_true_views", lambda folder, size: synthetic_views())
    parts = ["build", "backends", "step", "sets"]
    assert gpu_check.main(["--dry", "--out", str(tmp_path / "a.json"), "--parts", *parts]) == 0
    result = json.loads((tmp_path / "a.json").read_text())
    assert all(result[part]["good"] for part in parts)
    assert result["machine"]["versions"]["gsplat"]
    assert result["dry"]
    assert len(result["backends"]["errors"]) == 4 * 9
    assert result["backends"]["worst"] == 0
    assert result["step"]["ratio"] > 0
    assert result["sets"]["sets"][0]["steps"] >= 3


def test_packed_renders_train_the_same_gaussians() -> None:
    """From how many Gaussians on gsplat packs its renders changes nothing but memory."""
    config = TrainingConfig(steps=12, refine_start=4, refine_every=4, final_steps=0)
    means = []
    for packed_from in (1, 1_000_000):
        with gsplat_on_cpu(packed_from) as backend:
            trainer = Trainer(synthetic_views(), config, backend, 0, ignore_events)
            for _ in range(config.steps):
                trainer.advance()
            means.append(trainer.splats().means)
    assert torch.equal(*means)


def test_a_part_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(check: gpu_check.Check) -> dict[str, Any]:
        raise RuntimeError("no kernel image")

    monkeypatch.setitem(gpu_check.PARTS, "build", broken)
    monkeypatch.setitem(gpu_check.PARTS, "step", lambda check: {"good": True})
    words = ["--dry", "--out", str(tmp_path / "a.json"), "--parts", "build", "step"]
    assert gpu_check.main(words) == 1
    result = json.loads((tmp_path / "a.json").read_text())
    assert "no kernel image" in result["build"]["error"]
    assert result["step"]["good"]


def test_a_time_that_was_missed_is_told_whatever_the_plan_says() -> None:
    row = {"set": "fox", "minutes": 2, "took_seconds": 125, "planned_seconds": 118, "note": ""}
    assert minutes.miss(row) == ""
    assert "took 140 s, asked for 120 s" in minutes.miss(row | {"took_seconds": 140})
    noted = row | {"planned_seconds": 60, "note": "not all of 2 min is used: so"}
    assert minutes.miss(noted | {"took_seconds": 63}) == ""
    assert "took 125 s, planned 60 s" in minutes.miss(noted)


def test_photos_are_altered_as_said() -> None:
    views = synthetic_views(8, 24, 18)
    held_out = views.held_out
    ramp = appearance.altered(views, ["ramp"])
    for before, after, out in zip(views.images, ramp.images, held_out, strict=True):
        assert (np.abs(before.astype(int) - after).max() <= 1) == bool(out)
    two = appearance.altered(views, ["gamma"])
    assert len(np.unique(two.Ks[:, 0, 0])) == 2
    dark = appearance.altered(views, ["vignette"])
    assert all((a <= b).all() for a, b in zip(dark.images, views.images, strict=True))


def test_the_physical_candidate_finds_what_was_done_to_photos() -> None:
    """Exposure and falloff, of pictures whose colours are known."""
    views = synthetic_views(4, 24, 18)
    weights = Weights(exposure=0.0, color=0.01, vignetting=0.0, tone=0.1, rate=1.0)
    model = PhysicalAppearance(views, weights)
    picture = 0.2 + 0.5 * torch.rand(18, 24, 3, generator=torch.Generator().manual_seed(0))
    square = torch.from_numpy(radius_squared(18, 24, views.Ks[0])).float()[..., None]
    stops = [-0.5, 0.0, 0.25, 0.5]
    for step in range(160):
        photo = step % 4
        target = picture * 2 ** stops[photo] * (1 - 0.3 * square)
        loss = (model.apply(picture, photo) - target).square().mean()
        (loss + 1e-4 * model.penalty(photo)).backward()
        model.step(photo, 0.03)
    gains = [float(model.matrix(photo).detach().diagonal().mean().log2()) for photo in range(4)]
    assert [gain - gains[1] for gain in gains] == pytest.approx(stops, abs=0.12)
    falloff = model.falloff(0, (18, 24)).detach()
    assert float(falloff[0, 0].mean() / falloff[9, 12].mean()) == pytest.approx(0.7, abs=0.05)
