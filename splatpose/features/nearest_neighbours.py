"""Matches of descriptors that are each other's nearest neighbours."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def mutual_nearest(
    first: Float[np.ndarray, "K D"], second: Float[np.ndarray, "L D"], min_cosine: float
) -> Int[np.ndarray, "M 2"]:
    """Rows of two sets of unit descriptors that are most alike in both directions.

    Args:
        min_cosine: of a match; less alike ones are left out.
    """
    if not len(first) or not len(second):
        return np.zeros((0, 2), np.int64)
    forth = (first @ second.T).argmax(axis=1)
    rows = np.flatnonzero(np.einsum("md,md->m", first, second[forth]) >= min_cosine)
    # A second product is faster than the maxima along the slow axis of the first, and only those
    # are asked back that somebody is like.
    asked, place = np.unique(forth[rows], return_inverse=True)
    back = (second[asked] @ first.T).argmax(axis=1)
    rows = rows[back[place] == rows]
    return np.stack([rows, forth[rows]], axis=1).astype(np.int64)
