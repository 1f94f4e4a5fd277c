"""Clusters side by side, each in a fresh process with one thread: the same result every time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from ..errors import SplatposeError

T = TypeVar("T")

_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def side_by_side(
    work: Callable[[T], None], tasks: Sequence[T], workers: int, done: Callable[[], None]
) -> None:
    """Calls `work` for every task, in at most `workers` processes that are started afresh.

    A child has one thread, whatever `workers` is, because sums depend on how many share them.

    Args:
        work: a function of a module, which writes its result to a file.
        tasks: one for each call.
        workers: processes, at least one.
        done: called here whenever a task is finished.

    Raises:
        SplatposeError: a process was killed, or could not be started.
    """
    if not tasks:
        return
    with _one_thread_in_children():
        pool = ProcessPoolExecutor(
            min(workers, len(tasks)), mp_context=get_context("spawn"), initializer=_one_thread
        )
        try:
            for future in as_completed([pool.submit(work, task) for task in tasks]):
                future.result()
                done()
        except BrokenProcessPool as error:
            raise SplatposeError(
                "A process that optimised a cluster ended before its time.",
                "If memory ran out, use --local.workers 1. A script of your own that calls "
                'splatpose must do so under `if __name__ == "__main__":`.',
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


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
