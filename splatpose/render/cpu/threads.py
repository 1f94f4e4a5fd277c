"""Run several calls of a serial, GIL-free kernel side by side."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch

_MAX_WORKERS = 64
_local = threading.local()


def available_threads() -> int:
    """Threads to use: torch's setting, but never more than the cores this process may run on."""
    chosen = getattr(_local, "threads", None)
    if chosen is not None:
        return chosen
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), cores, _MAX_WORKERS))


class use_threads:
    """Context manager: kernels called from this thread use `count` threads."""

    def __init__(self, count: int) -> None:
        self._count = max(1, min(count, _MAX_WORKERS))
        self._before: int | None = None

    def __enter__(self) -> None:
        self._before = getattr(_local, "threads", None)
        _local.threads = self._count

    def __exit__(self, *exc: object) -> None:
        _local.threads = self._before


@cache
def _pool() -> ThreadPoolExecutor:
    # Threads are created as work arrives. Tasks never wait for tasks, so callers that share the
    # pool (training and viewer) cannot block each other for good.
    return ThreadPoolExecutor(_MAX_WORKERS, thread_name_prefix="splatpose-render")


def run_on_threads(task: Callable[[int], object], count: int) -> None:
    """Call task(0) ... task(count - 1), the first one on the calling thread; wait for all."""
    others = [_pool().submit(task, index) for index in range(1, count)]
    try:
        task(0)
    finally:
        for future in others:
            future.result()
