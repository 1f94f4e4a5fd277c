"""The way back from those who watch to the run: wishes as files, signs of life, the event log."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from splatpose.event_lines import event_line, parse_event
from splatpose.events import (
    Event,
    EventSink,
    Message,
    Progress,
    RunFinished,
    StageFinished,
    StageSkipped,
    StageStarted,
    TrainingStep,
    ignore_events,
)
from splatpose.keys import Stage
from splatpose.runs import RunFolder
from splatpose.runs.log import EVENTS, EventLog, LogHeader, LogReader, read_header
from splatpose.runs.steering import WATCHERS, WISHES, FolderSteering, Watcher, read_wishes
from splatpose.steering import Steering, StoppedEarly
from splatpose.viewer.web.progress import RunProgress
from splatpose.viewer.web.texts import headline, silence_line
from splatpose.viewer.web.world import World

EVERY_KIND: list[Event] = [
    StageStarted("capture"),
    StageSkipped("capture", "ten photos"),
    StageFinished("matching", "all matched", 1.5, 300.25),
    Progress("matching", 3, 9, "pairs"),
    Message("poses", 'a "quoted" photo\nof two lines', "warning"),
    TrainingStep(5, 100, 0.25, 700, (64, 48)),
    TrainingStep(6, 100, 0.24, 701, (64, 48), 21.5),
    RunFinished(Path("out/sub"), {"photos": 3, "name": "x"}),
]


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: type(event).__name__)
def test_an_event_survives_its_line(event: Event) -> None:
    line = event_line(event, 1.0)
    assert "\n" not in line
    assert parse_event(json.loads(line)) == event


def test_a_loss_that_is_not_finite_comes_back_as_nan() -> None:
    event = parse_event(json.loads(event_line(TrainingStep(1, 2, float("inf"), 3, (4, 5)), 0)))
    assert isinstance(event, TrainingStep)
    assert event.loss != event.loss


@pytest.mark.parametrize("value", [{"event": "later"}, {}, {"event": "progress", "stage": "poses"}])
def test_lines_of_another_version_are_passed_over(value: dict[str, str]) -> None:
    assert parse_event(value) is None


def test_nobody_watches_at_first(tmp_path: Path) -> None:
    assert read_wishes(tmp_path) == Steering()


def test_wishes_reach_the_run_and_can_be_taken_back(tmp_path: Path) -> None:
    with Watcher(tmp_path) as watcher:
        assert watcher.can_steer
        assert read_wishes(tmp_path) == Steering()
        watcher.set_pages(2)
        assert read_wishes(tmp_path) == Steering(watched=True)
        watcher.ask(pause=True)
        assert read_wishes(tmp_path) == Steering(watched=True, pause=True)
        watcher.ask(stop=True)
        assert read_wishes(tmp_path) == Steering(watched=True, pause=True, stop=True)
        watcher.ask(pause=False, stop=False)
        watcher.set_pages(0)
        assert watcher.wishes() == Steering()


def test_a_pause_ends_with_the_viewer_that_asked_for_it(tmp_path: Path) -> None:
    with Watcher(tmp_path) as watcher:
        watcher.ask(pause=True)
    assert read_wishes(tmp_path) == Steering()
    with Watcher(tmp_path) as watcher:
        watcher.ask(pause=True)
        (file,) = (tmp_path / WATCHERS).glob("*.json")
        assert read_wishes(tmp_path).pause
        long_ago = time.time() - 100
        os.utime(file, (long_ago, long_ago))  # as if it had been killed
        assert read_wishes(tmp_path) == Steering()


def test_two_viewers_steer_the_same_run(tmp_path: Path) -> None:
    with Watcher(tmp_path) as first:
        first.set_pages(1)
        with Watcher(tmp_path) as second:
            first.ask(pause=True)
            assert second.wishes().pause
            second.ask(pause=False)
            assert not first.wishes().pause
        assert read_wishes(tmp_path).watched


@pytest.mark.parametrize("text", ["", "[1]", '{"pause": "yes"}', "{"])
def test_a_damaged_wish_is_no_wish(tmp_path: Path, text: str) -> None:
    with Watcher(tmp_path):
        (tmp_path / WISHES).write_text(text)
        assert not read_wishes(tmp_path).pause


def test_a_folder_that_cannot_be_written_can_be_watched(tmp_path: Path) -> None:
    (tmp_path / WATCHERS).write_text("in the way")
    with Watcher(tmp_path) as watcher:
        watcher.set_pages(1)
        assert not watcher.can_steer
    assert read_wishes(tmp_path) == Steering()


def test_a_run_asks_the_disk_seldom_and_forgets_old_wishes(tmp_path: Path) -> None:
    with Watcher(tmp_path) as watcher:
        watcher.ask(stop=True)
        steering = FolderSteering(tmp_path)
        assert steering().stop
        watcher.ask(stop=False)
        assert steering().stop, "read again too soon"
        watcher.ask(stop=True)
        with RunFolder.open(tmp_path / "run"):
            pass
        steering = FolderSteering(tmp_path)
        steering.forget()
        assert not steering().stop


def test_a_pause_holds_a_stage_between_two_pieces_of_work(tmp_path: Path) -> None:
    """From several threads; the training of Gaussians is not held, it asks by itself."""
    seen: list[Event] = []
    steering = FolderSteering(tmp_path)
    sink = steering.sink(seen.append)
    with Watcher(tmp_path) as watcher:
        sink(Progress("matching", 1, 9, "pairs"))
        watcher.ask(pause=True)
        wait_until(lambda: steering().pause)
        sink(Message("matching", "not a piece of work"))
        sink(Progress("splats", 1, 9, "steps"))
        sink(StageStarted("outputs"))
        workers = [
            threading.Thread(target=sink, args=(Progress("matching", number, 9, "pairs"),))
            for number in (2, 3)
        ]
        for worker in workers:
            worker.start()
        wait_until(lambda: Message("matching", "pauses as asked") in seen)
        workers[0].join(0.5)
        assert all(worker.is_alive() for worker in workers)
        watcher.ask(pause=False)
        for worker in workers:
            worker.join(10)
        assert not any(worker.is_alive() for worker in workers)
    texts = [event.text for event in seen if isinstance(event, Message)]
    assert texts == ["not a piece of work", "pauses as asked", "goes on"]
    assert sum(isinstance(event, Progress) for event in seen) == 4
    sink(StageStarted("poses"))


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def test_the_log_tells_a_run_to_another_process(tmp_path: Path) -> None:
    reader = LogReader(tmp_path)
    assert list(reader.lines()) == []
    passed_on: list[Event] = []
    with EventLog(tmp_path) as log:
        sink = log.sink(passed_on.append)
        for event in EVERY_KIND:
            sink(event)
        header, *lines = reader.lines()
        found = read_header(header)
        assert found is not None
        assert found.pid == os.getpid()
        assert found.host == platform.node()
        assert found.state() == "running"
        assert [parse_event(line) for line in lines] == EVERY_KIND == passed_on
        assert list(reader.lines()) == []
        sink(StageStarted("views"))
        (line,) = reader.lines()
        assert parse_event(line) == StageStarted("views")


def test_the_log_of_the_next_run_is_another_file(tmp_path: Path) -> None:
    reader = LogReader(tmp_path)
    with EventLog(tmp_path) as log:
        log.sink(ignore_events)(StageStarted("views"))
        assert len(list(reader.lines())) == 2
    with EventLog(tmp_path):
        (line,) = reader.lines()
        assert read_header(line) is not None


def test_a_line_that_is_half_written_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    path.write_bytes(b'{"event": "x"}\n{"event":')
    reader = LogReader(tmp_path)
    assert list(reader.lines()) == [{"event": "x"}]
    with path.open("ab") as file:
        file.write(b' "y"}\nnonsense\n')
    assert list(reader.lines()) == [{"event": "y"}]


def test_the_log_thins_out_progress_and_keeps_the_last(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        sink = log.sink(ignore_events)
        for done in range(1, 1001):
            sink(Progress("matching", done, 1000, "pairs"))
    lines = list(LogReader(tmp_path).lines())
    assert 2 < len(lines) < 200
    assert lines[-1]["done"] == 1000


def test_a_failed_run_says_so_in_its_log(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), EventLog(tmp_path):
        raise ZeroDivisionError("oh")
    assert [line["event"] for line in LogReader(tmp_path).lines()][-1] == "error"


def test_a_log_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / EVENTS).mkdir()
    passed_on: list[Event] = []
    with EventLog(tmp_path) as log:
        log.sink(passed_on.append)(StageStarted("views"))
    assert passed_on == [StageStarted("views")]


def test_a_dead_writer_is_known_to_be_dead(tmp_path: Path) -> None:
    with EventLog(tmp_path):
        pass
    header = read_header(next(LogReader(tmp_path).lines()))
    assert header is not None
    older = dataclasses.replace(header, process_started=header.process_started - 50)
    assert older.state() == "gone"
    assert dataclasses.replace(header, host="elsewhere", pid=-1).state() == "running"


@dataclasses.dataclass(frozen=True)
class Config:
    """No options."""


def test_a_stage_that_stops_early_has_a_result_and_goes_on_later(tmp_path: Path) -> None:
    def run(fill) -> tuple[str, list[Event], list[str]]:
        events: list[Event] = []

        def compute(config: Config, path: Path, emit: EventSink) -> str | StoppedEarly:
            return fill(path)

        stage = Stage("splats", compute, lambda path: (path / "value").read_text())
        with RunFolder.open(tmp_path / "out", emit=events.append) as folder:
            value = folder.stage(stage, Config()).value
            return value, events, [record.summary for record in folder.records()]

    def stopping(path: Path) -> StoppedEarly:
        (path / "value").write_text("half")
        return StoppedEarly("half of it")

    def finishing(path: Path) -> str:
        assert (path / "value").read_text() == "half", "what was done is lost"
        (path / "value").write_text("whole")
        return "all of it"

    value, events, summaries = run(stopping)
    assert value == "half"
    assert [type(event) for event in events] == [StageStarted, StageFinished]
    assert summaries == ["half of it"]
    value, events, summaries = run(finishing)
    assert value == "whole"
    assert [type(event) for event in events] == [StageStarted, StageFinished]
    assert summaries == ["all of it"]
    assert isinstance(run(finishing)[1][0], StageSkipped)


@pytest.mark.parametrize("content", ['{"pages": "x"}', '{"pages": null}', "[]", "{", ""])
def test_an_odd_sign_of_life_does_not_end_the_run(tmp_path: Path, content: str) -> None:
    (tmp_path / WATCHERS).mkdir()
    (tmp_path / WATCHERS / "a.json").write_text(content)
    assert not read_wishes(tmp_path).watched


@pytest.mark.parametrize(
    "value",
    [
        {"event": "log_started", "version": 1},
        {"event": "log_started", "version": 1, "started": "x", "host": 1, "pid": 2},
        {"event": "stage_started", "stage": "of a later version"},
        {"event": "stage_started", "stage": "capture", "elapsed": "soon"},
    ],
)
def test_odd_lines_of_a_log_do_not_end_the_viewer(value: dict[str, object]) -> None:
    assert RunProgress().after(value).current in (None, "capture")


def test_a_run_that_is_silent_or_stopped_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    header = LogHeader(time.time() - 400.0, platform.node(), os.getpid(), 0.0)
    progress = RunProgress(header=header, heard=header.started)
    progress.after({"event": "stage_started", "stage": "poses", "elapsed": 30.0})
    assert progress.silence() == pytest.approx(370.0, abs=5.0)
    assert silence_line(progress) == "No news for 6 min."
    assert "No news for 6 min." in headline(progress, World(), "out")
    progress.suspended = True
    assert "stopped" in silence_line(progress)
    progress.after({"event": "progress", "stage": "poses", "done": 1, "total": 2, "elapsed": 400.0})
    progress.suspended = False
    assert silence_line(progress) == ""
    progress.after({"event": "error", "message": "oh", "elapsed": 30.0})
    monkeypatch.setattr(progress, "heard", 0.0)
    assert silence_line(progress) == ""  # it is over


def test_a_stopped_process_is_known_to_be_stopped() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        created = psutil.Process(process.pid).create_time()
        header = LogHeader(time.time(), platform.node(), process.pid, created)
        assert header.state() == "running"
        process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while header.state() != "stopped" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert header.state() == "stopped"
    finally:
        process.kill()
        process.wait()
    assert header.state() == "gone"
