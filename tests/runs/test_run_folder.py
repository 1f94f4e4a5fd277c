"""A run folder survives anything and never shows half a result."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from scenes import ROOT

from splatpose.errors import SplatposeError
from splatpose.events import (
    Event,
    EventSink,
    Message,
    StageFinished,
    StageSkipped,
    StageStarted,
)
from splatpose.keys import UNKEYED, Keyed, Stage, Unkeyed
from splatpose.runs import RunFolder
from splatpose.runs.folder import stage_folder


@dataclass(frozen=True)
class Config:
    value: int = 1
    workers: int = field(default=2, metadata=UNKEYED)


class Counted:
    """A stage that counts how often it computes."""

    def __init__(self) -> None:
        self.computed = 0
        self.events: list[Event] = []

    def run(
        self, run: RunFolder, config: Config | None = None, photos: str = "a", **params: Any
    ) -> Keyed[int]:
        stage = Stage("capture", self.compute, lambda folder: int((folder / "value").read_text()))
        return run.stage(stage, config or Config(), Keyed(photos, photos), **params)

    def compute(
        self, photos: str, config: Config, folder: Path, emit: EventSink, **params: Any
    ) -> str:
        self.computed += 1
        (folder / "value").write_text(str(config.value))
        return f"value {config.value}"


def test_second_run_skips_what_is_done(tmp_path: Path) -> None:
    stage = Counted()
    for _ in range(2):
        with RunFolder.open(tmp_path / "out", emit=stage.events.append) as run:
            assert stage.run(run).value == 1
    assert stage.computed == 1
    assert [type(event) for event in stage.events] == [StageStarted, StageFinished, StageSkipped]
    assert stage.events[-1] == StageSkipped("capture", "value 1")


@pytest.mark.parametrize(
    "change",
    [
        {"config": Config(2)},
        {"photos": "b"},
        {"min_matches": 20},
        {"depth": Keyed(None, "maps")},
    ],
    ids=["config", "input", "parameter", "keyed parameter"],
)
def test_a_change_of_any_argument_invalidates_the_stage(tmp_path: Path, change: dict) -> None:
    stage = Counted()
    with RunFolder.open(tmp_path) as run:
        first = stage.run(run, min_matches=15) if "min_matches" in change else stage.run(run)
        second = stage.run(run, **change)
    assert stage.computed == 2
    assert first.key != second.key
    assert second.value == change.get("config", Config()).value


@pytest.mark.parametrize(
    "change",
    [{"config": Config(workers=9)}, {"weights_dir": Unkeyed(Path("elsewhere"))}],
    ids=["field", "parameter"],
)
def test_what_changes_no_result_is_in_no_key(tmp_path: Path, change: dict) -> None:
    stage = Counted()
    with RunFolder.open(tmp_path) as run:
        first = stage.run(run, weights_dir=Unkeyed(None))
        second = stage.run(run, **change)
    assert stage.computed == 1
    assert first == second


def test_an_argument_that_nobody_can_hash_is_an_error(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path) as run, pytest.raises(TypeError, match="JSON"):
        Counted().run(run, depth=object())


@pytest.mark.parametrize("left", [{"version": 1}, {}, None], ids=["older", "none", "damaged"])
def test_a_stage_of_another_version_is_never_read(tmp_path: Path, left: dict | None) -> None:
    """Not even where its key is right: what lies in the folder means something else."""
    stage = Counted()
    with RunFolder.open(tmp_path) as run:
        stage.run(run)
    manifest = tmp_path / ".splatpose" / "capture" / "manifest.json"
    value = json.loads(manifest.read_text())
    del value["version"]
    manifest.write_text("{" if left is None else json.dumps(left | value))
    with pytest.raises(SplatposeError, match=r"another version|no finished capture"):
        stage_folder(tmp_path, "capture")
    with RunFolder.open(tmp_path, emit=stage.events.append) as run:
        assert stage.run(run).value == 1
    assert stage.computed == 2
    said = [event.text for event in stage.events if isinstance(event, Message)]
    assert bool(said) == bool(left)
    assert stage_folder(tmp_path, "capture") == manifest.parent


def test_overwrite_computes_again_and_keeps_the_old_result_until_then(tmp_path: Path) -> None:
    stage = Counted()
    with RunFolder.open(tmp_path) as run:
        stage.run(run)

    def fail(*_: object) -> str:
        raise SplatposeError("no")

    with RunFolder.open(tmp_path, overwrite=True) as run, pytest.raises(SplatposeError):
        run.stage(Stage("capture", fail, str), Config(), Keyed("a", "a"))
    with RunFolder.open(tmp_path) as run:
        assert stage.run(run).value == 1
        assert stage.computed == 1
    with RunFolder.open(tmp_path, overwrite=True) as run:
        stage.run(run)
    assert stage.computed == 2


def test_an_interrupted_stage_gets_its_own_files_back(tmp_path: Path) -> None:
    seen: list[bool] = []

    def compute(config: Config, folder: Path, emit: EventSink) -> str:
        seen.append((folder / "checkpoint").exists())
        (folder / "checkpoint").touch()
        if len(seen) == 1:
            raise KeyboardInterrupt
        return "done"

    def run_once(value: int) -> None:
        with RunFolder.open(tmp_path) as run:
            run.stage(Stage("capture", compute, str), Config(value))

    with pytest.raises(KeyboardInterrupt):
        run_once(1)
    assert not (tmp_path / ".splatpose" / "capture").exists()
    run_once(1)
    assert seen == [False, True]
    run_once(2)  # another config must not see the checkpoints of the first
    assert seen == [False, True, False]


@pytest.mark.parametrize("moment", ["before the manifest", "before the rename"])
def test_kill_9_leaves_no_half_stage(tmp_path: Path, moment: str) -> None:
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from dataclasses import dataclass
        import splatpose.runs.folder as folder_module
        from splatpose.keys import Keyed, Stage
        from splatpose.runs import RunFolder

        def die(*_):
            os.kill(os.getpid(), signal.SIGKILL)

        if {moment!r} == "before the manifest":
            folder_module.write_json = die
        else:
            folder_module._replace_folder = die

        @dataclass(frozen=True)
        class Config:
            value: int = 1

        def compute(photos, config, folder, emit):
            (folder / "value").write_text("1")
            return "value 1"

        with RunFolder.open(Path({str(tmp_path)!r})) as run:
            run.stage(Stage("capture", compute, str), Config(), Keyed("a", "a"))
    """)
    process = subprocess.run([sys.executable, "-c", script], cwd=ROOT)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / ".splatpose" / "capture").exists()
    stage = Counted()
    with RunFolder.open(tmp_path) as run:
        assert stage.run(run).value == 1
    assert stage.computed == (1 if moment == "before the manifest" else 0)


