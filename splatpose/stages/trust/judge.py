"""The judge: what the evidence on one photo makes of it. Pure functions of figures.

The points that its figures take away add up to the probability that its pose is right; levels are
cuts of that, and the reason is the figure that takes away most. Worse evidence never raises the
probability. What could not be measured speaks neither for nor against, but for the halves of the
matches: without any that confirms it, a pose is not trusted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...scene.verdicts import Level, PhotoTrust
from .points import FIGURES, Cause, Points, figures_of, fitted_points

MAX_PSNR_LOSS = 8.0
"""dB below the median of the held-out photos."""
RENDERING_POINTS = 4.0
"""What a rendering that is so much worse takes from the log-odds: enough not to be trusted."""
_DOUBT = 1.0
"""Points from which on a figure is a doubt of its own."""
_FOLLOW_SCALE: tuple[Cause, ...] = ("denied", "unconfirmed", "held out", "loose")
"""What is also found where a scale is open."""
_MANY_POINTS = 30
"""Points in space from which on their number is not what is wrong."""
_LACKS: tuple[Cause, ...] = ("unconfirmed", "tie", "scale", "lens", "loose", "patch")
"""Doubts for want of evidence; the others are evidence against a pose."""
_MOST = 0.8
"""Share of the weak photos that must have the same only doubt, for it to be told of all."""


@dataclass(frozen=True)
class Finding:
    """What the judge says of one photo, before advice."""

    level: Level
    cause: Cause | None
    """The gravest; None where nothing is wrong."""
    reason: str
    doubts: tuple[Cause, ...] = ()
    """All, the gravest first."""
    probability: float = float("nan")
    """That the pose is right; NaN without one."""


def judge(
    evidence: Sequence[PhotoTrust],
    registered: Sequence[bool],
    *,
    few: bool = False,
    points: Points | None = None,
) -> list[Finding]:
    """The level of each photo and why.

    Args:
        evidence: what was measured of each.
        registered: whether each has a pose.
        few: whether the capture has so few photos that each can only have one or two neighbours.
        points: to judge by; unset, those that come with the package.
    """
    points = points or fitted_points()
    lost = points.model.lost(figures_of(evidence, few))
    probability = points.model.probability(lost)
    return [
        _finding(e, lost[i].tolist(), float(probability[i]), points.trusted)
        if registered[i]
        else Finding("refused", None, "no pose")
        for i, e in enumerate(evidence)
    ]


def _finding(e: PhotoTrust, lost: list[float], probability: float, trusted: float) -> Finding:
    if probability >= trusted:
        return Finding("trusted", None, _why_trusted(e), (), probability)
    total: dict[Cause, float] = {}
    for figure, points in zip(FIGURES, lost, strict=True):
        total[figure.cause] = total.get(figure.cause, 0.0) + points
    if total["scale"] >= _DOUBT:
        # What follows from it is not told as the cause.
        total["scale"] += sum(total[cause] for cause in _FOLLOW_SCALE)
    ranked: list[Cause] = sorted(total, key=lambda cause: -total[cause])
    own = [k for k, figure in enumerate(FIGURES) if figure.cause == ranked[0]]
    told = FIGURES[max(own, key=lambda k: lost[k])].name
    doubts: list[Cause] = [cause for cause in ranked if total[cause] >= _DOUBT] or ranked[:1]
    return Finding("weak", ranked[0], _SENTENCES[told](e), tuple(doubts), probability)


def worse_rendering(psnr: float, usual: float) -> bool:
    """Whether a held-out photo looks so unlike its rendering that its pose is in doubt.

    Args:
        psnr: of the photo in dB.
        usual: median over all held-out photos.
    """
    return usual - psnr > MAX_PSNR_LOSS


def only_doubt(findings: Sequence[Finding]) -> Cause | None:
    """The one thing that most weak photos lack, and nothing else; None if there is none.

    Evidence against a pose is no lack of evidence.
    """
    weak = [finding for finding in findings if finding.level == "weak"]
    alone: Counter[Cause] = Counter(
        finding.doubts[0] for finding in weak if len(finding.doubts) == 1
    )
    for cause, count in alone.most_common(1):
        if cause in _LACKS and count >= _MOST * len(weak):
            return cause
    return None


def _denied(e: PhotoTrust) -> str:
    off = f"{_number(e.fold_rotation)} degrees and {_number(e.fold_position)} % of the radius"
    if e.folds_denying >= 2:
        return f"both halves of the matches place it elsewhere, by {off}"
    return f"models from two halves of the matches differ here by {off}"


def _unconfirmed(e: PhotoTrust) -> str:
    if e.folds_agreeing:
        return "a model from only one half of the matches confirms its pose"
    return "no model from a part of the matches confirms its pose"


def _contradicted(e: PhotoTrust) -> str:
    return f"{100 * e.contradicted_share:.0f} % of its matches contradict its pose"


def _missing(e: PhotoTrust) -> str:
    return (
        f"by its pose it sees what {100 * e.missing_overlap:.0f} % of its neighbours see, and "
        "shares no matches with them: the place may exist twice"
    )


def _alike(e: PhotoTrust) -> str:
    known = [v for v in (e.lookalikes, e.lookalikes_near) if not math.isnan(v)]
    return (
        f"{100 * max(known, default=0.0):.0f} % of the pairs that match best hereabouts do not "
        "agree with the poses: things here look alike, and matches do not tell which is which, or "
        "the lens is not understood"
    )


def _neighbours(e: PhotoTrust) -> str:
    if not e.neighbours:
        return "no photo of the main part of the model agrees with it"
    if e.neighbours == 1:
        return "only one other photo agrees with it"
    return f"only {e.neighbours} other photos agree with it"


def _ties(e: PhotoTrust) -> str:
    if e.ties > 1:
        return f"only {e.ties} pairs of photos hold its part of the model"
    return "one pair of photos alone holds its part of the model"


def _bridge(e: PhotoTrust) -> str:
    return (
        f"pairs of at most {e.bridge:.0f} matches join its part of the model to the others: things "
        "that look alike in two places have as many"
    )


def _scale(e: PhotoTrust) -> str:
    number = "no point is" if not e.scale_points else f"only {e.scale_points} points are"
    if e.scale_points == 1:
        number = "only 1 point is"
    why = f"{number} seen well from both sides"
    if e.scale_points > _MANY_POINTS:
        why = "what is seen from both sides does not agree on its scale"
    return f"its distance from {e.scale_hinge} on is a guess: {why}"


def _patch(e: PhotoTrust) -> str:
    return f"its matches cover {100 * e.spread:.0f} % of the photo only"


def _loose(e: PhotoTrust) -> str:
    return (
        "its matches leave it free to move: standard deviation "
        f"{_number(e.rotation_sigma)} degrees and {_number(e.position_sigma)} % of the radius"
    )


def _lens(e: PhotoTrust) -> str:
    return (
        f"its place hangs on the lens, and the focal length is known to {100 * e.focal_sigma:.0f} "
        f"% only: standard deviation {_number(e.lens_rotation)} degrees and "
        f"{_number(e.lens_position)} % of the radius"
    )


def _lens_elsewhere(e: PhotoTrust) -> str:
    return (
        "a lens that fits the matches better has it elsewhere, by "
        f"{_number(e.drift_rotation)} degrees and {_number(e.drift_position)} % of the radius"
    )


def _another_focal(e: PhotoTrust) -> str:
    return (
        "the matches call for another focal length than the model has, by "
        f"{100 * e.focal_drift:.0f} %"
    )


def _imprecise(e: PhotoTrust) -> str:
    return (
        f"{100 * e.imprecise:.0f} % of the matches, all over the photos, agree with the poses only "
        "roughly: the camera bends what it sees, as one does that reads its rows one after another "
        "while it turns (rolling shutter), and poses may be bent with it"
    )


def _moved_centers(e: PhotoTrust) -> str:
    return (
        "each photo's own points call for another middle of its lens, by "
        f"{100 * e.center_shift:.1f} % of its longer side: the photos are crops that moved, as of "
        "stabilised video, or were not cropped evenly, or are bent by a rolling shutter, and poses "
        "may be bent with them"
    )


def _held_out(e: PhotoTrust) -> str:
    if math.isnan(e.held_out_share):
        return "no matches were left to confirm its pose"
    return f"only {100 * e.held_out_share:.0f} % of matches kept back agree with its pose"


def _turns(e: PhotoTrust) -> str:
    return f"its pairs alone turn by {e.turn_error:.0f} degrees otherwise than the model has it"


def _cycles(e: PhotoTrust) -> str:
    return f"going round three photos misses the start by {e.cycle_error:.0f} degrees"


_SENTENCES: dict[str, Callable[[PhotoTrust], str]] = {
    "scale_sigma": _scale,
    "fold_rotation": _denied,
    "fold_position": _denied,
    "folds_denying": _denied,
    "missing_overlap": _missing,
    "lookalikes_shifted": _alike,
    "lookalikes_near": _alike,
    "lookalikes": _alike,
    "contradicted_share": _contradicted,
    "neighbours": _neighbours,
    "ties": _ties,
    "bridge": _bridge,
    "rotation_sigma": _loose,
    "position_sigma": _loose,
    "lens_rotation": _lens,
    "lens_position": _lens,
    "drift_rotation": _lens_elsewhere,
    "drift_position": _lens_elsewhere,
    "focal_drift": _another_focal,
    "imprecise": _imprecise,
    "center_shift": _moved_centers,
    "turn_error": _turns,
    "cycle_error": _cycles,
    "held_out_share": _held_out,
    "spread": _patch,
    "folds_agreeing": _unconfirmed,
}
"""What is said where a figure takes away most."""


def _why_trusted(e: PhotoTrust) -> str:
    halves = "two disjoint halves" if e.folds_agreeing == 2 else "a half"
    return (
        f"agrees with {e.neighbours} photos; models from {halves} of the matches place it within "
        f"{_number(e.fold_rotation)} degrees and {_number(e.fold_position)} %"
    )


def _number(value: float) -> str:
    if math.isnan(value):
        return "an unknown number of"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"
