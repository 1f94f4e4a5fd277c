"""Relative poses that more than two views stand behind, for whoever builds on pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..twoview.all_pairs import RelativePoses


@dataclass(frozen=True)
class RefinedPairs:
    """All pairs' relative poses, those of some of them refined together with other views'."""

    relative: RelativePoses
    """Relative poses of one component of pairs that do not contradict each other."""
    refined: Bool[np.ndarray, " E"]
    """Which of them are refined."""
    baselines: Float[np.ndarray, " P"]
    """Lengths of baselines in one unit, of the rows of `MatchTable.pairs`; NaN where unknown."""
    baseline_sigma: Float[np.ndarray, " P"]
    """Standard deviations of their logarithms."""
