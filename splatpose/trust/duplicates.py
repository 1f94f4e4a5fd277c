"""Pairs that match as well as the best and that the model denies: something exists twice.

False matches are few or scattered; pairs that two-view geometry passes with hundreds of matches
see the same surface, or equal ones. Where a model denies many of these, equal surfaces are about
(rows of windows, copies of a facade), and by matches alone it cannot be told which of the pairs
are the false ones (Roberts et al., CVPR 2011; Wilson & Snavely, ICCV 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..poses.evidence import Explanation
from ..twoview.matches import MatchTable

_STRONG = 80
"""Verified matches that chance and clutter do not give a pair."""
_RELATIVE = 0.2
"""Of the capture's strong pairs (their 90th percentile), the same where photos have many."""
_DENIED = 0.5
"""Share of its matches that the model must contradict."""
_FEWEST = 3
"""Denied pairs that make up a structure; one or two are mishaps."""


@dataclass(frozen=True)
class Lookalikes:
    """Strong pairs that a model denies."""

    share: Float[np.ndarray, " V"]
    """Of each photo's strong pairs; NaN without any."""
    overall: float
    """Of all strong pairs; 0 where they are too few to be more than a mishap."""
    pairs: tuple[tuple[int, int], ...]
    """They themselves, those with most matches first."""


def find_lookalikes(
    table: MatchTable, explanation: Explanation, registered: Bool[np.ndarray, " V"]
) -> Lookalikes:
    """Strong pairs of registered photos most of whose matches contradict the model."""
    count = len(registered)
    matches = np.bincount(table.pair, minlength=len(table.pairs))
    against = np.bincount(table.pair[explanation.contradicted], minlength=len(table.pairs))
    placed = registered[table.pairs].all(1) & (matches > 0)
    usual = float(np.percentile(matches[placed], 90)) if placed.any() else 0.0
    strong = placed & (matches >= max(_STRONG, _RELATIVE * usual))
    denied = strong & (against > _DENIED * matches)
    total = np.bincount(table.pairs[strong].ravel(), minlength=count)
    bad = np.bincount(table.pairs[denied].ravel(), minlength=count)
    with np.errstate(invalid="ignore"):
        share = np.asarray(bad / total, np.float64)
    many = int(denied.sum()) >= _FEWEST
    rows = np.flatnonzero(denied)
    rows = rows[np.argsort(-matches[rows], kind="stable")]
    return Lookalikes(
        share=np.where(bad >= 2, share, np.minimum(share, 0.0)),
        overall=float(denied.sum() / strong.sum()) if many else 0.0,
        pairs=tuple((int(i), int(j)) for i, j in table.pairs[rows]),
    )
