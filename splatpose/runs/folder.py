"""The run folder: one sub-folder a finished stage, each with a manifest.

A stage computes into `NAME.part` and is renamed to `NAME` when it is whole, so a stage folder
either does not exist or is complete, whatever killed the process. The manifest holds the key of
the stage (see `splatpose.keys`): a changed photo or option invalidates exactly the stages that
depend on it.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import filelock

from ..errors import SplatposeError
from ..events import (
    STAGES,
    EventSink,
    Message,
    StageFinished,
    StageName,
    StageSkipped,
    StageStarted,
    Unharmed,
    ignore_events,
)
from ..io.atomic import write_json
from ..io.photo_names import PHOTO_SUFFIXES
from ..keys import LAYOUT, Keyed, Stage, stage_key, value_of
from ..steering import StoppedEarly
from .disk import check_space, disk_error, disk_errors
from .log import EventLog
from .memory import PeakMemory
from .steering import FolderSteering

T = TypeVar("T")

WORK = ".splatpose"
MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True)
class StageRecord:
    """What a finished stage says of itself in its manifest."""

    stage: StageName
    """Name of the stage."""
    key: str
    """Hash of everything that the result depends on."""
    summary: str
    """One line for a person: what came out."""
    seconds: float
    """Seconds that the stage took when it was computed."""
    peak_memory_mb: float
    """Largest resident memory of the process while the stage ran, in MiB."""
    config: dict[str, Any]
    """Options of the stage."""


class RunFolder:
    """A folder that belongs to one run of splatpose.

    Raises:
        SplatposeError: the folder holds something else, cannot be written, or another splatpose
            is working in it.
    """

    log: EventLog
    """Where events are written down for other processes; there while the folder is open."""
    emit: EventSink
    """Tells the log and whoever opened the folder; there while the folder is open."""

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.work = path / WORK
        self._overwrite = overwrite
        self._asked: set[StageName] = set()
        self._stopped: dict[StageName, StageRecord] = {}
        self.steering = FolderSteering(self.work)

    @classmethod
    @contextmanager
    def open(
        cls, path: Path, *, overwrite: bool = False, emit: EventSink = ignore_events
    ) -> Iterator[RunFolder]:
        """Opens or creates the folder for writing and holds its lock.

        With `overwrite`, every stage is computed afresh. An earlier result is replaced only once
        its successor is whole, and files that splatpose did not write are never touched.
        """
        run = cls(path, overwrite=overwrite)
        run._create()
        with holding(path), EventLog(run.work) as run.log, disk_errors(path):
            run.steering.forget()
            run.emit = run.steering.sink(run.log.sink(Unharmed(emit)))
            yield run

    def stage(self, stage: Stage[T], config: Any, *inputs: Keyed[Any], **params: Any) -> Keyed[T]:
        """A stage's result, computed only where no valid one is on disk.

        Fresh results are read back too, so that a resumed run cannot differ from an uninterrupted
        one. The folder may hold the stage's own checkpoints from an interrupted run with the same
        key. Where `compute` returns `StoppedEarly`, its result is used and the stage stays
        unfinished: the next run computes on in the same folder.

        Args:
            stage: what to compute, and how it is read.
            config: the stage's frozen config dataclass.
            inputs: results of earlier stages.
            params: everything else that `compute` takes. All of it is in the key, but for what is
                `Unkeyed`.
        """
        name = stage.name
        self._asked.add(name)
        key = stage_key(name, config, inputs, params)
        folder = self.work / name
        part = self.work / f"{name}.part"
        if not self._overwrite:
            if (record := _record(part)) is not None and record.key == key:
                _replace_folder(part, folder)  # killed between finishing and renaming
            if (record := _record(folder)) is not None and record.key == key:
                self.emit(StageSkipped(name, record.summary))
                return Keyed(stage.load(folder), key)
        self.emit(StageStarted(name))
        if not self._overwrite and layout_of(folder) not in (None, LAYOUT):
            text = "the result in this folder is of another version of splatpose: computed anew"
            self.emit(Message(name, text))
        self._prepare(part, key)
        values = [argument.value for argument in inputs]
        check_space(self.path, name, stage.space(*values, config))
        named = {parameter: value_of(value) for parameter, value in params.items()}
        start = time.perf_counter()
        with PeakMemory() as memory:
            told = stage.compute(*values, config, part, self.emit, **named)
        seconds = time.perf_counter() - start
        summary = told.summary if isinstance(told, StoppedEarly) else told
        record = StageRecord(name, key, summary, seconds, memory.mb, dataclasses.asdict(config))
        if isinstance(told, StoppedEarly):
            self._stopped[name] = record
            folder = part
        else:
            write_json(part / MANIFEST, dataclasses.asdict(record), LAYOUT)
            _replace_folder(part, folder)
        result = stage.load(folder)
        self.emit(StageFinished(name, summary, seconds, memory.mb))
        return Keyed(result, key)

    def records(self) -> list[StageRecord]:
        """The manifests of the stages that were asked for since the folder was opened, in order.

        An optional stage of an earlier run, left on disk, is not among them.
        """
        asked: list[StageName] = [name for name in STAGES if name in self._asked]
        records = (self._stopped.get(name) or _record(self.work / name) for name in asked)
        return [record for record in records if record]

    def _prepare(self, part: Path, key: str) -> None:
        """Makes the unfinished folder of a stage; keeps an old one only if it has the same key."""
        marker = part / "key"
        if self._overwrite or not marker.exists() or marker.read_text(encoding="utf-8") != key:
            if part.exists():
                shutil.rmtree(part)
            part.mkdir()
            marker.write_text(key)

    def _create(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise SplatposeError(
                f"{self.path} is {_kind_of_file(self.path)}, not a folder.",
                "Choose another output folder with -o.",
            )
        if self.path.is_dir() and any(self.path.iterdir()) and not self.work.is_dir():
            raise SplatposeError(
                f"{self.path} already holds {_what_is_in(self.path)}.",
                "Choose an empty or new output folder with -o. Nothing was changed.",
            )
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            probe = self.work / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise disk_error(self.path, error) from error


class FolderBusy(SplatposeError):
    """Another process works in the folder."""


@contextmanager
def holding(out: Path) -> Iterator[None]:
    """Keeps others from working in a run's folder while the context is open.

    Results without their stages have no lock: then nobody is kept.

    Raises:
        FolderBusy: somebody works in it.
    """
    if not (out / WORK).is_dir():
        yield
        return
    lock = filelock.FileLock(out / WORK / "lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout as error:
        raise FolderBusy(
            f"Another splatpose is working in {out}.",
            "Wait for it to finish, or choose another output folder with -o.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def stage_folder(out: Path, stage: StageName) -> Path:
    """Where a run keeps a finished stage.

    Raises:
        SplatposeError: the run has no such stage, or another version of splatpose left it.
    """
    folder = out / WORK / stage
    if layout_of(folder) is None:
        raise SplatposeError(
            f"{out} holds no finished {stage} stage of splatpose.",
            f"Run splatpose fit PHOTOS -o {out} first; {WORK} in it must stay.",
        )
    check_layout(folder)
    return folder


def check_layout(folder: Path) -> None:
    """Refuses a finished stage that another version of splatpose left.

    Raises:
        SplatposeError: it did.
    """
    if layout_of(folder) not in (None, LAYOUT):
        raise SplatposeError(
            f"{folder} is of another version of splatpose.",
            "Run the same splatpose fit again: it computes anew what it cannot read.",
        )


def layout_of(folder: Path) -> int | None:
    """The layout that a stage's folder was written in, or None where none is finished there."""
    try:
        return int(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["version"])
    except (FileNotFoundError, json.JSONDecodeError, TypeError, KeyError, ValueError):
        return None


def _kind_of_file(path: Path) -> str:
    """What a file is by its name."""
    return "a photo" if path.suffix.lower() in PHOTO_SUFFIXES else "a file"


def _what_is_in(folder: Path) -> str:
    """What a folder holds that is not an output folder."""
    photos = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES)
    if not photos:
        return "files that are not from splatpose"
    more = f" and {len(photos) - 1} more" if len(photos) > 1 else ""
    plural = "s" if len(photos) > 1 else ""
    return f"photo{plural} ({photos[0]}{more}), no results of splatpose"


def _record(folder: Path) -> StageRecord | None:
    """The manifest in a stage's folder, or None where there is none or it cannot be read."""
    if layout_of(folder) != LAYOUT:
        return None
    try:
        value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        value.pop("version")
        return StageRecord(**value)
    except (TypeError, KeyError):
        return None


def _replace_folder(new: Path, old: Path) -> None:
    if old.exists():
        shutil.rmtree(old)
    new.rename(old)
