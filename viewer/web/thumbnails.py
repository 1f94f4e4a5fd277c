"""Small pictures of photos: read when somebody wants to see them, and not all at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from queue import LifoQueue

import numpy as np
from jaxtyping import UInt8

from splatpose.errors import SplatposeError
from splatpose.io.photos import read_photo

SIZE = 192
"""Longer side of a thumbnail in pixels."""
_KEPT = 400
"""Thumbnails that are kept: some 25 MB."""
_READERS = 2


def read_thumbnail(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """A small picture of a photo; grey where the photo is gone."""
    try:
        return read_photo(path, SIZE)
    except (OSError, ValueError, SplatposeError):
        return np.full((SIZE * 3 // 4, SIZE, 3), 128, np.uint8)


class Thumbnails:
    """Thumbnails of photos in order; those that were looked at last are kept."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self._paths = tuple(paths)
        self._kept: OrderedDict[int, UInt8[np.ndarray, "_h _w 3"]] = OrderedDict()
        self._asked: set[int] = set()
        self._lock = threading.Lock()
        self._queue: LifoQueue[int] = LifoQueue()  # what is looked at now comes first
        self._readers: list[threading.Thread] = []

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """A thumbnail, read now unless it is kept."""
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
        picture = read_thumbnail(self._paths[index])
        with self._lock:
            self._kept[index] = picture
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return picture

    def at_hand(self, index: int) -> UInt8[np.ndarray, "H W 3"] | None:
        """A thumbnail if it is kept; else None, and it is read beside what goes on."""
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            if index in self._asked:
                return None
            self._asked.add(index)
            self._queue.put(index)
            if len(self._readers) < _READERS:
                # Nobody waits for them when the viewer ends.
                self._readers.append(threading.Thread(target=self._read, daemon=True))
                self._readers[-1].start()
        return None

    def _read(self) -> None:
        while True:
            index = self._queue.get()
            self[index]
            with self._lock:
                self._asked.discard(index)
