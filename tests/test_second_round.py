"""When the second round runs, and that nothing changes where it gains nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scenes.loops import PHOTOS, loop_scene, model_of
from scenes.poses import Scene

from splatpose.config import FitConfig
from splatpose.events import StageFinished, StageSkipped, StageStarted
from splatpose.keys import Keyed, Unkeyed
from splatpose.runs import RunFolder
from splatpose.second_round import Round, second_round
from splatpose.stages.matching.config import MatchingConfig, SecondMatchingConfig


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Matches of neighbours of photos on which there is nothing to see any more."""
    scene = loop_scene(tmp_path_factory.mktemp("x") / "first", blind=True)
    folder = scene.graph.database.parent
    (folder / "matching.json").write_text(json.dumps({"matcher": "sift", "weights": {}}))
    return scene


def asked(scene: Scene, out: Path, config: FitConfig, limit: int) -> tuple[Round, list]:
    events: list = []
    matching = MatchingConfig("sift", working_size=64, exhaustive_limit=limit)
    graph = Keyed(scene.graph, "graph")
    poses = Keyed(model_of(scene, scene.graph, scene.cam_from_world), "poses")
    with RunFolder.open(out, emit=events.append) as run:
        given = Keyed(scene.capture, "capture"), graph, poses, None, Unkeyed(None)
        found = second_round(run, config, matching, *given)
    assert found[0] is graph
    assert found[1] is poses
    return found, [
        event for event in events if isinstance(event, StageStarted | StageFinished | StageSkipped)
    ]


def test_where_nothing_matches_all_is_as_before(scene: Scene, tmp_path: Path) -> None:
    (_, _, told), events = asked(scene, tmp_path / "run", FitConfig(), 10)
    assert told is not None
    assert told.decision == "not tried"
    assert told.named > 10
    assert told.matched == 0
    assert "0 match" in told.reason
    assert [type(event) for event in events] == [StageStarted, StageFinished]
    assert {event.stage for event in events} == {"second_matching"}
    (_, _, again), events = asked(scene, tmp_path / "run", FitConfig(), 10)
    assert str(again) == str(told)
    assert [type(event) for event in events] == [StageSkipped]


def test_of_few_photos_and_on_demand_there_is_none(scene: Scene, tmp_path: Path) -> None:
    off = replace(FitConfig(), second_matching=SecondMatchingConfig(pairs=0))
    for config, limit in ((FitConfig(), PHOTOS), (off, 10)):
        (_, _, told), events = asked(scene, tmp_path / "run", config, limit)
        assert told is None
        assert not events
