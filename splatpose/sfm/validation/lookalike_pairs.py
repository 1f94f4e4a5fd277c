"""Pairs that match as well as the best and that the model denies: something exists twice.

False matches are few or scattered; pairs that two-view geometry passes with hundreds of matches
see the same surface, or equal ones. Where a model denies many of these, equal surfaces are about
(rows of windows, copies of a facade), and by matches alone it cannot be told which of the pairs
are the false ones (Roberts et al., CVPR 2011; Wilson & Snavely, ICCV 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ...geometry.epipolar import relative_pose
from ...geometry.rotations import rotation_angle
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable, with_matches
from ..match_consistency import Explanation
from ..twoview.all_pairs import relative_poses
from .thresholds import LOOKALIKES


@dataclass(frozen=True)
class Lookalikes:
    """Strong pairs that a model denies."""

    share: Float[np.ndarray, " V"]
    """Denied share of each photo's strong pairs; NaN without any."""
    overall: float
    """Denied share of all strong pairs, without photos most of whose pairs are denied: those are
    misplaced, and say nothing of the others. 0 where they are too few to be more than a mishap."""
    shifted: float
    """Share of all strong pairs that the model denies although it turns their photos as they do: a
    copy beside the original, which no cycle of rotations tells from it."""
    pairs: tuple[tuple[int, int], ...]
    """Pairs that are denied, with most matches first."""


def find_lookalikes(
    model: SparseModel,
    table: MatchTable,
    explanation: Explanation,
    seed: int,
    workers: int | None = None,
) -> Lookalikes:
    """Strong pairs of registered photos most of whose matches do not agree with the model.

    Pairs within a group that hangs on nothing else are not asked.

    Args:
        workers: threads. Does not change the result.
    """
    registered = model.registered
    count = len(registered)
    matches = np.bincount(table.pair, minlength=len(table.pairs))
    agree, deny = (
        np.bincount(table.pair[rows], minlength=len(table.pairs))
        for rows in (explanation.explained, explanation.contradicted)
    )
    placed = registered[table.pairs].all(1) & (matches > 0)
    placed &= explanation.connected[table.pairs].any(1)
    usual = float(np.percentile(matches[placed], 90)) if placed.any() else 0.0
    strong = placed & (matches >= max(LOOKALIKES.strong, LOOKALIKES.relative * usual))
    denied = strong & (agree < LOOKALIKES.denied * matches)
    weight = denied * np.where(agree <= deny, 1.0, LOOKALIKES.imprecise)
    total = np.bincount(table.pairs[strong].ravel(), minlength=count)
    bad = np.bincount(table.pairs.ravel(), np.repeat(weight, 2), minlength=count)
    with np.errstate(invalid="ignore"):
        share = np.asarray(bad / total, np.float64)
    misplaced = (bad >= 2) & (share > LOOKALIKES.misplaced)
    ask = strong & ~misplaced[table.pairs].any(1)
    if 3 * int(misplaced.sum()) > int(registered.sum()):
        ask = strong
    many = float(weight[ask].sum()) >= LOOKALIKES.fewest
    rows = np.flatnonzero(denied)
    rows = rows[np.argsort(-matches[rows], kind="stable")]
    return Lookalikes(
        share=np.where(bad >= 2, share, np.minimum(share, 0.0)),
        overall=float(weight[ask].mean()) if many else 0.0,
        shifted=(
            _same_turn(model, table, weight * ask, seed, workers) / int(ask.sum()) if many else 0.0
        ),
        pairs=tuple((int(i), int(j)) for i, j in table.pairs[rows]),
    )


def _same_turn(
    model: SparseModel,
    table: MatchTable,
    weight: Float[np.ndarray, " P"],
    seed: int,
    workers: int | None,
) -> float:
    """Weight of the pairs that have, by their matches, the relative rotation of the model."""
    own = relative_poses(
        with_matches(table, weight[table.pair] > 0),
        model.cameras,
        model.camera_index,
        min_matches=LOOKALIKES.strong,
        seed=seed,
        workers=workers,
    )
    poses = model.cam_from_world[own.pairs]
    R, _ = relative_pose(poses[:, 0], poses[:, 1])
    angle = rotation_angle(own.rotation @ np.swapaxes(R, 1, 2))
    of = {(int(i), int(j)): float(w) for (i, j), w in zip(table.pairs, weight, strict=True)}
    return float(sum(of[int(i), int(j)] for i, j in own.pairs[angle <= LOOKALIKES.same_rotation]))
