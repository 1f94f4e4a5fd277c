"""Work side by side, in threads or in processes, that an interruption need not wait for."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from .native import Died

T = TypeVar("T")
R = TypeVar("R")

_POLL_S = 0.2
_GRACE_S = 3.0
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def in_threads(
    work: Callable[[T], R],
    tasks: Sequence[T],
    workers: int,
    cancel: Callable[[], None] | None = None,
) -> list[R]:
    """Calls `work` for every task in at most `workers` daemon threads; results in their order.

    Daemons, because what cannot be cancelled must not hold up an exit.

    Args:
        work: may raise; all tasks are waited for, then the first error in their order is raised.
        tasks: begun in their order.
        workers: threads, at least one.
        cancel: called when the wait is interrupted; work then has a few seconds to end.
    """
    jobs: list[Future[R]] = [Future() for _ in tasks]
    queue: SimpleQueue[tuple[T, Future[R]]] = SimpleQueue()
    for item in zip(tasks, jobs, strict=True):
        queue.put(item)
    stopped = threading.Event()
    for _ in range(min(workers, len(tasks))):
        threading.Thread(target=_take, args=(queue, work, stopped), daemon=True).start()
    try:
        # Again and again, so that Ctrl-C is heard meanwhile; asking after each task would take
        # longer than small tasks do.
        while wait(jobs, timeout=_POLL_S).not_done:
            continue
    except BaseException:
        stopped.set()
        if cancel is not None:
            cancel()
            wait(jobs, timeout=_GRACE_S)
        raise
    return [job.result() for job in jobs]


def in_processes(
    work: Callable[[T], object],
    tasks: Sequence[T],
    workers: int,
    done: Callable[[], None],
    *,
    start: Callable[[], object],
    lost: Exception,
) -> None:
    """Calls `work` for every task, in at most `workers` processes that are started afresh.

    A child has one thread, whatever `workers` is, because sums depend on how many share them.

    Args:
        work: a function of a module, which writes its result to a file.
        tasks: one for each call.
        workers: processes, at least one.
        done: called here whenever a task is finished.
        start: called in every process before its first task.
        lost: raised when a process was killed, or could not be started.
    """
    if not tasks:
        return
    with _one_thread_in_children():
        spawn = get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=spawn, initializer=start)
        try:
            for future in _finished([pool.submit(work, task) for task in tasks]):
                future.result()
                done()
        except BrokenProcessPool as error:
            raise lost from error
        finally:
            pool.shutdown(cancel_futures=True)


def in_child(module: str, request: dict[str, Any], cancelled: Callable[[], bool]) -> None:
    """Has a module of ours do something in a process of its own, which may die of it.

    Args:
        module: reads the request as JSON from its stdin, and writes its result to files.
        request: what to do.
        cancelled: asked now and then; the child is killed where it says so.

    Raises:
        CancelledError: it was cancelled.
        Died: a signal ended it.
        RuntimeError: it raised an exception, whose last line this has.
    """
    # -P: what lies in the working directory is no module of ours.
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
    )
    asked, native = json.dumps(request).encode(), b""
    try:
        while child.returncode is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                _, native = child.communicate(asked, timeout=_POLL_S)
            asked = None
            if cancelled():
                raise CancelledError
    finally:
        if child.returncode is None:
            child.kill()
            child.wait()
    lines = native.decode("utf-8", "replace").splitlines()
    code = child.wait()
    if code < 0:
        raise Died(-code, lines)
    if code:
        raise RuntimeError(lines[-1] if lines else f"{module} failed")


def _take(
    queue: SimpleQueue[tuple[T, Future[R]]], work: Callable[[T], R], stopped: threading.Event
) -> None:
    """Takes tasks from the queue until it is empty; errors go to whoever waits."""
    while not stopped.is_set():
        try:
            task, job = queue.get_nowait()
        except Empty:
            return
        try:
            job.set_result(work(task))
        except BaseException as error:
            job.set_exception(error)


def _finished(jobs: Iterable[Future[Any]]) -> Iterator[Future[Any]]:
    """Each job when it is finished. Looks again and again, so that Ctrl-C is heard meanwhile."""
    waiting = set(jobs)
    while waiting:
        finished, waiting = wait(waiting, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        yield from finished


@contextmanager
def _one_thread_in_children() -> Iterator[None]:
    """Libraries that count their threads when they are loaded find one in the environment."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
