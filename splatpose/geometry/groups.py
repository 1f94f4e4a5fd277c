"""Rows that belong together, found for all groups at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def groups_of(label: Int[np.ndarray, " N"]) -> list[Int[np.ndarray, " G"]]:
    """The rows of each label that occurs, ascending; in the order of the labels.

    As `np.flatnonzero(label == name)` for each name, but one sort in place of a pass for each.
    """
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1) if len(label) else []
