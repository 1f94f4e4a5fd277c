"""Which photos are held out of training: never one of which a near-copy is trained on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

_MOST_SHARE = 0.5
"""Largest share of the photos that one exposure may have for its photos to be held out."""


def split(exposures: Int[np.ndarray, " V"], eval_every: int) -> Bool[np.ndarray, " V"]:
    """Holds out every `eval_every`-th exposure, from the middle of the first, with all its photos.

    Where no two photos show the same these are `ids[eval_every // 2 :: eval_every]` (NoPe-NeRF,
    Bian et al., CVPR 2023). An exposure that most photos show is never held out.

    Args:
        exposures: for each photo the number of what it shows.
        eval_every: 0 holds out none.
    """
    if not eval_every:
        return np.zeros(len(exposures), bool)
    _, first, counts = np.unique(exposures, return_index=True, return_counts=True)
    order = exposures[np.sort(first[counts <= max(1, _MOST_SHARE * len(exposures))])]
    return np.isin(exposures, order[eval_every // 2 :: eval_every])


def with_near_copies(
    chosen: Bool[np.ndarray, " V"], exposures: Int[np.ndarray, " V"] | None
) -> Bool[np.ndarray, " V"]:
    """The chosen photos and all that show the same."""
    return chosen if exposures is None else np.isin(exposures, exposures[chosen])
