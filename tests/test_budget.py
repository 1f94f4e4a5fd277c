"""Which options a plan leaves alone, and that it is a stage like others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenes.loops import loop_scene, model_of
from scenes.poses import Scene, arc, cloud, make_scene

from splatpose.budget import PLANNED, given_options, plan_budget, with_plan
from splatpose.config import FitConfig
from splatpose.configs import PRESETS
from splatpose.events import Event, Progress, StageFinished, StageSkipped
from splatpose.keys import Keyed
from splatpose.render import choose_backend
from splatpose.runs import RunFolder
from splatpose.scene.training_plan import TrainingPlan
from splatpose.splatting.budget.calibration import FIRST_PROBES, Probe
from splatpose.stages.budget.config import BudgetConfig
from splatpose.stages.budget.stage import _Bench, _photo_set, plan_line
from splatpose.stages.budget.storage import load_plan, save_plan
from splatpose.stages.outputs.summary import summary_lines

PLAN = TrainingPlan(10, 0, 1024, 7400, 500, 180_000, 3, 185, 370, 1480, 580.0, 2100.0)


def test_the_plan_is_told_in_one_line() -> None:
    text = "1,024 px, 7,400 steps, 180,000 Gaussians: about "
    assert plan_line(PLAN) == text + "9 min 40 s"
    assert plan_line(replace(PLAN, memory_gib=3)) == text + "9 min 40 s, 2.1 GiB of memory"
    alone = replace(PLAN, minutes=0, memory_gib=3, seconds=float("nan"))
    assert plan_line(alone) == text + "2.1 GiB of memory"


def test_a_plan_takes_its_place_in_the_config() -> None:
    asked = replace(FitConfig(), budget=BudgetConfig(10), seed=3)
    config = with_plan(asked, PLAN)
    assert config.views.max_size == 1024
    assert config.training.steps == 7400
    assert config.training.sh_every == 1480
    assert config.budget == BudgetConfig(minutes=0), "what is planned asks for no plan"
    assert config.seed == 3
    assert set(given_options(config)) == set(PLANNED), "nor would they be planned again"
    assert with_plan(asked, None) is asked


def test_options_with_other_values_than_usual_are_given() -> None:
    assert given_options(FitConfig()) == ()
    config = replace(FitConfig(), budget=BudgetConfig(given=("training.steps",)))
    config = replace(config, views=replace(config.views, max_size=300))
    assert given_options(config) == ("views.max_size", "training.steps")
    assert given_options(PRESETS["quality"]) == ()


def test_a_plan_comes_back_from_disk(tmp_path: Path) -> None:
    for plan in (PLAN, replace(PLAN, seconds=float("nan"), given=("views.max_size",), note="so")):
        save_plan(tmp_path, plan, {"steps": 1e-3})
        assert str(load_plan(tmp_path)) == str(plan)


def test_memory_alone_is_planned_as_a_stage_and_kept(tmp_path: Path) -> None:
    scene = loop_scene(tmp_path / "scene", blind=True)
    capture = Keyed(scene.capture, "capture")
    poses = Keyed(model_of(scene, scene.graph, scene.cam_from_world), "poses")
    events: list = []
    config = replace(FitConfig(), budget=BudgetConfig(minutes=0, memory=500))

    def planned(config: FitConfig) -> TrainingPlan | None:
        with RunFolder.open(tmp_path / "run", emit=events.append) as run:
            return plan_budget(run, config, capture, poses, "cpu")

    assert planned(with_plan(FitConfig(), PLAN)) is None
    plan = planned(config)
    assert plan is not None
    assert (plan.max_size, plan.steps) == (640, 2000)
    assert plan.memory_mb < 500 * 1024
    assert np.isnan(plan.seconds)
    assert str(planned(config)) == str(plan)
    assert [type(event) for event in events if isinstance(event, StageFinished | StageSkipped)] == [
        StageFinished,
        StageSkipped,
    ]


def test_the_usual_time_is_planned_unless_the_steps_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = loop_scene(tmp_path / "scene", blind=True)
    capture = Keyed(scene.capture, "capture")
    poses = Keyed(model_of(scene, scene.graph, scene.cam_from_world), "poses")

    def minutes(config: FitConfig, backend: str = "cpu") -> float | None:
        """Of the plan; None where there is none."""
        asked: list[BudgetConfig] = []

        def stage(_run: RunFolder, _stage: Any, config: BudgetConfig, *_: Any, **__: Any) -> Any:
            asked.append(config)
            return Keyed(PLAN, "plan")

        monkeypatch.setattr(RunFolder, "stage", stage)
        with RunFolder.open(tmp_path / "run", emit=lambda _event: None) as run:
            plan_budget(run, config, capture, poses, backend)
        return asked[0].minutes if asked else None

    usual = FitConfig()
    assert minutes(usual) == 1.5
    assert minutes(usual, "gsplat") == 6
    assert minutes(replace(usual, budget=BudgetConfig(3))) == 3
    assert minutes(replace(usual, budget=BudgetConfig(0))) is None
    assert minutes(replace(usual, views=replace(usual.views, max_size=300))) == 1.5
    steps = replace(usual, training=replace(usual.training, steps=300))
    assert minutes(steps) is None
    assert minutes(replace(steps, budget=BudgetConfig(3))) == 3
    assert minutes(replace(steps, budget=BudgetConfig(memory=2))) == 0
    named = BudgetConfig(given=("training.steps",))
    assert minutes(replace(usual, budget=named)) is None, "with their usual value, too"
    assert minutes(PRESETS["fast"]) == 0.5


@pytest.mark.parametrize("took", [None, 597.0])
def test_the_last_lines_say_how_long_it_took(took: float | None) -> None:
    report = {
        "photos": [], "skipped": [], "hypotheses": [], "verdicts": None,
        "summary": {"registered": 0, "points": 0, "gaussians": 5, "held_out": 1,
                    "held_out_psnr": 20.0, "held_out_ssim": None},
        "budget": None if took is None else {"seconds": 580.0, "took_seconds": took},
    }  # fmt: skip
    splat = summary_lines(json.loads(json.dumps(report)), Path("out"))[2]
    assert splat.endswith("photo") is (took is None)
    if took:
        assert splat.endswith("; trained in 9 min 57 s, planned 9 min 40 s")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), arc(4), cloud(60))


def test_a_plan_beyond_what_was_timed_is_timed_itself(
    small: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FIRST_PROBES, "cpu", (Probe(40, 150, 20), Probe(48, 1000, 20)))
    events: list[Event] = []
    training = replace(FitConfig().training, backend="cpu", fill_below=0)
    poses = model_of(small, small.graph, small.cam_from_world)
    bench = _Bench(small.capture, poses, training, choose_backend("cpu"), 0, events.append)
    photos = _photo_set(poses, 0.0, 2, None)
    known = bench.first()
    within = replace(PLAN, minutes=0.1, max_size=48, max_gaussians=1000)
    assert bench.closer(within, photos) == known
    told = [(e.done, e.total) for e in events if isinstance(e, Progress)]
    assert told == [(1, 3), (2, 3), (3, 3)], "whether or not there was a third"
    timed = len(bench._timings)
    for larger in (replace(within, max_size=80), replace(within, max_gaussians=1400)):
        bench.closer(larger, photos)
        fresh = [timing.counts for timing in bench._timings[timed:]]
        timed = len(bench._timings)
        steps = [counts for counts in fresh if counts.steps]
        assert max(counts.pixels for counts in steps) == larger.max_size**2 * 3 / 4
        assert max(counts.gaussians for counts in steps) == larger.max_gaussians
    assert [e.done for e in events if isinstance(e, Progress)][3:] == [3, 3]


def test_photos_that_are_held_out_by_name_are_counted_so(small: Scene) -> None:
    poses = model_of(small, small.graph, small.cam_from_world)
    assert _photo_set(poses, 0.0, 2, None).num_held_out == 2
    assert _photo_set(poses, 0.0, 0, None).num_held_out == 0
    names = poses.names[:3]
    for named in (names, names[:1], (*names, "gone.jpg")):
        found = _photo_set(poses, 0.0, 2, named)
        assert found.num_held_out == len(set(named) & set(poses.names))
        assert len(found) == 4
