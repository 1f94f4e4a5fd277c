"""What is said of the reconstructions that were tried."""

from __future__ import annotations

import numpy as np

from ...scene.evidence import HypothesisEvidence
from ...sfm.mapping.hypotheses import Hypothesis
from ...sfm.model_comparison import compare
from ...sfm.thresholds import STEPS
from .search import SearchResult


def hypothesis_evidence(found: SearchResult, chosen: Hypothesis) -> list[HypothesisEvidence]:
    """One a reconstruction, the best first, and one a failure."""
    rows = []
    for h in found.hypotheses:
        rows.append(
            HypothesisEvidence(
                name=h.name,
                num_registered=h.num_registered,
                num_points=len(h.model.points),
                explained_share=h.explanation.share,
                reprojection_error=h.reprojection_error,
                focal_ratio=h.explanation.focal_ratio,
                seconds=h.seconds,
                chosen=h is chosen,
                note=_note(h, chosen, found),
                step_jump=_largest_jump(h),
                confirmed=found.agreeing and h is chosen,
            )
        )
    nan = float("nan")
    for failure in found.failures:
        rows.append(
            HypothesisEvidence(
                failure.name, 0, 0, 0.0, nan, nan, failure.seconds, False, "no reconstruction"
            )
        )
    return rows


def _note(h: Hypothesis, chosen: Hypothesis, found: SearchResult) -> str:
    if h is chosen:
        how = "an independent one agrees" if found.agreeing else "no other confirms it"
        if decided_by_steps(found, chosen):
            return f"its steps are more even; {how}"
        rivals = [r.explanation.share for r in found.hypotheses if r.explanation.plausible]
        most = h.explanation.share >= max(rivals, default=0.0)
        return f"explains the {'most matches' if most else 'matches best, all told'}; {how}"
    if not h.explanation.plausible:
        return f"implausible focal length ({h.explanation.focal_ratio:.2f} of the longer side)"
    agreement = compare(h.model, chosen.model)
    if agreement.holds():
        return "agrees with the chosen one"
    return (
        f"{_compared(h, chosen)}; rotations differ by up to {agreement.rotation_error:.1f} degrees"
    )


def _compared(h: Hypothesis, chosen: Hypothesis) -> str:
    """What a hypothesis that was not chosen explains, beside the chosen one."""
    more = 100 * (h.explanation.share - chosen.explanation.share)
    if more <= 0:
        return f"explains {-more:.1f} % fewer of the matches"
    if uneven := _uneven(h, chosen):
        return f"explains {more:.1f} % more of the matches, but {uneven}"
    against, chosen_against = 100 * h.explanation.against, 100 * chosen.explanation.against
    if against > chosen_against:
        return (
            f"explains {more:.1f} % more of the matches, and more contradict it ({against:.0f} % "
            f"against {chosen_against:.0f} %)"
        )
    return f"explains {more:.1f} % more of the matches, but in fewer of the pairs"


def unconfirmed(found: SearchResult, chosen: Hypothesis) -> str:
    """A warning where no other reconstruction confirms the chosen one."""
    share = 100 * chosen.explanation.share
    return (
        f"{chosen.name} mapping explains the matches best ({share:.0f} %), but none of "
        f"{len(found.tried)} attempts confirms it: check the result"
    )


def decided_by_steps(found: SearchResult, chosen: Hypothesis) -> str | None:
    """A sentence where the chosen one explains fewer matches than one whose steps jump."""
    rivals = [h for h in found.hypotheses if h.explanation.score > chosen.explanation.score]
    best = max(rivals, key=lambda h: h.explanation.score, default=None)
    uneven = _uneven(best, chosen) if best is not None and best.explanation.plausible else None
    if best is None or uneven is None:
        return None
    share, own = 100 * best.explanation.share, 100 * chosen.explanation.share
    return (
        f"{best.name} mapping explains {share:.1f} % of the matches and {chosen.name} mapping "
        f"{own:.1f} %, but with the former {uneven}: nobody walks like that, "
        f"{chosen.name} mapping is taken"
    )


def _uneven(h: Hypothesis, chosen: Hypothesis) -> str | None:
    """Where steps jump in one model and much less in the chosen one, as a clause."""
    more = np.abs(h.jumps) - np.abs(chosen.jumps)
    if not (more > STEPS.tolerated).any():
        return None
    photo = int(np.nanargmax(more))
    factor = 2.0 ** abs(float(h.jumps[photo]))
    how = "longer" if h.jumps[photo] > 0 else "shorter"
    return f"all steps after {h.model.names[photo]} are {factor:.1f} times {how} than those before"


def _largest_jump(h: Hypothesis) -> float:
    known = h.jumps[np.isfinite(h.jumps)]
    return float(2.0 ** np.abs(known).max()) if len(known) else float("nan")
