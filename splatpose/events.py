"""What a run tells the world: a stream of typed events.

Library code never prints. It calls an `EventSink` with one of these values; the terminal, the
web viewer and the JSON log are consumers of the same stream and know nothing of each other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

StageName = Literal[
    "capture",
    "depth",
    "matching",
    "local",
    "poses",
    "second_matching",
    "second_poses",
    "late_registration",
    "budget",
    "views",
    "joint",
    "trust",
    "splats",
    "outputs",
]
"""The stages of a run, in order."""

STAGES: tuple[StageName, ...] = get_args(StageName)
OPTIONAL_STAGES: tuple[StageName, ...] = (
    "depth",
    "local",
    "second_matching",
    "second_poses",
    "late_registration",
    "budget",
    "joint",
)
"""Stages that run only where they are asked for, or where there is something for them to do."""


@dataclass(frozen=True)
class StageStarted:
    """A stage begins to compute."""

    stage: StageName
    """Name of the stage."""


@dataclass(frozen=True)
class StageSkipped:
    """A stage's result from an earlier run is still valid and is used as it is."""

    stage: StageName
    """Name of the stage."""
    summary: str
    """One line for a person: what had come out."""


@dataclass(frozen=True)
class StageFinished:
    """A stage's result is on disk."""

    stage: StageName
    """Name of the stage."""
    summary: str
    """One line for a person: what came out."""
    seconds: float
    """Seconds that the stage took."""
    peak_memory_mb: float
    """Largest resident memory of the process while the stage ran, in MiB."""


@dataclass(frozen=True)
class Progress:
    """How far a stage has come."""

    stage: StageName
    """Name of the stage."""
    done: int
    """Pieces of work that are done."""
    total: int
    """Pieces of work in all; 0 where nobody knows."""
    text: str = ""
    """What is being counted, for example "pairs matched"."""


@dataclass(frozen=True)
class Message:
    """Something worth saying once: a choice with its reason, a fallback, a skipped photo."""

    stage: StageName
    """Stage that the message is from."""
    text: str
    """The message, a sentence or two."""
    level: Literal["info", "warning"] = "info"
    """Weight of the message: a warning is about something that may spoil the result."""


@dataclass(frozen=True)
class TrainingStep:
    """A sample of the training curve (not every step is sent)."""

    step: int
    """Steps that are done."""
    total_steps: int
    """Steps in all, the last pass included."""
    loss: float
    """Loss of the step."""
    num_gaussians: int
    """Gaussians at the step."""
    image_size: tuple[int, int]
    """Width and height trained at, in pixels."""
    held_out_psnr: float | None = None
    """Mean PSNR over the held-out photos in dB, where it was measured at this step."""


@dataclass(frozen=True)
class RunFinished:
    """Everything is written."""

    folder: Path
    """OUT, the folder of the results."""
    summary: dict[str, float | int | str] = field(default_factory=dict)
    """The run in numbers: photos, registered, trusted, gaussians, held_out_psnr."""
    lines: tuple[str, ...] = ()
    """The run in a few lines for a person, the last one saying where the files are."""


Event = (
    StageStarted | StageSkipped | StageFinished | Progress | Message | TrainingStep | RunFinished
)
EventSink = Callable[[Event], None]


class Unharmed:
    """A sink that passes events on to a listener until that fails; the run does not.

    Who wants to end a run from a listener raises `KeyboardInterrupt`.
    """

    def __init__(self, listener: EventSink) -> None:
        self._listener = listener

    def __call__(self, event: Event) -> None:
        try:
            self._listener(event)
        except Exception as error:  # foreign code, which raises whatever it likes
            self._listener = ignore_events
            logging.getLogger("splatpose").warning(
                "The listener of events failed and is not told any more (%s: %s); the run goes on.",
                type(error).__name__,
                error,
            )


def ignore_events(event: Event) -> None:
    """An `EventSink` for callers who do not want to be told."""
    del event
