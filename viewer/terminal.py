"""The event stream in a terminal: live on a screen, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from splatpose.events import (
    OPTIONAL_STAGES,
    STAGES,
    Event,
    EventSink,
    Message,
    Progress,
    RunFinished,
    StageFinished,
    StageName,
    StageSkipped,
    StageStarted,
    TrainingStep,
)

from .pace import Pace
from .plain import describe, duration, plain_lines

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table


@contextmanager
def watch_in_terminal(stream: TextIO) -> Iterator[EventSink]:
    """A consumer that writes to `stream`: live where it is a screen, else a line a stage.

    Leaving the context stops the animation and leaves the last state of the list on the screen.
    """
    console = _screen(stream)
    if console is None:
        with plain_lines(stream) as lines:
            yield lines
        return
    from rich.live import Live

    panel = StagePanel(ascii_only=console.options.ascii_only)
    live = Live(panel, console=console, refresh_per_second=8)
    # A terminal that hangs up must not take the run with it.
    with contextlib.suppress(OSError, ValueError):
        live.start()

    last_words: list[str] = []

    def say(text: str, style: str | None = None) -> None:
        # Lines are not broken by us, so that paths in them can be copied.
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def consume(event: Event) -> None:
        panel.update(event)
        if isinstance(event, RunFinished):
            last_words.append(describe(event))
        elif isinstance(event, Message):
            say(describe(event), "yellow" if event.level == "warning" else None)

    try:
        yield consume
    finally:
        panel.close()
        with contextlib.suppress(OSError, ValueError):
            live.stop()
            for text in last_words:
                say(text)


def _screen(stream: TextIO) -> Console | None:
    """A rich console if `stream` is a terminal that can redraw, without loading rich if not."""
    if not stream.isatty():
        return None
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            """Unlike rich's own, does not end the process."""
            self.quiet = True

    console = Screen(file=stream)
    return None if console.is_dumb_terminal else console


class StagePanel:
    """What the screen shows: every stage with its state, and how far the current one is."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        from rich.spinner import Spinner

        self._marks = _ASCII_MARKS if ascii_only else _MARKS
        self._spinner = Spinner("line" if ascii_only else "dots", style="cyan")
        self._state: dict[StageName, str] = dict.fromkeys(STAGES, "waiting")
        self._text: dict[StageName, str] = {}
        self._began = time.monotonic()
        self._current: StageName | None = None
        self._progress: Progress | None = None
        self._step: TrainingStep | None = None
        self._pace = Pace()
        self._psnr: float | None = None

    def update(self, event: Event) -> None:
        """Takes one event in."""
        match event:
            case StageStarted(stage):
                self._state[stage] = "running"
                self._current = stage
                self._began = time.monotonic()
                self._progress = self._step = None
                self._pace = Pace()
            case StageFinished(stage, summary, seconds, _):
                self._state[stage] = "done"
                self._text[stage] = f"{summary} [{duration(seconds)}]"
                self._current = None
            case StageSkipped(stage, summary):
                self._state[stage] = "kept"
                self._text[stage] = f"{summary} [kept]"
            case Progress():
                self._progress = event
            case TrainingStep():
                self._step = event
                self._pace.see(event)
                if event.held_out_psnr is not None:
                    self._psnr = event.held_out_psnr
            case _:
                pass

    def close(self) -> None:
        """The run is over: whatever was under way did not finish."""
        if self._current is not None:
            self._state[self._current] = "stopped"
            self._text[self._current] = f"stopped after {self._elapsed()}"
            self._current = None

    def training_line(self) -> str:
        """Step, loss, PSNR, number of Gaussians and remaining time; "" before the first step."""
        step = self._step
        if step is None:
            return ""
        parts = [f"step {step.step}/{step.total_steps}", f"loss {step.loss:.4f}"]
        if self._psnr is not None:
            parts.append(f"held-out PSNR {self._psnr:.2f} dB")
        width, height = step.image_size
        parts += [f"{step.num_gaussians:,} Gaussians", f"{width}x{height} px"]
        remaining = self._pace.remaining()
        if remaining is not None:
            parts.append(f"{duration(remaining)} left")
        return " · ".join(parts)

    def _elapsed(self) -> str:
        return duration(time.monotonic() - self._began)

    def _shown_progress(self) -> Progress | None:
        step = self._step
        if step is not None:
            return Progress("splats", step.step, step.total_steps, "steps")
        return self._progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._stage_table()
        progress = self._shown_progress()
        if self._current is not None and progress is not None:
            yield _progress_bar(progress)

    def _stage_table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        for stage in STAGES:
            state = self._state[stage]
            if state == "waiting" and stage in OPTIONAL_STAGES:
                continue
            if state == "running":
                mark = self._spinner
                text = self.training_line() or self._elapsed()
            else:
                mark = Text(*self._marks[state])
                text = self._text.get(stage, "")
            name = Text(
                stage, "bold" if state == "running" else "dim" if state == "waiting" else ""
            )
            table.add_row(mark, name, Text(text))
        return table


def _progress_bar(progress: Progress) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    total = progress.total or None  # None: rich shows a pulse, not a share
    bar = ProgressBar(total=total, completed=progress.done, width=30, pulse=total is None)
    row = Table.grid(padding=(0, 1))
    row.add_row(Text(" "), bar, Text(f"{progress.done}/{progress.total} {progress.text}"))
    return row


_MARKS = {
    "waiting": ("·", "dim"),
    "done": ("✓", "green"),
    "kept": ("✓", "cyan"),
    "stopped": ("✗", "red"),
}
_ASCII_MARKS = {
    "waiting": ("-", "dim"),
    "done": ("+", "green"),
    "kept": ("=", "cyan"),
    "stopped": ("x", "red"),
}
