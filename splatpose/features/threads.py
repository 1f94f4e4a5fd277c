"""Pairs of photos side by side, each computed by one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import cv2
import torch
from threadpoolctl import ThreadpoolController

from ..workers import in_threads

T = TypeVar("T")
R = TypeVar("R")


def one_thread_each(work: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
    """Results of `work` in the order of the tasks, as many at a time as PyTorch has threads.

    Networks for one pair of photos are too small to keep many threads busy, and what one thread
    computes does not depend on how many there are. The numbers of threads are the process's: not to
    be called from several threads at once.
    """
    threads, opencv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        # Matrix products of NumPy have threads of their own, and take turns when several ask.
        with _controller().limit(limits=1):
            return in_threads(work, tasks, threads)
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(opencv_threads)


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
