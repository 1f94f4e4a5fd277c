"""What the final poses make of the matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ....scene.matches import MatchGraph
from ....scene.sparse_model import SparseModel
from ....sfm.correspondences import match_table
from ....sfm.match_consistency import explain
from ....sfm.thresholds import INLIERS


@dataclass(frozen=True)
class PairSupport:
    """How far the matches of every pair agree with the poses."""

    agreeing: Float[np.ndarray, " P"]
    """Share of the verified matches that agree, 0 to 1; NaN where a photo has no pose."""
    contradicted: Bool[np.ndarray, " P"]
    """Pairs more of whose matches contradict the poses than agree with them."""
    share: float
    """Share of all verified matches that agree."""


def pair_support(graph: MatchGraph, poses: SparseModel, max_error_px: float) -> PairSupport:
    """Asks every verified match again.

    Args:
        max_error_px: as `PosesConfig.max_error_px`.
    """
    table = match_table(graph)
    explanation = explain(poses, table, max_error_px=max_error_px)
    count = len(graph.pairs)
    agree = np.bincount(table.pair[explanation.explained], minlength=count)
    deny = np.bincount(table.pair[explanation.contradicted], minlength=count)
    total = graph.num_verified
    asked = poses.registered[graph.pairs].all(1) & (total > 0)
    share = np.full(count, np.nan)
    share[asked] = agree[asked] / total[asked]
    return PairSupport(
        share, asked & (deny > agree) & (total >= INLIERS.enough_matches), explanation.share
    )
