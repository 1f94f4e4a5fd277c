"""The judge: what the evidence on one photo makes of it. Pure functions of figures.

Every rule looks at one figure, or at one that excuses another, and only ever lowers the level, so
that worse evidence never raises it. What could not be measured speaks neither for nor against,
but for the halves of the matches: without any that confirms it, a pose is not trusted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ...scene.verdicts import Level, PhotoTrust
from ...sfm.validation.thresholds import LOOKALIKES, SCALE_TIES

Cause = Literal[
    "denied",
    "unconfirmed",
    "contradicted",
    "missing",
    "alike",
    "tie",
    "scale",
    "lens",
    "loose",
    "few",
    "patch",
    "turns",
    "cycles",
    "held out",
    "rendering",
]
"""What is wrong with a photo, for whoever gives advice."""

MAX_FOLD_ROTATION, MAX_FOLD_POSITION = 4.0, 4.0
"""Degrees and percent of the radius that models from halves of the matches may differ: a photo is
wrong from 5 and 5 on, and the final model, of all matches, is nearer to the truth than they."""
MIN_HELD_OUT_SHARE = 0.15
"""Share of the matches that a half never saw. Right photos have 0.25 even on blank walls; learned
matchers leave many false matches behind verification."""
MAX_CONTRADICTED_SHARE = 0.6
"""Right photos on blank walls have up to a half: repeated structures match and are false."""
MAX_MISSING_OVERLAP = 0.3
"""A right photo lacks the matches with an odd neighbour, not with a third of them."""
MAX_LOOKALIKES = 0.45
"""Share of a photo's strong pairs that are denied: where two sides of a room look alike, right
poses deny a third."""
MIN_WAYS = 2
"""Ways of mapping that agree, to believe a model of things that look alike: each way is led astray
otherwise, and where only one comes to a result, chance had its part in it."""
MIN_TIES = 2
"""A part that one pair holds is as right as that pair, and its size is not held at all."""
MIN_NEIGHBOURS = 2
MIN_SPREAD = 0.06
"""Four of 64 cells: matches in one corner leave the pose free to turn about it."""
MAX_ROTATION_SIGMA, MAX_POSITION_SIGMA = 1.2, 2.0
"""Degrees and percent: bundle adjustment believes noise to be independent, which it is not, and is
two times too sure of itself; twice and a half of that are the bounds of a wrong pose."""
MAX_LENS_ROTATION, MAX_LENS_POSITION = 2.0, 2.5
"""Degrees and percent that a photo may go with its lens: half of what a wrong pose is off by. These
sigmas are believed ones, twice what bundle adjustment has. Right models of real photos have at most
0.4 degrees and 0.6 %, but for unordered photos of a camera each (0.4 and 2.2)."""
_BELIEVED = 2.0
"""Factor of bundle adjustment's own sigmas for them to be believed, see MAX_POSITION_SIGMA."""
MAX_FOCAL_DRIFT = 0.03
"""Share by which the matches call for another focal length: own models are at their optimum, but
for what a richer lens would change, which is less."""
_SURELY = 3.0
"""Standard deviations."""
_MANY_POINTS = 30
"""Points from which on their number is not what is wrong."""
MAX_TURN_ERROR = 5.0
MAX_CYCLE_ERROR = 8.0
"""Degrees: relative rotations of blank walls err by some."""
_LACKS: tuple[Cause, ...] = ("unconfirmed", "tie", "scale", "lens", "loose", "few", "patch")
"""Doubts for want of evidence; the others are evidence against a pose."""
_MOST = 0.8
"""Share of the weak photos that must have the same only doubt, for it to be told of all."""
MAX_PSNR_LOSS = 8.0
"""dB below the median of the held-out photos."""


@dataclass(frozen=True)
class Finding:
    """What the judge says of one photo, before advice."""

    level: Level
    cause: Cause | None
    """The gravest; None where nothing is wrong."""
    reason: str
    doubts: tuple[Cause, ...] = ()
    """All, the gravest first."""


def judge(evidence: PhotoTrust, *, registered: bool, few: bool = False) -> Finding:
    """The level of one photo and why.

    Args:
        evidence: what was measured.
        registered: whether there is a pose.
        few: whether the capture has so few photos that each can only have one or two neighbours.
    """
    if not registered:
        return Finding("refused", None, "no pose")
    doubts = [doubt for rule in _rules(few) if (doubt := rule(evidence)) is not None]
    if doubts:
        cause, reason = doubts[0]
        return Finding("weak", cause, reason, tuple(cause for cause, _ in doubts))
    return Finding("trusted", None, _why_trusted(evidence))


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


Doubt = tuple[Cause, str]


def _denied(e: PhotoTrust) -> Doubt | None:
    off = f"{_number(e.fold_rotation)} degrees and {_number(e.fold_position)} % of the radius"
    far = e.fold_rotation > MAX_FOLD_ROTATION or e.fold_position > MAX_FOLD_POSITION
    if e.folds_denying >= 2:
        return "denied", f"both halves of the matches place it elsewhere, by {off}"
    if e.folds_denying or far:
        return "denied", f"models from two halves of the matches differ here by {off}"
    return None


def _unconfirmed(e: PhotoTrust) -> Doubt | None:
    if e.folds_agreeing:
        return None
    return "unconfirmed", "no model from a part of the matches confirms its pose"


