"""Buffers that grow and are used again, one set for every render in flight."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

_ALIGNMENT = 64
_KEPT = 4


class Workspace:
    """Named flat arrays that keep their memory between renders. Contents are undefined."""

    def __init__(self) -> None:
        self._memory: dict[str, np.ndarray] = {}
        self.nbytes = 0

    def array(self, name: str, size: int, dtype: Any = np.float32) -> np.ndarray:
        """A flat array of `size` elements, aligned to cache lines, valid until asked again."""
        kind = np.dtype(dtype)
        needed = max(size, 1) * kind.itemsize
        memory = self._memory.get(name)
        if memory is None or memory.nbytes < needed:
            held = 0 if memory is None else memory.nbytes
            # A quarter more than asked: Gaussian counts creep up while a scene is densified.
            raw = np.empty(needed + needed // 4 + _ALIGNMENT, np.uint8)
            start = -raw.ctypes.data % _ALIGNMENT
            memory = raw[start : start + needed + needed // 4]
            self._memory[name] = memory
            self.nbytes += memory.nbytes - held
        return memory[: size * kind.itemsize].view(kind)


_free: deque[Workspace] = deque(maxlen=_KEPT)


class Lease:
    """A workspace for the life of this object: of a render, or of its autograd graph."""

    def __init__(self) -> None:
        try:
            self.workspace = _free.pop()
        except IndexError:
            self.workspace = Workspace()

    def __del__(self, free: deque[Workspace] = _free) -> None:
        # Bound here: module globals may be gone when the interpreter ends.
        free.append(self.workspace)
