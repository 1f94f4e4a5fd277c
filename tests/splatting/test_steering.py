"""A training that is watched, paused, and told to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scenes.splats import synthetic_views
from scenes.viewer_run import training

from splatpose.events import Event, Message, TrainingStep, ignore_events
from splatpose.scene.splats import Splats, TrainedSplats
from splatpose.scene.views import Views
from splatpose.splatting import live
from splatpose.splatting.live import SNAPSHOT, read_snapshot
from splatpose.stages.splats.stage import load_splats, train_splats
from splatpose.steering import Steering, StoppedEarly

CONFIG = training(60)


@pytest.fixture(scope="module")
def views() -> Views:
    return synthetic_views()


@pytest.fixture(scope="module")
def alone(views: Views, tmp_path_factory: pytest.TempPathFactory) -> TrainedSplats:
    folder = tmp_path_factory.mktemp("alone")
    assert isinstance(train_splats(views, CONFIG, folder, ignore_events, seed=3), str)
    return load_splats(folder)


class Wishes:
    """Follows the training's events and wishes accordingly."""

    def __init__(self, wish: Callable[[int], Steering]) -> None:
        self.events: list[Event] = []
        self.asked = 0
        self._wish = wish

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def __call__(self) -> Steering:
        self.asked += 1
        return self._wish(self.asked)

    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message)]


def same(a: Splats, b: Splats) -> bool:
    names = ("means", "quats", "log_scales", "logit_opacities", "sh")
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in names)


def test_being_watched_changes_nothing(
    views: Views, alone: TrainedSplats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_MEASURE_SECONDS", 0.0)
    monkeypatch.setattr(live, "_COST_SHARE", 1.0)
    monkeypatch.setattr("splatpose.splatting.train._EVENT_SECONDS", 0.0)
    snapshots: list[tuple[Splats, int]] = []

    def look(asked: int) -> Steering:
        if (tmp_path / SNAPSHOT).exists():
            snapshots.append(read_snapshot(tmp_path / SNAPSHOT))
        return Steering(watched=True)

    wishes = Wishes(look)
    summary = train_splats(views, CONFIG, tmp_path, wishes.emit, seed=3, steering=wishes)
    assert isinstance(summary, str)
    assert same(load_splats(tmp_path).splats, alone.splats)
    assert snapshots
    splats, step = snapshots[0]
    assert 0 < step < 80
    assert len(splats) > 0
    assert not (tmp_path / SNAPSHOT).exists(), "the result takes its place"
    measured = [event for event in wishes.events if isinstance(event, TrainingStep)]
    assert sum(event.held_out_psnr is not None for event in measured) >= 2


def test_nothing_is_written_for_nobody(views: Views, tmp_path: Path) -> None:
    seen: list[bool] = []

    def look(asked: int) -> Steering:
        seen.append((tmp_path / SNAPSHOT).exists())
        return Steering()

    train_splats(views, CONFIG, tmp_path, ignore_events, seed=3, steering=Wishes(look))
    assert len(seen) > 60
    assert not any(seen)


def test_a_pause_holds_the_steps_and_changes_nothing(
    views: Views, alone: TrainedSplats, tmp_path: Path
) -> None:
    wishes = Wishes(lambda asked: Steering(pause=20 <= asked < 26))
    train_splats(views, CONFIG, tmp_path, wishes.emit, seed=3, steering=wishes)
    assert same(load_splats(tmp_path).splats, alone.splats)
    pauses = [text for text in wishes.texts() if "pauses" in text or "goes on" in text]
    assert len(pauses) == 2
    assert "pauses at step 20" in pauses[0]


def test_a_stop_saves_a_result_and_the_same_training_goes_on_later(
    views: Views, alone: TrainedSplats, tmp_path: Path
) -> None:
    wishes = Wishes(lambda asked: Steering(stop=asked == 30))
    summary = train_splats(views, CONFIG, tmp_path, wishes.emit, seed=3, steering=wishes)
    assert isinstance(summary, StoppedEarly)
    half = load_splats(tmp_path)
    assert half.steps == 30
    assert half.held_out
    assert not half.final_pass_on_all
    assert isinstance(train_splats(views, CONFIG, tmp_path, ignore_events, seed=3), str)
    whole = load_splats(tmp_path)
    assert whole.steps == 80
    assert same(whole.splats, alone.splats), "it did not go on from where it was"


def test_a_stop_ends_a_pause(views: Views, tmp_path: Path) -> None:
    wishes = Wishes(lambda asked: Steering(pause=asked >= 10, stop=asked >= 14))
    summary = train_splats(views, CONFIG, tmp_path, wishes.emit, seed=3, steering=wishes)
    assert isinstance(summary, StoppedEarly)
    assert load_splats(tmp_path).steps == 10


def test_a_stop_in_the_last_pass_keeps_the_scores(views: Views, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=20, final_steps=30)
    wishes = Wishes(lambda asked: Steering(stop=asked == 25))
    summary = train_splats(views, config, tmp_path, wishes.emit, seed=3, steering=wishes)
    assert isinstance(summary, StoppedEarly)
    result = load_splats(tmp_path)
    assert result.steps == 25
    assert result.final_pass_on_all
    assert result.held_out


def test_a_damaged_snapshot_is_told_from_an_absent_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=SNAPSHOT):
        read_snapshot(tmp_path / SNAPSHOT)
    (tmp_path / SNAPSHOT).write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(ValueError, match="damaged"):
        read_snapshot(tmp_path / SNAPSHOT)
