"""Those who watch a run: plain lines, the live screen and JSON, on a recorded event stream."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import pytest
from rich.console import Console

from splatpose.errors import SplatposeError
from splatpose.event_lines import event_name
from splatpose.events import (
    OPTIONAL_STAGES,
    STAGES,
    Event,
    Message,
    Progress,
    RunFinished,
    StageFinished,
    StageSkipped,
    StageStarted,
    TrainingStep,
)
from splatpose.viewer import FanOut, JsonLines, watch_in_terminal
from splatpose.viewer.pace import Counter, Pace
from splatpose.viewer.plain import PlainLines, duration
from splatpose.viewer.terminal import StagePanel

RUN: list[Event] = [
    StageSkipped("capture", "20 photos from 1 camera"),
    Message("matching", "matcher sift: the weights of xfeat are not here"),
    StageStarted("matching"),
    Progress("matching", 0, 190, "pairs matched"),
    Progress("matching", 95, 190, "pairs matched"),
    StageFinished("matching", "190 pairs, 171 verified", 12.3, 800.4),
    StageStarted("poses"),
    Message("poses", "IMG_7.jpg does not fit: [bold]3 matches[/]", "warning"),
    StageFinished("poses", "19 of 20 photos registered", 187.0, 900.0),
    StageStarted("views"),
    StageFinished("views", "19 views, 640x480", 0.31, 500.0),
    StageStarted("splats"),
    TrainingStep(1000, 3000, 0.0831, 20_000, (320, 240), held_out_psnr=24.5),
    TrainingStep(2000, 3000, float("nan"), 41_233, (640, 480)),
    StageFinished("splats", "41,233 Gaussians, held-out PSNR 27.12 dB", 3725.0, 1500.0),
    StageSkipped("trust", "19 of 20 photos trusted, 1 refused"),
    StageStarted("outputs"),
    StageFinished("outputs", "splat.ply and five more", 0.9, 1500.0),
    RunFinished(
        Path("runs/demo"),
        {"photos": 20, "registered": 19, "gaussians": 41233, "held_out_psnr": 27.123, "seed": 0},
    ),
]


def test_plain_lines_are_one_a_stage_and_one_a_message() -> None:
    stream = io.StringIO()
    with watch_in_terminal(stream) as consume:  # not a terminal
        for event in RUN:
            consume(event)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "capture   20 photos from 1 camera (kept from an earlier run)"
    assert lines[1] == "matching: matcher sift: the weights of xfeat are not here"
    assert lines[2] == "matching  190 pairs, 171 verified (12 s, 800 MiB)"
    assert lines[3] == "warning: poses: IMG_7.jpg does not fit: [bold]3 matches[/]"
    assert lines[4] == "poses     19 of 20 photos registered (3:07, 900 MiB)"
    assert [line.split()[0] for line in lines[5:9]] == ["views", "splats", "trust", "outputs"]
    assert lines[9] == (
        "done: runs/demo "
        "(20 photos, 19 registered, 41,233 Gaussians, held-out PSNR 27.12 dB, seed 0)"
    )
    assert len(lines) == 10


def test_plain_lines_tell_how_far_a_stage_is_every_half_minute() -> None:
    now = 0.0
    stream = io.StringIO()
    lines = PlainLines(stream, clock=lambda: now)
    lines(StageStarted("matching"))
    for second in range(0, 100, 5):
        now = float(second)
        lines(Progress("matching", second, 200, "pairs matched"))
    assert stream.getvalue().splitlines() == [
        "matching: 30 of 200 pairs matched, 2:50 left, 30 s so far",
        "matching: 60 of 200 pairs matched, 2:20 left, 1:00 so far",
        "matching: 90 of 200 pairs matched, 1:50 left, 1:30 so far",
    ]
    lines(StageFinished("matching", "done", 100.0, 1.0))
    lines(StageStarted("poses"))
    lines(Progress("poses", 0, 2, "incremental mapping"))
    now += 31.0
    lines.tick()  # nothing is heard of the stage itself
    now += 29.0
    lines.tick()
    assert stream.getvalue().splitlines()[4:] == ["poses: 0 of 2 incremental mapping, 31 s so far"]
    lines(StageFinished("poses", "done", 60.0, 1.0))
    now += 100.0
    lines.tick()  # between two stages there is nothing to tell
    assert len(stream.getvalue().splitlines()) == 6


def test_time_left_counts_from_where_a_training_was_resumed() -> None:
    now = 10.0
    pace = Pace(lambda: now)
    assert pace.remaining() is None
    pace.see(TrainingStep(1000, 3000, 0.1, 10, (32, 24)))
    assert pace.remaining() is None
    now = 20.0
    pace.see(TrainingStep(1500, 3000, 0.1, 10, (32, 24)))
    assert pace.remaining() == pytest.approx(30.0)
    pace.see(Progress("splats", 1, 4, "photos measured"))
    assert pace.remaining() is None


def test_a_film_or_download_tells_how_far_it_is_where_nothing_moves() -> None:
    now = 0.0
    stream = io.StringIO()
    tell = Counter(stream, "frames", lambda: now)
    for frame in range(0, 2001, 100):
        now = frame / 25
        tell(frame, 2000)
    assert stream.getvalue().splitlines() == [
        "800 of 2,000 frames, 48 s left",
        "1,600 of 2,000 frames, 16 s left",
    ]


def test_a_run_ends_with_its_own_lines_where_it_has_any() -> None:
    lines = ("photos    2 of 2 trusted", "files     runs/demo/report.html")
    finished = RunFinished(Path("runs/demo"), {"photos": 2}, lines)
    plain, objects = io.StringIO(), io.StringIO()
    PlainLines(plain)(finished)
    JsonLines(objects)(finished)
    assert plain.getvalue() == "\n".join(lines) + "\n"
    assert json.loads(objects.getvalue())["lines"] == list(lines)


def test_a_figure_that_was_not_measured_is_left_out() -> None:
    stream = io.StringIO()
    PlainLines(stream)(RunFinished(Path("out"), {"photos": 2, "held_out_psnr": float("nan")}))
    assert stream.getvalue() == "done: out (2 photos)\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1:00"), (3599.7, "1:00:00")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def draw(panel: StagePanel) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100, color_system=None).print(panel)
    return stream.getvalue()


def test_the_screen_follows_the_run() -> None:
    panel = StagePanel()
    for event in RUN[:5]:
        panel.update(event)
    matching = draw(panel)
    assert "✓ capture  20 photos from 1 camera [kept]" in matching
    assert "95/190 pairs matched" in matching
    for event in RUN[5:14]:
        panel.update(event)
    splats = draw(panel)
    assert "✓ poses    19 of 20 photos registered [3:07]" in splats
    flat = " ".join(splats.split())
    assert "step 2000/3000" in flat
    assert "held-out PSNR 24.50 dB" in flat  # the last one measured
    assert "41,233 Gaussians" in flat
    assert "left" in flat
    assert "2000/3000 steps" in flat
    for event in RUN[14:]:
        panel.update(event)
    done = draw(panel)
    assert done.count("✓") == len(STAGES) - len(OPTIONAL_STAGES)
    assert not any(stage in done for stage in OPTIONAL_STAGES)
    panel.update(StageStarted("depth"))
    assert "depth" in draw(panel)


def test_a_stage_that_was_cut_off_is_not_ticked() -> None:
    panel = StagePanel(ascii_only=True)
    for event in RUN[:5]:
        panel.update(event)
    panel.close()
    lines = {line.split()[1]: line for line in draw(panel).splitlines()}
    assert lines["matching"].startswith("x matching stopped after")
    assert lines["poses"].startswith("- poses")


def test_live_on_a_real_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pseudo-terminal gets the animation and, at the end, the whole list and the last line."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    main_end, terminal_end = os.openpty()
    received = bytearray()

    def read() -> None:
        try:
            while data := os.read(main_end, 4096):
                received.extend(data)
        except OSError:
            return  # the other end is closed

    reader = threading.Thread(target=read)
    reader.start()
    with open(terminal_end, "w", encoding="utf-8") as stream, watch_in_terminal(stream) as consume:
        for event in RUN:
            consume(event)
    reader.join(timeout=10)
    os.close(main_end)
    text = received.decode()
    assert "\x1b[" in text
    assert "IMG_7.jpg does not fit: [bold]3 matches[/]" in text
    assert text.rstrip().rsplit("done: runs/demo", 1)[1].count("held-out PSNR 27.12 dB") == 1


def test_json_lines_hold_every_event() -> None:
    stream = io.StringIO()
    with JsonLines(stream) as consume:
        for event in RUN:
            consume(event)
    lines = [
        json.loads(line, parse_constant=pytest.fail) for line in stream.getvalue().splitlines()
    ]
    assert [line["event"] for line in lines] == [event_name(type(event)) for event in RUN]
    assert all(line["elapsed"] >= 0 for line in lines)
    assert lines[-1]["event"] == "run_finished"
    assert lines[-1]["folder"] == "runs/demo"
    assert lines[13]["loss"] is None  # NaN has no word in JSON
    assert lines[13]["image_size"] == [640, 480]


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (SplatposeError("a.jpg is broken.", "Remove it."), "a.jpg is broken.", 1),
        (KeyboardInterrupt(), "Interrupted.", 130),
        (ZeroDivisionError("oh"), "ZeroDivisionError: oh", 1),
    ],
)
def test_json_lines_end_with_what_went_wrong(error: BaseException, message: str, code: int) -> None:
    stream = io.StringIO()
    with pytest.raises(type(error)), JsonLines(stream):
        raise error
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert (last["event"], last["message"], last["exit_code"]) == ("error", message, code)
    assert last["hint"]


def test_one_who_cannot_write_disturbs_nobody() -> None:
    """Closed pipe, full device, closed file: the run and the other consumers go on."""
    reading, writing = os.pipe()
    os.close(reading)
    closed = io.StringIO()
    closed.close()
    seen: list[Event] = []
    with open(writing, "w") as pipe, open("/dev/full", "w") as full:
        emit = FanOut(JsonLines(pipe), PlainLines(closed), PlainLines(full), seen.append)
        for event in RUN:
            emit(event)
        assert seen == RUN
        assert {error for error in emit.lost if "No space" in error}
        # What is left in the buffers must not fail the closing of the files either.
        with pytest.raises(OSError, match="No space"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), pipe.fileno())
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
