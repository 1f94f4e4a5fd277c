"""One thread a task, whatever libraries would take."""

from __future__ import annotations

import threading

import cv2
import pytest
import torch
from threadpoolctl import threadpool_info

from splatpose.features.threads import one_thread_each


def blas_threads() -> list[int]:
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


def test_results_keep_their_order_and_work_has_one_thread() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads(), blas_threads()
    seen = one_thread_each(lambda n: (n, torch.get_num_threads(), max(blas_threads())), range(20))
    assert seen == [(n, 1, 1) for n in range(20)]
    assert (torch.get_num_threads(), cv2.getNumThreads(), blas_threads()) == before


def test_threads_come_back_after_an_error() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads(), blas_threads()
    with pytest.raises(ZeroDivisionError):
        one_thread_each(lambda n: 1 // n, [1, 0])
    assert (torch.get_num_threads(), cv2.getNumThreads(), blas_threads()) == before


def test_as_many_work_at_a_time_as_pytorch_has_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        together = threading.Barrier(3)
        # Two at a time would wait for a third for ever.
        seen = one_thread_each(lambda _: together.wait(timeout=30), range(6))
    finally:
        torch.set_num_threads(before)
    assert sorted(seen) == [0, 0, 1, 1, 2, 2]
    assert one_thread_each(lambda _: 0, []) == []


def test_threads_come_back_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **named: object) -> None:
        raise KeyboardInterrupt

    before = torch.get_num_threads(), cv2.getNumThreads(), blas_threads()
    monkeypatch.setattr("splatpose.workers.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        one_thread_each(lambda n: n, range(3))
    assert (torch.get_num_threads(), cv2.getNumThreads(), blas_threads()) == before
