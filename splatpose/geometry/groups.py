"""Rows that belong together, found for all groups at once: one sort, not a pass for each."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def groups_of(label: Int[np.ndarray, " N"]) -> list[Int[np.ndarray, " _"]]:
    """The rows of each label that occurs, ascending; in the order of the labels."""
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1) if len(label) else []


def rows_of_each(label: Int[np.ndarray, " N"], count: int) -> list[Int[np.ndarray, " _"]]:
    """The rows of each of the labels 0 to `count` - 1, ascending."""
    order = np.argsort(label, kind="stable")
    return np.split(order, np.searchsorted(label[order], np.arange(1, count)))
