"""Wishes of those who watch a run, as files in its folder.

    .splatpose/watchers/ID.json   one for each viewer: how many look through it; touched every few
                                  seconds, so that a viewer which died counts for nothing soon
    .splatpose/steering.json      what was asked for last, by whichever viewer

A wish holds only as long as a viewer lives: a run must not wait for ever for one that crashed.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ..events import Event, EventSink, Message, Progress, StageName, StageStarted
from ..io.atomic import write_json
from ..steering import Steering

WATCHERS = "watchers"
WISHES = "steering.json"
BEAT_SECONDS = 3.0
"""Time between two signs of life of a viewer."""
_DEAD_SECONDS = 12.0
"""A viewer that gave no sign of life for so long is gone."""
_POLL_SECONDS = 0.2
_NOT_HELD = ("splats", "outputs")
"""The training asks by itself, and saves before it waits; outputs are written in a moment."""


class FolderSteering:
    """The wishes in a run's work folder, for the process that computes: a `SteeringSource`.

    Looks at the disk at most every 0.2 s, so that it may be asked at every step.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._looked = float("-inf")
        self._wishes = Steering()
        self._holding = threading.Lock()

    def __call__(self) -> Steering:
        now = time.monotonic()
        if now - self._looked >= _POLL_SECONDS:
            self._looked = now
            self._wishes = read_wishes(self._work)
        return self._wishes

    def sink(self, emit: EventSink) -> EventSink:
        """A sink that passes events on to `emit`, and holds a stage while somebody wants a pause.

        A stage that reports progress has just finished a piece of work, and waits there before it
        takes up the next.
        """

        def pass_on_and_hold(event: Event) -> None:
            emit(event)
            if isinstance(event, Progress | StageStarted) and event.stage not in _NOT_HELD:
                self._hold(event.stage, emit)

        return pass_on_and_hold

    def _hold(self, stage: StageName, emit: EventSink) -> None:
        if not self().pause:
            return
        with self._holding:  # threads that report meanwhile wait too, without a word
            if not self().pause:
                return
            emit(Message(stage, "pauses as asked"))
            waiting = threading.Event()
            while self().pause:
                waiting.wait(_POLL_SECONDS)
            emit(Message(stage, "goes on"))

    def forget(self) -> None:
        """Drops wishes that were meant for an earlier run in the same folder, and dead viewers."""
        (self._work / WISHES).unlink(missing_ok=True)
        for file in _files(self._work / WATCHERS):
            if _age(file) > _DEAD_SECONDS:
                file.unlink(missing_ok=True)


def read_wishes(work: Path) -> Steering:
    """What the living viewers of the run with work folder `work` want now."""
    pages = _living_pages(work / WATCHERS)
    if pages is None:
        return Steering()
    wishes = _read(work / WISHES)
    return Steering(
        watched=pages > 0,
        pause=wishes.get("pause") is True,
        stop=wishes.get("stop") is True,
    )


class Watcher:
    """A viewer's side: signs of life while the context is open, and wishes.

    A folder that cannot be written to can still be watched: then nothing can be asked for, which
    `can_steer` tells, and no intermediate results are written for it.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._file = work / WATCHERS / f"{uuid.uuid4().hex}.json"
        self._pages = 0
        self._stop = threading.Event()
        self._changed = threading.Lock()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="watcher")
        self.can_steer = False

    def __enter__(self) -> Watcher:
        self._sign()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def set_pages(self, pages: int) -> None:
        """How many browsers look on through this viewer."""
        if pages != self._pages:
            self._pages = pages
            self._sign()

    def wishes(self) -> Steering:
        """What is asked of the run now."""
        return read_wishes(self._work)

    def ask(self, *, pause: bool | None = None, stop: bool | None = None) -> None:
        """Changes what is asked of the run; None leaves a wish as it is.

        Raises:
            OSError: the folder cannot be written to.
        """
        with self._changed:
            wishes = _read(self._work / WISHES)
            for name, wish in (("pause", pause), ("stop", stop)):
                if wish is not None:
                    wishes[name] = wish
            wishes.pop("version", None)
            write_json(self._work / WISHES, wishes, durable=False)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._sign()

    def _sign(self) -> None:
        try:
            self._file.parent.mkdir(exist_ok=True)
            write_json(self._file, {"pages": self._pages}, durable=False)
            self.can_steer = True
        except OSError:
            self.can_steer = False


def _living_pages(folder: Path) -> int | None:
    """Browsers that look on through all living viewers; None where no viewer lives."""
    pages = [_read(file).get("pages") for file in _files(folder) if _age(file) < _DEAD_SECONDS]
    return sum(count for count in pages if isinstance(count, int)) if pages else None


def _files(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(file for file in folder.iterdir() if not file.name.startswith("."))


def _age(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return float("inf")


def _read(file: Path) -> dict[str, Any]:
    """The JSON object in `file`; empty where there is none, whatever the reason."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
