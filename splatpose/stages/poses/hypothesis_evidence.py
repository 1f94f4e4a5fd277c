"""What is said of the reconstructions that were tried."""

from __future__ import annotations

from ...scene.evidence import HypothesisEvidence
from ...sfm.mapping.hypotheses import Hypothesis
from ...sfm.model_comparison import compare
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
