"""Keeps the C library from handing large blocks back to the system after every step."""

from __future__ import annotations

import ctypes
import functools
import sys

# Parameters of mallopt(3) in glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 1 << 30


@functools.cache
def keep_freed_memory() -> bool:
    """Lets freed tensors' memory be used again; returns whether this C library can be told.

    A training step allocates and frees the same tens of megabytes over and over. glibc maps blocks
    of that size afresh each time, and the page faults cost a tenth of the step and more.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(key, _KEEP_BYTES) for key in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))
