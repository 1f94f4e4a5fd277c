"""One thread a task, whatever libraries would take."""

from __future__ import annotations

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
