"""Work that a suite does one piece after the other: resumable, and no piece takes others with it.

A job is a function with arguments that fit into JSON, in a process of its own: COLMAP is a
library that may abort, and memory is given back. What it returns lies in `result.json` of the
job's folder, and a later run of the suite takes it from there.
"""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...errors import SplatposeError
from ...io.atomic import write_json

_JOB, _RESULT, _LOG = "job.json", "result.json", "log.txt"


@dataclass(frozen=True)
class Job:
    """One piece of work."""

    name: str
    """What the job does, for a person."""
    folder: Path
    """Folder of the job; what an interrupted run of the same job left there may be used."""
    function: str
    """`module:name` of a function that takes the folder and the arguments, and returns a
    dictionary that fits into JSON."""
    arguments: dict[str, Any]
    """Arguments of the function, which fit into JSON; a result of other arguments is not used
    again."""
    inputs: str = ""
    """Hash of the files that the function reads; a result of other files is not used again."""

    def identity(self) -> dict[str, Any]:
        """What a stored result must have been made with."""
        value = {
            "function": self.function,
            "arguments": self.arguments,
            "inputs": self.inputs,
            "splatpose": __version__,
        }
        return json.loads(json.dumps(value))


@dataclass(frozen=True)
class Outcome:
    """What came of a job: a result or an error."""

    job: Job
    result: dict[str, Any] | None
    error: str | None
    """Reason of a failure in one line; the whole is in `log.txt` of the job's folder."""
    seconds: float
    """Seconds that the process took, start and imports included."""
    reused: bool
    """Whether an earlier run of the suite did the work."""


def run_jobs(jobs: Sequence[Job], *, overwrite: bool = False) -> Iterator[Outcome]:
    """Does the jobs in order and yields each outcome as soon as it is there.

    Jobs that an earlier run finished are not done again; those that failed are.

    Args:
        overwrite: forget what earlier runs left in the jobs' folders.
    """
    for job in jobs:
        if overwrite and job.folder.exists():
            shutil.rmtree(job.folder)
        yield stored(job) or _run(job)


def stored(job: Job) -> Outcome | None:
    """The outcome that an earlier run left, or None where there is none of the same arguments."""
    try:
        value = json.loads((job.folder / _RESULT).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if value.get("job") != job.identity() or value.get("result") is None:
        return None
    return Outcome(job, value["result"], None, value["seconds"], reused=True)


def _run(job: Job) -> Outcome:
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / _RESULT).unlink(missing_ok=True)
    write_json(job.folder / _JOB, {"job": job.identity()})
    start = time.perf_counter()
    command = [sys.executable, "-m", __name__, str(job.folder.resolve())]
    with (job.folder / _LOG).open("wb") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode
    seconds = time.perf_counter() - start
    if code == 0:
        answer = json.loads((job.folder / _RESULT).read_text(encoding="utf-8"))
        return Outcome(job, answer["result"], None, seconds, reused=False)
    error = _last_words(job.folder / _LOG, code)
    value = {"job": job.identity(), "error": error, "seconds": seconds}
    write_json(job.folder / _RESULT, value)
    return Outcome(job, None, error, seconds, reused=False)


def _last_words(log: Path, code: int) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    how = f"ended with exit code {code}" if code > 0 else f"was killed by signal {-code}"
    return f"{how}: {lines[-1].strip()}" if lines else how


def _work(folder: Path) -> None:
    """What the job's process does."""
    identity = json.loads((folder / _JOB).read_text(encoding="utf-8"))["job"]
    module, _, name = identity["function"].partition(":")
    function: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
    start = time.perf_counter()
    result = function(folder, **identity["arguments"])
    seconds = time.perf_counter() - start
    write_json(folder / _RESULT, {"job": identity, "result": result, "seconds": seconds})


def main(words: Sequence[str]) -> int:
    """The process of one job: does what `job.json` in the named folder says."""
    try:
        _work(Path(words[0]))
    except SplatposeError as error:
        print(error.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
