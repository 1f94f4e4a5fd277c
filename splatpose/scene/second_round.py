"""The second round: pairs of photos that the poses name, and poses that go on from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .matches import MatchGraph
from .sparse_model import SparseModel

_NAN = float("nan")


@dataclass(frozen=True)
class SecondRoundEvidence:
    """What the second round found, and what decided whether its poses are kept."""

    named: int
    """Pairs of photos that must see the same points by the first poses and were never tried."""
    matched: int
    """Those of them whose matches were verified."""
    decision: Literal["kept", "rolled back", "not tried"]
    """Whether poses went on with the matches of both rounds, and replaced the first ones."""
    reason: str
    """One sentence for a person."""
    loops: int = 0
    """Pairs of the second round whose matches the first poses contradict: they drifted between."""
    gap_before: float = _NAN
    """Median distance of the two places at which the first poses have what both photos of such a
    pair see, over its depth; NaN without any."""
    gap_after: float = _NAN
    """The same distance once photos were moved to close the loops, before bundle adjustment."""
    dropped: int = 0
    """Pairs of the first round that took no part: their matches contradict poses that an
    independent reconstruction confirms, and by these both photos see nothing in common."""
    registered_before: int = 0
    """Photos that the first poses place."""
    registered_after: int = 0
    """Photos that the second ones place."""
    explained_before: float = _NAN
    """Share of the matches of both rounds that agree with the first poses, 0 to 1."""
    explained_after: float = _NAN
    """Share of the matches of both rounds that agree with the second poses, 0 to 1."""
    position_change: float = _NAN
    """How far the second poses have photos from where the first ones have them, at most, in percent
    of the RMS radius of the camera centres."""


@dataclass(frozen=True)
class MoreMatches:
    """The matches of both rounds."""

    graph: MatchGraph | None
    """None where the second round found nothing to add."""
    evidence: SecondRoundEvidence


@dataclass(frozen=True)
class MorePoses:
    """The poses that follow from the matches of both rounds."""

    model: SparseModel | None
    """None where the first poses stay."""
    evidence: SecondRoundEvidence
