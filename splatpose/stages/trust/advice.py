"""What to photograph next: for each photo that is not trusted, and for all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from ...sfm.correspondences import MatchTable
from ...sfm.validation.connectivity import Cut
from ...sfm.validation.scale_ties import ScaleTie
from ...wording import list_photos
from .evidence import Evidence
from .judge import Cause, Finding

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
    target = trusted if trusted.any() else placed
    sentences: list[str | None] = []
    for photo, finding in enumerate(findings):
        if finding.level == "trusted":
            sentences.append(None)
        elif finding.level == "refused":
            sentences.append(_bridge(names, photo, placed, table.pairs, support, placed))
        elif finding.cause == "tie" and (cut := evidence.ties.weakest[photo]) is not None:
            sentences.append(_across(names, cut))
        elif finding.cause == "scale" and (tie := evidence.scales.weakest[photo]) is not None:
            sentences.append(_sideways(names, tie))
        elif finding.cause in _WHERE:
            sentences.append(_WHERE[finding.cause].format(photo=names[photo]))
        else:
            sentences.append(_bridge(names, photo, target, table.pairs, agree, placed))
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


def _bridge(
    names: Sequence[str],
    photo: int,
    target: np.ndarray,
    pairs: Int[np.ndarray, "P 2"],
    support: Int[np.ndarray, " P"],
    placed: np.ndarray,
) -> str:
    """Photos between the group that a photo belongs to and the photos that are sure.

    The group are the unsure photos that matches tie to it; the gap is where most matches lead
    from the group to sure photos, or where it is nearest in the order of the names.
    """
    group = _group(photo, ~target, pairs, support)
    rows = np.flatnonzero(
        (np.isin(pairs[:, 0], group) & target[pairs[:, 1]])
        | (np.isin(pairs[:, 1], group) & target[pairs[:, 0]])
    )
    if len(rows) and support[rows].max() > 0:
        i, j = pairs[rows[np.argmax(support[rows])]].tolist()
        own, other = (i, j) if i in group else (j, i)
    elif target.any():
        sure = np.flatnonzero(target)
        distance = np.abs(np.array(group)[:, None] - sure)
        a, b = np.unravel_index(int(distance.argmin()), distance.shape)
        own, other = group[int(a)], int(sure[b])
    else:
        return (
            "Photograph the place again, neighbouring photos sharing at least two thirds of what "
            "they show, a step to the side between one and the next."
        )
    listed = list_photos(names, group)
    verb = "connect" if not placed[photo] else "confirm"
    return f"{_between(names, own, other)} would {verb} {listed}."


def _between(names: Sequence[str], a: int, b: int) -> str:
    first, second = sorted((a, b))
    return f"{_MORE} photos between {names[first]} and {names[second]}"


def _group(
    photo: int, members: np.ndarray, pairs: Int[np.ndarray, "P 2"], support: Int[np.ndarray, " P"]
) -> list[int]:
    """Photos among `members` that pairs with matches connect with a photo."""
    inside = pairs[members[pairs].all(1) & (support > 0)]
    found, waiting = {photo}, [photo]
    while waiting:
        node = waiting.pop()
        near = inside[(inside == node).any(1)].ravel().tolist()
        fresh = set(near) - found
        found |= fresh
        waiting += sorted(fresh)
    return sorted(found)


def retake(name: str) -> str:
    """Advice for a photo that its rendering does not resemble."""
    return _WHERE["rendering"].format(photo=name)
