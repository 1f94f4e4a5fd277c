"""Whether poses that went on with a second round's matches are kept, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from ...scene.second_round import SecondRoundEvidence
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import MatchTable, with_matches
from ...sfm.match_consistency import Explanation, explain
from ...sfm.model_comparison import difference
from ...sfm.step_lengths import handicap, step_jumps, unevenness

_NOISE = 0.002
"""Score by which matches of the first round may agree less: what is added moves all a little."""
_WORTH, _WORTH_MOVING = 0.02, 1.0
"""Share of all pairs with matches that new ones must be, or percent of the cameras' radius by which
closing their loops must move a photo, for the poses to gain."""


@dataclass(frozen=True)
class Question:
    """What both models are asked about."""

    table: MatchTable
    """Matches of both rounds."""
    new: Bool[np.ndarray, " M"]
    """Those of the second."""
    order: Int[np.ndarray, " V"] | None
    """Photos as they were taken, where they are a walk."""
    max_error_px: float


def worth_going_on(question: Question, moved: float) -> bool:
    """Whether the poses have anything to gain: many new pairs, or loops that move photos.

    Args:
        moved: as of `furthest_moved`.
    """
    new, every = (
        np.unique(rows) for rows in (question.table.pair[question.new], question.table.pair)
    )
    return len(new) >= _WORTH * max(len(every), 1) or moved >= _WORTH_MOVING


def furthest_moved(before: SparseModel, after: SparseModel) -> float:
    """Percent of the cameras' radius by which the photo that moved most did."""
    position = difference(after.cam_from_world, before.cam_from_world).position
    return float(np.nanmax(position)) if np.isfinite(position).any() else 0.0


def judged(
    poses: SparseModel,
    before: Explanation,
    model: SparseModel | None,
    question: Question,
    evidence: SecondRoundEvidence,
) -> SecondRoundEvidence:
    """Whether the second model is kept: it has to place as many photos, to explain the matches of
    both rounds at least as well, and those of the first one as well but for noise."""
    if model is None:
        return replace(evidence, decision="rolled back", reason="no points were found")
    after = explain(model, question.table, max_error_px=question.max_error_px)
    evidence = replace(
        evidence,
        registered_after=int(model.registered.sum()),
        explained_after=after.share,
        position_change=furthest_moved(poses, model),
    )
    shares = f"{100 * before.share:.1f} % of the matches of both rounds before"
    shares = f"{100 * after.share:.1f} % now and {shares}"
    if evidence.registered_after < evidence.registered_before:
        count = f"{evidence.registered_after} in place of {evidence.registered_before}"
        return replace(evidence, decision="rolled back", reason=f"it places {count} photos")
    if not _explains_as_well(poses, before, model, after, question):
        reason = f"it explains the matches worse: {shares}"
        return replace(evidence, decision="rolled back", reason=reason)
    return replace(evidence, decision="kept", reason=f"it explains {shares}")


def _explains_as_well(
    poses: SparseModel,
    before: Explanation,
    model: SparseModel,
    after: Explanation,
    question: Question,
) -> bool:
    """Whether the second model does, steps of a walk taken into account."""
    jumps = unevenness([step_jumps(one, question.order) for one in (poses, model)]).tolist()
    less, more = (
        told.score - handicap(jump) for told, jump in zip((before, after), jumps, strict=True)
    )
    if more < less:
        return False
    first = with_matches(question.table, ~question.new)
    old, new = (
        explain(one, first, max_error_px=question.max_error_px).score for one in (poses, model)
    )
    return new >= old - _NOISE


def sentence(evidence: SecondRoundEvidence) -> str:
    """What the round did, for a person."""
    found = f"{evidence.matched} of {evidence.named} pairs that the poses name match"
    if evidence.loops:
        gap = 100 * evidence.gap_before
        found += f"; in {evidence.loops} of them the poses had drifted by {gap:.0f} % of the depth"
    if evidence.decision == "rolled back":
        return f"{found}. The first poses stay; as to the second model, {evidence.reason}."
    change = f"photos moved by up to {evidence.position_change:.1f} % of the radius"
    left = evidence.registered_after - evidence.registered_before
    more = f", {left} more of them placed" if left else ""
    return f"{found}. The poses went on with them: {change}{more}; {evidence.reason}."