def _contradicted(e: PhotoTrust) -> Doubt | None:
    if e.contradicted_share > MAX_CONTRADICTED_SHARE:
        share = 100 * e.contradicted_share
        return "contradicted", f"{share:.0f} % of its matches contradict its pose"
    return None


def _missing(e: PhotoTrust) -> Doubt | None:
    if e.missing_overlap > MAX_MISSING_OVERLAP:
        share = 100 * e.missing_overlap
        return "missing", (
            f"by its pose it sees what {share:.0f} % of its neighbours see, and shares no matches "
            "with them: the place may exist twice"
        )
    return None


def _alike(e: PhotoTrust) -> Doubt | None:
    many = e.lookalikes > MAX_LOOKALIKES or e.lookalikes_overall > LOOKALIKES.many
    if e.lookalikes_shifted > LOOKALIKES.many or (many and (e.ways < MIN_WAYS or e.rivals)):
        share = 100 * max(e.lookalikes_overall, e.lookalikes)
        return "alike", (
            f"{share:.0f} % of the pairs that match best do not agree with the poses: things here "
            "look alike, and matches do not tell which is which, or the lens is not understood"
        )
    return None


def _tie(e: PhotoTrust, few: bool) -> Doubt | None:
    if not e.neighbours:
        return "tie", "no photo of the main part of the model agrees with it"
    if few or (e.ties >= MIN_TIES and e.neighbours >= MIN_NEIGHBOURS):
        return None
    if e.neighbours == 1:
        return "tie", "only one other photo agrees with it"
    return "tie", "one pair of photos alone holds its part of the model"


def _bridge(e: PhotoTrust, few: bool) -> Doubt | None:
    if few or math.isnan(e.bridge) or e.bridge >= LOOKALIKES.strong:
        return None
    return "tie", (
        f"pairs of at most {e.bridge:.0f} matches join its part of the model to the others: things "
        "that look alike in two places have as many"
    )


def _scale(e: PhotoTrust) -> Doubt | None:
    if not e.scale_sigma > SCALE_TIES.guess:
        return None
    number = "no point is" if not e.scale_points else f"only {e.scale_points} points are"
    if e.scale_points == 1:
        number = "only 1 point is"
    why = f"{number} seen well from both sides"
    if e.scale_points > _MANY_POINTS:
        why = "what is seen from both sides does not agree on its scale"
    return "scale", f"its distance from {e.scale_hinge} on is a guess: {why}"


def _few(e: PhotoTrust) -> Doubt | None:
    if e.spread < MIN_SPREAD:
        return "patch", f"its matches cover {100 * e.spread:.0f} % of the photo only"
    return None


def _loose(e: PhotoTrust) -> Doubt | None:
    if e.rotation_sigma > MAX_ROTATION_SIGMA or e.position_sigma > MAX_POSITION_SIGMA:
        return "loose", (
            "its matches leave it free to move: standard deviation "
            f"{_number(e.rotation_sigma)} degrees and {_number(e.position_sigma)} % of the radius"
        )
    return None


def _lens(e: PhotoTrust) -> Doubt | None:
    if e.focal_drift > max(MAX_FOCAL_DRIFT, _SURELY * e.focal_sigma):
        return "lens", (
            "the matches call for another focal length than the model has, by "
            f"{100 * e.focal_drift:.0f} %"
        )
    if e.drift_rotation > MAX_FOLD_ROTATION or e.drift_position > MAX_FOLD_POSITION:
        return "lens", (
            "a lens that fits the matches better has it elsewhere, by "
            f"{_number(e.drift_rotation)} degrees and {_number(e.drift_position)} % of the radius"
        )
    # A lens that is as open as the pose itself makes a photo free to move which neither does alone.
    together = math.hypot(e.lens_position, e.drift_position, _BELIEVED * e.position_sigma)
    free = together > _BELIEVED * MAX_POSITION_SIGMA >= _BELIEVED * e.position_sigma
    if e.lens_rotation > MAX_LENS_ROTATION or e.lens_position > MAX_LENS_POSITION or free:
        return "lens", (
            f"its place hangs on the lens, and the focal length is known to "
            f"{100 * e.focal_sigma:.0f} % only: standard deviation {_number(e.lens_rotation)} "
            f"degrees and {_number(e.lens_position)} % of the radius"
        )
    return None


def _held_out(e: PhotoTrust) -> Doubt | None:
    if e.held_out_share < MIN_HELD_OUT_SHARE:
        share = 100 * e.held_out_share
        return "held out", f"only {share:.0f} % of matches kept back agree with its pose"
    return None


def _turns(e: PhotoTrust) -> Doubt | None:
    """Pairs alone err where there is little texture; two models of many pairs outvote them."""
    if e.folds_agreeing >= 2:
        return None
    if e.turn_error > MAX_TURN_ERROR:
        text = f"its pairs alone turn by {e.turn_error:.0f} degrees otherwise than the model has it"
        return "turns", text
    if e.cycle_error > MAX_CYCLE_ERROR:
        text = f"going round three photos misses the start by {e.cycle_error:.0f} degrees"
        return "cycles", text
    return None


def _rules(few: bool) -> tuple[Callable[[PhotoTrust], Doubt | None], ...]:
    """All rules, the gravest doubt first."""
    return (
        # The halves then differ for want of a scale: the cause is told, not what follows from it.
        _scale,
        _denied,
        _missing,
        _alike,
        _contradicted,
        partial(_tie, few=few),
        partial(_bridge, few=few),
        _lens,
        _loose,
        _turns,
        _held_out,
        _few,
        _unconfirmed,
    )


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
