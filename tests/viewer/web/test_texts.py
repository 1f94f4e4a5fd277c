"""What the page says."""

from __future__ import annotations

from pathlib import Path

from splatpose.runs.log import LogReader
from splatpose.viewer.web.follow import RunFollower
from splatpose.viewer.web.progress import RunProgress
from splatpose.viewer.web.texts import (
    counts,
    message_list,
    stage_table,
    steering_line,
)


def test_the_page_says_what_happens_and_nothing_is_taken_for_markup(finished: Path) -> None:
    progress = RunProgress()
    for line in LogReader(finished / ".splatpose").lines():
        progress = progress.after(line)
    table = stage_table(progress)
    assert 'data-stage="splats" data-state="done"' in table
    assert "depth" not in table, "stages that were not asked for"
    messages = message_list(progress.messages, ["could not <read>"])
    assert "&lt;no&gt;" in messages
    assert "<no>" not in messages
    assert "&lt;read&gt;" in messages
    follower = RunFollower(finished)
    follower.look()
    text = counts(follower.world, 9, 100, 900)
    assert 'data-cameras="9"' in text
    assert "100 of" in text
    assert "1 weak" in text


def test_what_pausing_and_stopping_come_to_is_said() -> None:
    progress = RunProgress()
    assert steering_line(progress, False, True) == ""
    progress = progress.after({"event": "stage_started", "elapsed": 1, "stage": "poses"})
    assert "once Gaussians are trained" in steering_line(progress, False, True)
    assert "under way" in steering_line(progress, True, True)
    assert "cannot be steered" in steering_line(progress, False, False)
    progress = progress.after({"event": "stage_finished", "elapsed": 1, "stage": "poses",
        "summary": "", "seconds": 1.0, "peak_memory_mb": 1.0})  # fmt: skip
    progress = progress.after({"event": "stage_started", "elapsed": 1, "stage": "splats"})
    assert "saves all results" in steering_line(progress, False, True)
