"""The event stream as plain text, one line a stage, for logs and pipes."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from splatpose.events import Event, Message, RunFinished, StageFinished, StageSkipped


class PlainLines:
    """One line when a stage is done, and one for every message. Nothing moves."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        text = describe(event)
        if text:
            self._stream.write(text + "\n")
            self._stream.flush()


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


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.4 s, 12 s, 3:07, 1:02:03."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours}:{minutes:02}:{whole % 60:02}"
    return f"{minutes}:{whole % 60:02}"


_FIGURES = {
    "photos": "{} photos",
    "registered": "{} registered",
    "trusted": "{} trusted",
    "gaussians": "{:,} Gaussians",
    "held_out_psnr": "held-out PSNR {:.2f} dB",
}
