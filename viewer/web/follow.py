"""Following a run's folder: what is new since the last look."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from splatpose.errors import SplatposeError
from splatpose.events import STAGES, StageName
from splatpose.runs.folder import MANIFEST, WORK, check_layout
from splatpose.runs.log import LogReader
from splatpose.scene.sparse_model import SparseModel
from splatpose.stages.outputs.layout import SCALE

from . import reading
from .progress import RunProgress, StageProgress
from .thumbnails import Thumbnails
from .world import World


@runtime_checkable
class Follower(Protocol):
    """Something that can be shown, and may change."""

    progress: RunProgress
    world: World
    folder: Path
    """Folder for files that somebody who looks on asks for."""

    def look(self) -> bool:
        """Reads what is new, and says whether anything is."""
        ...

    def parts(self) -> Iterator[None]:
        """The same part by part, each of which can be shown while the next one is read."""
        ...


class FileFollower:
    """A single .ply file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.folder = path.absolute().parent
        self._seen: float | None = None
        self.progress = RunProgress()
        self.world = World()

    def look(self) -> bool:
        """Reads the file if it is another than before.

        Raises:
            SplatposeError: it is no splat, at the first look.
        """
        modified = reading.modified(self._path)
        if modified == self._seen and self._seen is not None:
            return False
        try:
            splats = reading.read_ply(self._path)
        except SplatposeError:
            if self._seen is None:
                raise
            return False  # somebody is writing it anew
        self._seen = modified
        self.world = dataclasses.replace(self.world, splats=splats)
        return True

    def parts(self) -> Iterator[None]:
        """As `look`, which reads one part."""
        self.look()
        yield


class RunFollower:
    """A run's folder: finished, being written by another process, or not yet there."""

    def __init__(self, out: Path) -> None:
        self.out = self.folder = out
        self.work = out / WORK
        self.progress = RunProgress()
        self.world = World()
        self._log = LogReader(self.work)
        self._shown: set[StageName] = set()
        self._live: tuple[float, int] | None = None
        self._report: float | None = None
        self._scaled: tuple[float | None, SparseModel] | None = None

    def look(self) -> bool:
        """Reads what the log and the stages' folders have that is new."""
        before = (self.progress.revision, id(self.world))
        for _ in self.parts():
            pass
        return before != (self.progress.revision, id(self.world))

    def parts(self) -> Iterator[None]:
        """As `look`, stage by stage: of many photos each may take seconds."""
        for line in self._log.lines():
            progress = self.progress.after(line)
            if progress is not self.progress:  # another run began
                self.progress, self.world = progress, World()
                self._shown.clear()
                self._live = self._report = self._scaled = None
        self.progress.check_alive()
        if self.progress.header is None:
            self._trust_manifests()
        for stage in STAGES:
            if self.progress.is_ready(stage) and stage not in self._shown:
                self._shown.add(stage)
                self._read(stage)
                yield
        if self.progress.stages["splats"].state in ("running", "stopped"):
            self._read_live()
        self._read_report()
        self._read_scale()

    def _trust_manifests(self) -> None:
        """A run without a log is of an older version: its finished stages are what there is."""
        for stage in STAGES:
            if self.progress.is_ready(stage):
                continue
            try:
                manifest = json.loads((self.work / stage / MANIFEST).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            self.progress.stages[stage] = StageProgress(
                "done", str(manifest.get("summary", "")), seconds=manifest.get("seconds", 0.0)
            )
            self.progress.revision += 1

    def _read(self, stage: StageName) -> None:
        """Adds the result of a stage to what is shown, where there is something to see."""
        readers: dict[StageName, Callable[[], dict[str, Any]]] = {
            "capture": self._capture,
            "matching": lambda: {"links": reading.read_links(self.work)},
            "poses": self._poses,
            "second_poses": self._second_poses,
            "late_registration": lambda: self._more_poses(reading.read_late_poses),
            "views": lambda: {"views": reading.read_view_table(self.work)},
            "joint": self._refined_poses,
            "trust": lambda: {"verdicts": reading.read_verdicts(self.work)},
            "splats": lambda: {"splats": reading.read_result(self.work)},
        }
        if stage not in readers:
            return
        try:
            check_layout(self.work / stage)
            parts = readers[stage]()
        except (OSError, ValueError, KeyError, RuntimeError, SplatposeError) as error:
            text = f"The result of {stage} cannot be shown: {error}"
            parts = {"problems": (*self.world.problems, text)}
        self.world = dataclasses.replace(self.world, **parts)
        if stage == "splats" and self.world.splats is not None:
            self._add_curve()

    def _capture(self) -> dict[str, Any]:
        capture = reading.read_capture_of(self.work)
        return {
            "capture": capture,
            "thumbnails": Thumbnails([photo.path for photo in capture.photos]),
        }

    def _poses(self) -> dict[str, Any]:
        poses = reading.read_poses(self.work)
        return {"poses": poses, "verdicts": reading.plain_verdicts(poses)}

    def _second_poses(self) -> dict[str, Any]:
        found = self._more_poses(reading.read_second_poses)
        return found and {**found, "links": reading.read_links(self.work, "second_matching")}

    def _more_poses(self, read: Callable[[Path], SparseModel | None]) -> dict[str, Any]:
        poses = read(self.work)
        return {} if poses is None else {"poses": poses, "verdicts": reading.plain_verdicts(poses)}

    def _refined_poses(self) -> dict[str, Any]:
        poses = self.world.poses
        if poses is None:
            return {}
        return {"poses": reading.read_refined_poses(self.work, poses)}

    def _read_live(self) -> None:
        path = reading.snapshot_path(self.work)
        try:
            status = path.stat()
            identity = (status.st_mtime, status.st_ino)
            if identity == self._live:
                return
            splats = reading.read_live(self.work)
        except (OSError, ValueError):
            return  # there is none yet, or none any more
        self._live = identity
        self.world = dataclasses.replace(self.world, splats=splats)

    def _read_report(self) -> None:
        """Verdicts come with the report, which is written last."""
        poses = self.world.poses
        finished = self.progress.header is None or self.progress.finished is not None
        if poses is None or not finished:
            return
        modified = reading.modified(reading.report_file(self.out))
        if modified is not None and modified != self._report:
            self._report = modified
            verdicts = reading.read_final_verdicts(self.out, self.world.verdicts)
            self.world = dataclasses.replace(self.world, verdicts=verdicts)

    def _read_scale(self) -> None:
        """The scale is set by whoever looks on, at any time."""
        poses = self.world.poses
        if poses is None:
            return
        modified = reading.modified(self.out / SCALE)
        if self._scaled is not None and self._scaled[0] == modified and self._scaled[1] is poses:
            return
        self._scaled = (modified, poses)
        metres = reading.read_metres(self.out, poses)
        if metres != self.world.metres_per_unit:
            self.world = dataclasses.replace(self.world, metres_per_unit=metres)

    def _add_curve(self) -> None:
        """A training that was not followed still has a curve."""
        if len(self.progress.curve) > 1:
            return
        curve, psnr = reading.read_curve(self.work)
        self.progress.curve[:], self.progress.psnr[:] = curve, psnr
        self.progress.revision += 1
