"""The event stream as plain text, one line a stage, for logs and pipes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from splatpose.events import (
    Event,
    Message,
    Progress,
    RunFinished,
    StageFinished,
    StageName,
    StageSkipped,
    StageStarted,
    TrainingStep,
)

from .pace import TELL_SECONDS, Pace, counted
from .pace import duration as duration


class PlainLines:
    """One line when a stage is done, one for every message, and one every 30 s between them.

    Args:
        stream: where they go.
        clock: seconds since any moment.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._pace = Pace(clock)
        self._stage: StageName | None = None
        self._began = self._told = clock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            match event:
                case StageStarted(stage):
                    self._stage, self._pace = stage, Pace(self._clock)
                    self._began = self._told = self._clock()
                case StageFinished() | StageSkipped() | RunFinished():
                    self._stage = None
                case Progress() | TrainingStep():
                    self._pace.see(event)
                case _:
                    pass
            text = describe(event)
            if text:
                self._say(text)
            else:
                self._tell_if_due()

    def tick(self) -> None:
        """Tells how far the stage is where nothing was told for long; called now and then."""
        with self._lock:
            self._tell_if_due()

    def _tell_if_due(self) -> None:
        if self._stage is None or self._clock() - self._told < TELL_SECONDS:
            return
        parts = [counted(self._pace)] if self._pace.text or self._pace.total else []
        parts.append(f"{duration(self._clock() - self._began)} so far")
        self._say(f"{self._stage}: {', '.join(parts)}")

    def _say(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()
        self._told = self._clock()


@contextmanager
def plain_lines(stream: TextIO) -> Iterator[PlainLines]:
    """Plain lines that tell how far a stage is even while it says nothing itself."""
    lines, stop = PlainLines(stream), threading.Event()

    def watch() -> None:
        while not stop.wait(1.0):
            try:
                lines.tick()
            except (OSError, ValueError):  # nobody reads any more
                return

    thread = threading.Thread(target=watch, daemon=True, name="plain lines")
    thread.start()
    try:
        yield lines
    finally:
        stop.set()
        thread.join()


def describe(event: Event) -> str:
    """The event in one line, the end of a run in a few, or "" where it is of no lasting
    interest."""
    match event:
        case StageFinished(stage, summary, seconds, peak_memory_mb):
            cost = f"{duration(seconds)}, {peak_memory_mb:.0f} MiB"
            return f"{stage:<9} {summary} ({cost})"
        case StageSkipped(stage, summary):
            return f"{stage:<9} {summary} (kept from an earlier run)"
        case Message(stage, text, "warning"):
            return f"warning: {stage}: {text}"
        case Message(stage, text):
            return f"{stage}: {text}"
        case RunFinished(folder, summary, lines):
            return "\n".join(lines) or finish_line(folder, summary)
        case _:
            return ""


def finish_line(folder: Path, summary: dict[str, float | int | str]) -> str:
    """Where the results are, and the run's figures as far as there are any."""
    figures = ", ".join(
        _FIGURES.get(key, key.replace("_", " ") + " {}").format(value)
        for key, value in summary.items()
        if value == value  # NaN: nothing was measured
    )
    return f"done: {folder}" + (f" ({figures})" if figures else "")


_FIGURES = {
    "photos": "{} photos",
    "registered": "{} registered",
    "trusted": "{} trusted",
    "gaussians": "{:,} Gaussians",
    "held_out_psnr": "held-out PSNR {:.2f} dB",
}
