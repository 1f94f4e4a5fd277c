"""Work side by side: order, errors, interruptions, processes that die."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from splatpose import workers
from splatpose.errors import SplatposeError
from splatpose.native import Died
from splatpose.workers import in_child, in_processes, in_threads


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    second = threading.Event()

    def work(number: int) -> int:
        # The first ends last where it may.
        second.wait() if number == 0 and workers > 1 else second.set()
        return 10 * number

    assert in_threads(work, (0, 1, 2), workers) == [0, 10, 20]
    assert in_threads(work, (), workers) == []


def test_all_tasks_run_before_the_first_error_is_raised() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        done.append(number)
        if number < 2:
            raise ValueError(f"task {number}")

    with pytest.raises(ValueError, match="task 0"):
        in_threads(work, (0, 1, 2), 1)
    assert done == [0, 1, 2]


def test_an_interruption_cancels_and_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    cancelled = threading.Event()

    wait = workers.wait

    def interrupted_once(*jobs: Any, **options: Any) -> Any:
        monkeypatch.setattr(workers, "wait", wait)
        raise KeyboardInterrupt

    def work(number: int) -> None:
        begun.append(number)
        cancelled.wait()

    monkeypatch.setattr(workers, "wait", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        in_threads(work, (0, 1), 1, cancelled.set)
    assert cancelled.is_set()
    assert 1 not in begun


def test_many_small_tasks_are_not_asked_about_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each asking goes through all that are left."""
    wait, asked = workers.wait, []

    def counted(jobs: Any, **options: Any) -> Any:
        asked.append(1)
        return wait(jobs, **options)

    monkeypatch.setattr(workers, "wait", counted)
    assert in_threads(lambda n: time.sleep(1e-4) or n, range(300), 2) == list(range(300))
    assert len(asked) < 30


def test_a_process_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    lost = SplatposeError("A process ended before its time.", "Start it again.")
    with pytest.raises(SplatposeError, match="ended before its time"):
        in_processes(os._exit, [3], 2, lambda: None, start=os.getpid, lost=lost)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    in_processes(os._exit, [], 2, lambda: None, start=os.getpid, lost=lost)


def test_a_child_that_dies_raises_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dies.py").write_text(
        "import os, sys, json\n"
        "request = json.load(sys.stdin)\n"
        "os.write(2, b'terminate called after throwing std::bad_alloc\\n')\n"
        "sys.exit('told') if request['exits'] else os.abort()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Died, match="not enough memory"):
        in_child("dies", {"exits": False}, lambda: False)
    with pytest.raises(RuntimeError, match="told"):
        in_child("dies", {"exits": True}, lambda: False)
    with pytest.raises(CancelledError):
        in_child("dies", {"exits": False}, lambda: True)
