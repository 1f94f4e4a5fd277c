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
        return f"explains the most matches; {how}"
    if not h.explanation.plausible:
        return f"implausible focal length ({h.explanation.focal_ratio:.2f} of the longer side)"
    agreement = compare(h.model, chosen.model)
    if agreement.holds():
        return "agrees with the chosen one"
    return (
        f"explains {100 * (chosen.explanation.share - h.explanation.share):.1f} % fewer of the "
        f"matches; rotations differ by up to {agreement.rotation_error:.1f} degrees"
    )


def unconfirmed(found: SearchResult, chosen: Hypothesis) -> str:
    """A warning where no other reconstruction confirms the chosen one."""
    share = 100 * chosen.explanation.share
    return (
        f"{chosen.name} mapping explains the matches best ({share:.0f} %), but none of "
        f"{len(found.tried)} attempts confirms it: check the result"
    )
