"""What programs read of a run is described, every field of it, and is as it is described."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

import pytest
from make_schemas import FOLDER, schemas
from scenes.outputs import COUNT, make_scene
from schema_checking import violations

from splatpose.config import FitConfig
from splatpose.errors import SplatposeError
from splatpose.event_lines import error_line, event_line
from splatpose.events import (
    Event,
    Message,
    Progress,
    RunFinished,
    StageFinished,
    StageSkipped,
    StageStarted,
    TrainingStep,
)
from splatpose.runs.folder import StageRecord
from splatpose.runs.log import EventLog
from splatpose.scene.depth_maps import DepthAlignment, DepthFit
from splatpose.scene.evidence import ClusterEvidence, JointEvidence, LocalEvidence
from splatpose.scene.second_round import SecondRoundEvidence
from splatpose.scene.training_plan import TrainingPlan
from splatpose.scene.verdicts import PhotoTrust, PhotoVerdict, Verdicts
from splatpose.schemas import load_schema

NAN = float("nan")
EVENTS: list[Event] = [
    StageStarted("capture"),
    StageSkipped("matching", "done before"),
    StageFinished("poses", "8 photos placed", 1.5, 300.0),
    Progress("matching", 3, 10, "pairs"),
    Message("depth", "no maps", "warning"),
    TrainingStep(100, 2000, NAN, 500, (64, 48)),
    TrainingStep(100, 2000, 0.5, 500, (64, 48), 20.0),
    RunFinished(Path("out"), {"photos": 8, "held_out_psnr": NAN}, ("a", "b")),
]


def test_the_shipped_schemas_are_those_of_the_code() -> None:
    for name, content in schemas().items():
        made = "python tests/make_schemas.py makes it anew"
        assert (FOLDER / name).read_text(encoding="utf-8") == content, f"{name} is old: {made}"


@pytest.mark.parametrize("name", ["report", "events"])
def test_every_field_is_described(name: Any) -> None:
    def undescribed(schema: Any, at: str) -> list[str]:
        if isinstance(schema, list):
            return [found for item in schema for found in undescribed(item, at)]
        if not isinstance(schema, dict):
            return []
        found = []
        for field, value in schema.get("properties", {}).items():
            if not value.get("description", "").endswith((".", ")")):
                found.append(f"{at}.{field}")
            found += undescribed(value, f"{at}.{field}")
        rest = [value for key, value in schema.items() if key not in ("properties", "enum")]
        return found + undescribed(rest, at)

    schema = load_schema(name)
    assert schema["description"]
    assert undescribed(schema, name) == []


def whole_report(folder: Path) -> dict[str, Any]:
    """A report in which everything is said that may be said."""
    scene = make_scene(folder)
    names = scene.poses.names
    cluster = ClusterEvidence(names, "tracks", "better", 9, 1.0, 0.5, NAN, 0, 30, 1.5)
    joint = JointEvidence("kept", "better", "joint", names[:2], 20.0, 21.0, 9, 1.0, 0.9, 0.1, 0.2)
    fits = tuple(DepthFit(number != 1, "good", 1.0, 0.1, 9) for number in range(COUNT))
    verdicts = Verdicts(
        tuple(
            PhotoVerdict(name, "weak", "so", "more" if number else None, PhotoTrust())
            for number, name in enumerate(names)
        ),
        ("photograph more",),
        ("halves agree",),
    )
    plan = TrainingPlan(
        1, 0, 640, 2000, 200, 40_000, 2, 50, 100, 400, 60.0, 900.0, ("views.max_size",)
    )
    stage = StageRecord("capture", "abc", "6 photos", 1.0, 80.0, asdict(FitConfig().capture))
    scene.write(
        depth=DepthAlignment(names, "maps", "depth", fits),
        verdicts=verdicts,
        command=["splatpose", "fit", "photos"],
        images="/photos",
        config=asdict(FitConfig()),
        matcher="sift",
        backend="cpu",
        local=asdict(LocalEvidence((cluster,), 9, 3)),
        second_round=asdict(SecondRoundEvidence(9, 5, "kept", "it explains more")),
        joint=asdict(joint),
        budget=asdict(plan) | {"took_seconds": 61.0},
        stages=[asdict(stage)],
    )
    return json.loads((scene.out / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return whole_report(tmp_path_factory.mktemp("run"))


def test_a_report_is_as_it_is_described(report: dict[str, Any]) -> None:
    schema = load_schema("report")
    assert violations(schema, report) == []
    bare = report | {
        "local": None,
        "second_round": None,
        "joint": None,
        "depth": None,
        "verdicts": None,
    }
    assert violations(schema, bare) == []


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ((), {"extra": 1}, "extra is not described"),
        (("photos", 0), {"width": "64"}, ".photos[0].width"),
        (("photos", 0), {"orientation": 9}, "out of range"),
        (("photos", 0), {"cam_from_world": [[1, 2, 3, 4]]}, "1 items"),
        (("summary",), {"photos": None}, ".summary.photos"),
        (("config", "training"), {"steps": -3}, ".config.training.steps: -3 is out of range"),
        (("config", "matching"), {"matcher": "surf"}, "'surf' is none of"),
    ],
)
def test_other_values_are_found(
    report: dict[str, Any], place: tuple, value: dict[str, Any], said: str
) -> None:
    changed = json.loads(json.dumps(report))
    inner = changed
    for step in place:
        inner = inner[step]
    inner.update(value)
    assert any(said in text for text in violations(load_schema("report"), changed))


def test_events_are_as_they_are_described() -> None:
    schema = load_schema("events")
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    for event in EVENTS:
        line = json.loads(event_line(event, 1.25))
        assert violations(schema, line) == [], line
        described = schema["$defs"][line["event"]]["properties"]
        assert set(described) == {"event", "elapsed", *(field.name for field in fields(event))}
    for error in (SplatposeError("no photos", "add some"), KeyboardInterrupt(), ValueError("x")):
        assert violations(schema, json.loads(error_line(error, 0.1))) == []
    assert violations(schema, {"event": "stage_started", "elapsed": 0.1, "stage": "cooking"})


def test_the_log_of_a_run_is_as_it_is_described(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        emit = log.sink(lambda event: None)
        for event in EVENTS:
            emit(event)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert len(lines) > len(EVENTS)
    for line in lines:
        assert violations(load_schema("events"), json.loads(line)) == [], line
