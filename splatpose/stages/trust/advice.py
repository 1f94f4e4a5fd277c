"""What to photograph next: for each photo that is not trusted, and for all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from ...geometry.graphs import component_labels
from ...sfm.correspondences import MatchTable
from ...sfm.validation.connectivity import Cut
from ...sfm.validation.scale_ties import ScaleTie
from ...wording import list_photos
from .evidence import Evidence
from .judge import Finding
from .points import Cause

_MORE = 3
"""Photos that bridge a gap: each shares two thirds of what it shows with the next."""

_WHERE: dict[Cause, str] = {
    "missing": (
        "Photograph {photo}'s place from farther away, so that surroundings that exist only once "
        "are seen together with what looks alike."
    ),
    "alike": (
        "Photograph the whole from farther away, so that what looks alike is seen side by side, "
        "with surroundings that exist only once."
    ),
    "patch": "Photograph {photo}'s view again with more of the textured surroundings in it.",
    "lens": (
        "Walk around the subject, or photograph something flat from several sides with the same "
        "lens and zoom: that tells the focal length."
    ),
    "imprecise": (
        "Stand still for each photo, or film more slowly, in more light and without stabilisation: "
        "a camera that turns while it reads its rows, moves its crop, or blurs, bends what it sees."
    ),
    "loose": "Take 2 photos a step to either side of {photo}, looking at the same things.",
    "contradicted": "Take 2 sharp photos beside {photo} that show what its neighbours show.",
    "turns": "Take 2 photos beside {photo}, a step apart from each other.",
    "cycles": "Take 2 photos beside {photo}, a step apart from each other.",
    "held out": "Take 2 sharp photos beside {photo} that show what its neighbours show.",
    "rendering": "Look at {photo}: if it is blurred or something moved in it, take it again.",
}


@dataclass(frozen=True)
class Advice:
    """Sentences, None where nothing is needed."""

    photos: tuple[str | None, ...]
    overall: tuple[str, ...]
    """Without repetitions, what helps most photos first."""


def advise(
    names: Sequence[str], findings: Sequence[Finding], evidence: Evidence, table: MatchTable
) -> Advice:
    """Advice for every photo that is not trusted."""
    trusted = np.array([finding.level == "trusted" for finding in findings])
    placed = np.array([finding.level != "refused" for finding in findings])
    support = np.bincount(table.pair, minlength=len(table.pairs))
    agree = np.bincount(table.pair[evidence.explanation.explained], minlength=len(table.pairs))
    to_placed = _Gaps(names, placed, table.pairs, support)
    to_sure = _Gaps(names, trusted if trusted.any() else placed, table.pairs, agree)
    sentences: list[str | None] = []
    for photo, finding in enumerate(findings):
        if finding.level == "trusted":
            sentences.append(None)
        elif finding.level == "refused":
            sentences.append(to_placed.bridge(photo, "connect"))
        elif finding.cause == "tie" and (cut := evidence.ties.weakest[photo]) is not None:
            sentences.append(_across(names, cut))
        elif finding.cause == "scale" and (tie := evidence.scales.weakest[photo]) is not None:
            sentences.append(_sideways(names, tie))
        elif finding.cause in _WHERE:
            sentences.append(_WHERE[finding.cause].format(photo=names[photo]))
        else:
            sentences.append(to_sure.bridge(photo, "confirm"))
    counted: dict[str, int] = {}
    for sentence in sentences:
        if sentence is not None:
            counted[sentence] = counted.get(sentence, 0) + 1
    overall = sorted(counted, key=lambda sentence: -counted[sentence])
    return Advice(tuple(sentences), tuple(overall))


def _across(names: Sequence[str], cut: Cut) -> str:
    own, other = cut.between
    what = "the two halves" if len(cut.part) > 1 else "it to the others"
    listed = f" ({list_photos(names, cut.part)} and the rest)" if len(cut.part) > 1 else ""
    return f"{_between(names, own, other)} would connect {what}{listed}."


def _sideways(names: Sequence[str], tie: ScaleTie) -> str:
    return (
        f"Walk on sideways around {names[tie.hinge]}: {_MORE} photos, each a step to the side of "
        "the last, that show near things from both sides of it, or depth maps (--depth), would "
        f"tell the distance of {list_photos(names, tie.part)}."
    )


class _Gaps:
    """Photos between the groups of photos that are not sure and those that are.

    A group are photos that matches tie to each other; its gap is where most matches lead from it to
    sure photos, or where it is nearest in the order of the names.
    """

    def __init__(
        self,
        names: Sequence[str],
        sure: Bool[np.ndarray, " V"],
        pairs: Int[np.ndarray, "P 2"],
        support: Int[np.ndarray, " P"],
    ) -> None:
        self._names, self._sure, self._pairs, self._support = names, sure, pairs, support
        inside = pairs[~sure[pairs].any(1) & (support > 0)]
        self._label = component_labels(inside, len(names))
        self._known: dict[int, tuple[str, str] | None] = {}

    def bridge(self, photo: int, verb: str) -> str:
        """Advice for the group that a photo belongs to."""
        label = int(self._label[photo])
        if label not in self._known:
            self._known[label] = self._gap(self._label == label)
        gap = self._known[label]
        if gap is None:
            return (
                "Photograph the place again, neighbouring photos sharing at least two thirds of "
                "what they show, a step to the side between one and the next."
            )
        return f"{gap[0]} would {verb} {gap[1]}."

    def _gap(self, own: Bool[np.ndarray, " V"]) -> tuple[str, str] | None:
        """What to photograph, and the group; None where no other photo is sure."""
        group = np.flatnonzero(own)
        first, second = self._pairs.T
        # Where no photo is sure, those with a pose stand for them, this one among them.
        others = self._sure & ~own
        out = (own[first] & others[second]) | (own[second] & others[first])
        rows = np.flatnonzero(out)
        if len(rows) and self._support[rows].max() > 0:
            a, b = self._pairs[rows[np.argmax(self._support[rows])]].tolist()
        elif others.any():
            sure = np.flatnonzero(others)
            distance = np.abs(group[:, None] - sure)
            row, column = np.unravel_index(int(distance.argmin()), distance.shape)
            a, b = int(group[row]), int(sure[column])
        else:
            return None
        return _between(self._names, a, b), list_photos(self._names, group.tolist())


def _between(names: Sequence[str], a: int, b: int) -> str:
    first, second = sorted((a, b))
    return f"{_MORE} photos between {names[first]} and {names[second]}"


def retake(name: str) -> str:
    """Advice for a photo that its rendering does not resemble."""
    return _WHERE["rendering"].format(photo=name)