def test_photos_in_place_of_an_output_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.JPG").touch()
    with pytest.raises(SplatposeError, match=r"holds photo \(a\.JPG\)"), RunFolder.open(tmp_path):
        pass
    (tmp_path / "b.png").touch()
    with pytest.raises(SplatposeError, match=r"\(a\.JPG and 1 more\)"), RunFolder.open(tmp_path):
        pass
    with pytest.raises(SplatposeError, match="is a photo"), RunFolder.open(tmp_path / "a.JPG"):
        pass


def test_a_foreign_folder_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SplatposeError, match="not from splatpose"), RunFolder.open(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_as_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("hello")
    with pytest.raises(SplatposeError, match="is a file"), RunFolder.open(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "hello"


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    with (
        RunFolder.open(tmp_path),
        pytest.raises(SplatposeError, match="Another splatpose"),
        RunFolder.open(tmp_path),
    ):
        pass


def test_read_only_output_is_a_clear_error(tmp_path: Path) -> None:
    parent = tmp_path / "locked"
    parent.mkdir(mode=0o555)
    if os.access(parent, os.W_OK):
        # root writes everywhere; /proc is a place where even root may not
        parent = Path("/proc")
        if not parent.is_dir():
            pytest.skip("running as root without /proc")
    with (
        pytest.raises(SplatposeError, match="cannot be written") as caught,
        RunFolder.open(parent / "out"),
    ):
        pass
    assert "-o" in caught.value.hint


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Quota exceeded")],
)
def test_a_full_disk_is_a_clear_error_and_keeps_finished_stages(
    tmp_path: Path, error: OSError
) -> None:
    stage = Counted()

    def fill(*_: object) -> str:
        raise error

    def run_both() -> None:
        with RunFolder.open(tmp_path) as run:
            stage.run(run)
            run.stage(Stage("matching", fill, str), Config())

    with pytest.raises(SplatposeError, match="disk is full") as caught:
        run_both()
    assert "run the same command again" in caught.value.hint
    with RunFolder.open(tmp_path) as run:
        stage.run(run)
        assert [record.stage for record in run.records()] == ["capture"]
    assert stage.computed == 1


def test_a_stage_without_room_on_the_disk_is_refused_before_its_work(tmp_path: Path) -> None:
    begun: list[str] = []

    def compute(*_: object) -> str:
        begun.append("work")
        return ""

    stage = Stage("matching", compute, str, lambda photos, config: photos * 10**15)
    with (
        pytest.raises(SplatposeError, match=r"disk is full, or nearly: matching needs about"),
        RunFolder.open(tmp_path) as run,
    ):
        run.stage(stage, Config(), Keyed(3, "photos"))
    assert not begun
