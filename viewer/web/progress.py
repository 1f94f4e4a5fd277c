"""What has happened in a run, as its log tells it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from splatpose.event_lines import parse_event
from splatpose.events import (
    STAGES,
    Message,
    Progress,
    RunFinished,
    StageFinished,
    StageName,
    StageSkipped,
    StageStarted,
    TrainingStep,
)
from splatpose.runs.log import LogHeader, read_header

_PACE_SAMPLES = 40

StageState = Literal["waiting", "running", "done", "kept", "stopped"]


@dataclass
class StageProgress:
    """One stage."""

    state: StageState = "waiting"
    summary: str = ""
    began: float = 0.0
    """Time at which the stage began, in seconds since the epoch."""
    seconds: float = 0.0
    """Seconds that the stage took, once it is done."""
    progress: Progress | None = None


@dataclass
class RunProgress:
    """Everything that the log has said so far of the run that began last."""

    header: LogHeader | None = None
    stages: dict[StageName, StageProgress] = field(
        default_factory=lambda: {name: StageProgress() for name in STAGES}
    )
    messages: list[Message] = field(default_factory=list)
    curve: list[tuple[int, float, int]] = field(default_factory=list)
    """Samples (step, loss, number of Gaussians), steps ascending."""
    psnr: list[tuple[int, float]] = field(default_factory=list)
    """Samples (step, mean PSNR of the held-out photos in dB)."""
    step: TrainingStep | None = None
    finished: RunFinished | None = None
    error: str = ""
    """Why the run failed; empty where it did not."""
    revision: int = 0
    """Number of log lines that were taken in."""
    heard: float = 0.0
    """When the log said something last, in seconds since the epoch."""
    suspended: bool = False
    """Whether the process that computes is stopped, and may go on."""
    _pace: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=_PACE_SAMPLES))
    """Last training steps, and the times in seconds at which they were done."""

    def after(self, value: dict[str, Any]) -> RunProgress:
        """What has happened once a line of the log is taken in: this, changed, or another run."""
        header = read_header(value)
        if header is not None:
            return RunProgress(header=header, revision=self.revision + 1, heard=header.started)
        self._add(value)
        return self

    def _add(self, value: dict[str, Any]) -> None:
        self.revision += 1
        elapsed = value.get("elapsed")
        seconds = float(elapsed) if isinstance(elapsed, int | float) else 0.0
        when = (self.header.started if self.header else 0.0) + seconds
        self.heard = max(self.heard, when)
        if value.get("event") == "error":
            self.error = str(value.get("message", "")) + " " + str(value.get("hint", ""))
            self._stop()
            return
        match parse_event(value):
            case StageStarted(stage):
                self.stages[stage] = StageProgress("running", began=when)
            case StageSkipped(stage, summary):
                self.stages[stage] = StageProgress("kept", summary)
            case StageFinished(stage, summary, seconds, _):
                self.stages[stage] = StageProgress("done", summary, seconds=seconds)
            case Progress() as progress:
                self.stages[progress.stage].progress = progress
            case Message() as message:
                self.messages.append(message)
            case TrainingStep() as step:
                self._add_step(step, when)
            case RunFinished() as finished:
                self.finished = finished

    def is_ready(self, stage: StageName) -> bool:
        """Whether the stage's result is that of this run."""
        return self.stages[stage].state in ("done", "kept")

    @property
    def current(self) -> StageName | None:
        """The stage that is being computed."""
        running: list[StageName] = [name for name in STAGES if self.stages[name].state == "running"]
        return running[-1] if running else None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come, as far as the log says."""
        return self.finished is not None or bool(self.error)

    def check_alive(self) -> None:
        """Notices that the process which computed is stopped, or gone without a word."""
        if self.is_over or self.header is None:
            return
        state = self.header.state()
        self.suspended = state == "stopped"
        if state == "gone":
            self.error = "The process that computed this run is gone. The same command goes on."
            self.revision += 1
            self._stop()

    def silence(self) -> float:
        """Seconds for which nothing was heard of a run that is not over; 0 of any other."""
        if self.is_over or self.header is None:
            return 0.0
        return max(0.0, time.time() - self.heard)

    def elapsed(self, stage: StageName) -> float:
        """Seconds that the stage took, or has been running."""
        progress = self.stages[stage]
        return time.time() - progress.began if progress.state == "running" else progress.seconds

    def remaining(self) -> float | None:
        """Seconds to the end of the running stage; None where nobody knows.

        At its mean pace, or for the training at that of the last moments: it may have been paused.
        """
        stage = self.current
        if stage is None:
            return None
        if stage == "splats" and self.step is not None:
            (first, began), (last, ended) = self._pace[0], self._pace[-1]
            left = self.step.total_steps - last
            return (ended - began) / (last - first) * left if last > first else None
        progress = self.stages[stage].progress
        done, total = (progress.done, progress.total) if progress else (0, 0)
        if done <= 0 or total < done:
            return None
        return self.elapsed(stage) / done * (total - done)

    def _add_step(self, step: TrainingStep, when: float) -> None:
        if self._pace and self._pace[-1][0] >= step.step:
            self._pace.clear()
        self._pace.append((step.step, when))
        while self.curve and self.curve[-1][0] >= step.step:  # it went back to a checkpoint
            self.curve.pop()
        self.curve.append((step.step, step.loss, step.num_gaussians))
        if step.held_out_psnr is not None:
            while self.psnr and self.psnr[-1][0] >= step.step:
                self.psnr.pop()
            self.psnr.append((step.step, step.held_out_psnr))
        self.step = step

    def _stop(self) -> None:
        for stage in self.stages.values():
            if stage.state == "running":
                stage.state = "stopped"
