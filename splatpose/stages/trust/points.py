"""The figures that count for and against a pose, and the points that each takes away.

What is expected of each figure stands here: thresholds that were set by hand on real captures.
`points.json` holds what `tests/benchmarks/verdict_model.py` made of them on photos whose true poses
are known: points moved as far as kinds of scenes left out show that it helps, beyond a standard
error (they have not so far), and what their sum means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from ...scene.verdicts import PhotoTrust
from ...sfm.validation.pose_probability import ProbabilityModel, Term

Cause = Literal[
    "denied",
    "unconfirmed",
    "contradicted",
    "missing",
    "alike",
    "tie",
    "scale",
    "lens",
    "imprecise",
    "loose",
    "patch",
    "turns",
    "cycles",
    "held out",
    "rendering",
]
"""What is wrong with a photo, for whoever gives advice."""

FILE = Path(__file__).with_name("points.json")
MIN_WAYS = 2
"""Ways of mapping that agree, to believe a model of things that look alike: each way is led astray
otherwise, and where only one comes to a result, chance had its part in it."""
ALL_WAYS = 3
"""Ways of mapping that agree, to believe a model that denies pairs which rotate as it does: on a
row of identical bays, two ways agreed on a wrong one."""
_SURELY = 3.0
"""Standard deviations."""
_MOST = 7.0
"""Log-odds of a pose that nothing speaks against: one of a thousand is wrong for reasons that no
figure sees."""


@dataclass(frozen=True)
class Figure:
    """One piece of evidence."""

    name: str
    cause: Cause
    of: Callable[[PhotoTrust], float]
    knots: tuple[float, ...]
    """From good to bad."""
    expected: tuple[float, ...]
    """Points that each knot takes away: 4 are enough for a photo not to be trusted."""
    unknown: float = 0.0
    """Expected points where it could not be measured."""


def _unsettled(e: PhotoTrust) -> float:
    """Look-alikes nearby, as far as several ways of mapping do not agree here or one does not."""
    return _left_of(e.lookalikes_near, e)


def _left_of(lookalikes: float, e: PhotoTrust) -> float:
    doubt = 1.0 if e.ways < MIN_WAYS else e.rival_here
    return doubt * lookalikes if doubt else 0.0


def _shifted(e: PhotoTrust) -> float:
    """Where all ways agree and none does not, less is left of it: blank walls have it too."""
    settled = e.ways >= ALL_WAYS and not e.rivals
    return e.lookalikes_shifted / 3 if settled else e.lookalikes_shifted


def _own_unsettled(e: PhotoTrust) -> float:
    return _left_of(e.lookalikes, e)


def _another_focal(e: PhotoTrust) -> float:
    """Change of the focal length, where it is more than what is uncertain of it anyway."""
    return e.focal_drift if e.focal_drift > _SURELY * e.focal_sigma else 0.0


def _bent(e: PhotoTrust) -> float:
    """Matches that agree only roughly, as far as their errors are those of a camera that moves
    while it reads. Made rolling shutters had 0.06 to 0.35 of their errors explained, moving windows
    0.1; others, offices with blank walls among them, at most 0.03, two real sets with an odd lens
    0.1."""
    if math.isnan(e.reading_motion):
        return e.imprecise
    return e.imprecise * float(np.interp(e.reading_motion, (0.03, 0.06), (0.0, 1.0)))


def _outvoted(e: PhotoTrust, error: float) -> float:
    """Pairs alone err where there is little texture; two models of many pairs outvote them."""
    return 0.0 if e.folds_agreeing >= 2 else error


FIGURES: tuple[Figure, ...] = (
    Figure("scale_sigma", "scale", lambda e: e.scale_sigma, (1, 2.5, 4, 8), (0, 1, 5, 8)),
    Figure(
        # A photo is wrong from 5 degrees and 5 % on, and the final model, of all matches, is
        # nearer to the truth than a half.
        "fold_rotation",
        "denied",
        lambda e: e.fold_rotation,
        (0.3, 1, 2, 4, 8),
        (0, 0.3, 1, 4, 7),
    ),
    Figure(
        "fold_position",
        "denied",
        lambda e: e.fold_position,
        (0.5, 1, 2, 4, 8, 16),
        (0, 0.3, 1, 4, 6, 8),
    ),
    Figure("folds_denying", "denied", lambda e: e.folds_denying, (0, 1, 2), (0, 4, 7)),
    Figure(
        # A right photo lacks the matches with an odd neighbour, not with a third of them.
        "missing_overlap",
        "missing",
        lambda e: e.missing_overlap,
        (0, 0.15, 0.3, 0.6),
        (0, 1, 4, 7),
    ),
    Figure(
        "lookalikes_shifted",
        "alike",
        _shifted,
        (0.02, 0.05, 0.1, 0.3),
        (0, 1, 4, 7),
    ),
    Figure("lookalikes_near", "alike", _unsettled, (0.03, 0.1, 0.2, 0.4), (0, 4, 6, 8)),
    Figure("lookalikes", "alike", _own_unsettled, (0.2, 0.45, 0.8), (0, 4, 7)),
    Figure(
        # Right photos on blank walls have up to a half: repeated structures match and are false.
        "contradicted_share",
        "contradicted",
        lambda e: e.contradicted_share,
        (0.1, 0.3, 0.45, 0.6, 0.8),
        (0, 0.5, 1.5, 4, 7),
    ),
    Figure("neighbours", "tie", lambda e: e.neighbours, (6, 3, 2, 1, 0), (0, 0.5, 1, 4, 8)),
    Figure(
        # A part that one pair holds is as right as that pair, and its size is not held at all.
        "ties",
        "tie",
        lambda e: e.ties,
        (3, 2, 1, 0),
        (0, 1, 4, 8),
    ),
    Figure("bridge", "tie", lambda e: e.bridge, (80, 79, 40, 20), (0, 4, 5, 6)),
    Figure(
        # Half of what a wrong pose is off by. Right models of real photos have at most 0.4 degrees
        # and 0.6 %, but for unordered photos of a camera each (0.4 and 2.2).
        "lens_rotation",
        "lens",
        lambda e: e.lens_rotation,
        (0.4, 1, 2, 4),
        (0, 1, 4, 7),
    ),
    Figure("lens_position", "lens", lambda e: e.lens_position, (0.6, 1.2, 2.5, 5), (0, 1, 4, 7)),
    Figure("drift_rotation", "lens", lambda e: e.drift_rotation, (0.5, 2, 4, 8), (0, 1, 4, 7)),
    Figure("drift_position", "lens", lambda e: e.drift_position, (0.5, 2, 4, 8), (0, 1, 4, 7)),
    Figure(
        # Own models are at their optimum, but for what a richer lens would change, which is less.
        "focal_drift",
        "lens",
        _another_focal,
        (0.01, 0.02, 0.1),
        (0, 4, 7),
    ),
    Figure(
        # Right photos of global shutters have at most 0.18, on blank walls and at night too.
        "imprecise",
        "imprecise",
        _bent,
        (0.2, 0.3, 0.4),
        (0, 3, 6),
    ),
    Figure(
        # Right photos of real sets have at most 0.0034: a phone that stabilises its lens.
        "center_shift",
        "imprecise",
        lambda e: e.center_shift,
        (0.0045, 0.006, 0.01),
        (0, 4, 6),
    ),
    Figure(
        # Bundle adjustment believes noise to be independent, which it is not, and is two times too
        # sure of itself.
        "rotation_sigma",
        "loose",
        lambda e: e.rotation_sigma,
        (0.2, 0.6, 1.2, 2.4),
        (0, 1, 4, 7),
    ),
    Figure(
        "position_sigma", "loose", lambda e: e.position_sigma, (0.3, 1, 2, 4, 8), (0, 1, 4, 6, 8)
    ),
    Figure("turn_error", "turns", lambda e: _outvoted(e, e.turn_error), (1, 5, 10), (0, 4, 7)),
    Figure("cycle_error", "cycles", lambda e: _outvoted(e, e.cycle_error), (2, 8, 16), (0, 4, 7)),
    Figure(
        # Right photos have 0.25 even on blank walls; learned matchers leave many false matches
        # behind verification.
        "held_out_share",
        "held out",
        lambda e: e.held_out_share,
        (0.7, 0.4, 0.25, 0.15, 0.05),
        (0, 0.5, 1, 4, 7),
        3.0,
    ),
    Figure(
        # Four of 64 cells: matches in one corner leave the pose free to turn about it.
        "spread",
        "patch",
        lambda e: e.spread,
        (0.4, 0.15, 0.06, 0.02),
        (0, 1, 4, 6),
    ),
    Figure("folds_agreeing", "unconfirmed", lambda e: e.folds_agreeing, (2, 1, 0), (0, 0.5, 5)),
)
"""All, the gravest first."""

_OF_SEVERAL = ("neighbours", "ties", "bridge")
"""What captures of two or three photos cannot have: each has one or two neighbours."""


def figures_of(
    evidence: Sequence[PhotoTrust], few: bool | Sequence[bool]
) -> dict[str, Float[np.ndarray, " N"]]:
    """The figures of N photos.

    Args:
        few: whether the capture, or that of each photo, has so few photos that each can only have
            one or two neighbours.
    """
    found = {figure.name: np.array([float(figure.of(e)) for e in evidence]) for figure in FIGURES}
    for name in _OF_SEVERAL:
        hangs = found["neighbours"] > 0
        found[name] = np.where(np.asarray(few) & hangs, np.nan, found[name])
    return found


def expected_points() -> ProbabilityModel:
    """What is expected of the figures before anything is fitted."""
    return ProbabilityModel(
        _MOST,
        tuple(Term(f.name, tuple(map(float, f.knots)), f.expected, f.unknown) for f in FIGURES),
    )


@dataclass(frozen=True)
class Points:
    """What was fitted."""

    model: ProbabilityModel
    trusted: float
    """Probability from which on a photo is trusted."""


@cache
def fitted_points() -> Points:
    """From `points.json`."""
    value = json.loads(FILE.read_text(encoding="utf-8"))
    return points_from_json(value)


def points_from_json(value: dict[str, Any]) -> Points:
    """What `points_to_json` wrote."""
    terms = tuple(_term_from_json(term) for term in value["terms"])
    model = ProbabilityModel(value["most"], terms, _term_from_json(value["link"]))
    return Points(model, value["trusted"])


def points_to_json(points: Points) -> dict[str, Any]:
    """What `points_from_json` reads; points to a hundredth."""
    return {
        "most": round(points.model.most, 2),
        "trusted": points.trusted,
        "link": _term_to_json(points.model.link),
        "terms": [_term_to_json(term) for term in points.model.terms],
    }


def _term_from_json(value: dict[str, Any]) -> Term:
    return Term(value["figure"], tuple(value["knots"]), tuple(value["points"]), value["unknown"])


def _term_to_json(term: Term) -> dict[str, Any]:
    return {
        "figure": term.figure,
        "knots": list(term.knots),
        "points": [round(p, 2) for p in term.points],
        "unknown": round(term.unknown, 2),
    }
