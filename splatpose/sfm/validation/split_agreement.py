"""Two-fold agreement: models from disjoint halves of the matches, compared with the final one.

Where chance, a wrong start or a loose hinge decided a pose, the halves decide otherwise; and the
matches of one half, which the other's model never saw, are its judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable
from ..model_comparison import Difference, difference
from .split_reconstructions import Attempt, Half
from .thresholds import SPLIT


@dataclass(frozen=True)
class FoldEvidence:
    """Agreement of the model with models from halves of the matches; NaN where not measured."""

    rotation: Float[np.ndarray, " V"]
    """Degrees, the larger of the two halves' differences from the model."""
    position: Float[np.ndarray, " V"]
    """Percent of the radius, likewise."""
    agreeing: Int[np.ndarray, " V"]
    """Halves that place a photo as the model does, 0 to 2."""
    denying: Int[np.ndarray, " V"]
    """Halves that place it elsewhere."""
    ways: Int[np.ndarray, " V"]
    """Different ways of mapping, of either half, that place it as the model does."""
    rivals: Int[np.ndarray, " V"]
    """Mappings that explain the matches about as well as the best one and place it elsewhere, or
    several other photos."""
    rival_here: Float[np.ndarray, " V"]
    """How nearly the best mapping that places it elsewhere explains the matches as well as the best
    of all: 1 as well, 0 too much worse to be a rival, or none does."""
    held_out_share: Float[np.ndarray, " V"]
    """Share of its matches outside the half's solve that agree with it."""
    between: Difference | None
    """Difference of the halves' models from each other."""
    notes: tuple[str, ...]


def fold_evidence(halves: Sequence[Half], model: SparseModel, table: MatchTable) -> FoldEvidence:
    """What the halves say of each photo of a model."""
    count = len(model.names)
    found = [
        [difference(attempt.cam_from_world, model.cam_from_world) for attempt in half.attempts]
        for half in halves
    ]
    nothing = Difference(np.full(count, np.nan), np.full(count, np.nan))
    best = [attempts[0] if attempts else nothing for attempts in found]
    confirms = [d.agrees & _is_majority(d) for d in best]
    asked = sum(_per_photo(table, half.held_out, count) for half in halves)
    agreed = sum(_per_photo(table, half.explained, count) for half in halves)
    chosen = [half.attempts[0].cam_from_world for half in halves if half.attempts]
    rivals, rival_here = _rivals(halves, found, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return FoldEvidence(
            rotation=_largest([d.rotation for d in best]),
            position=_largest([d.position for d in best]),
            agreeing=np.sum(confirms, axis=0),
            denying=np.sum([_denies(d) for d in best], axis=0),
            ways=_ways(halves, found, count),
            rivals=rivals,
            rival_here=rival_here,
            held_out_share=np.asarray(agreed / asked, np.float64),
            between=difference(chosen[0], chosen[1]) if len(chosen) == 2 else None,
            notes=tuple(
                f"half {number + 1} of the matches ({_way(half.attempts[0])}): "
                f"{int(d.agrees.sum())} of {int(model.registered.sum())} photos placed alike"
                for number, (half, d) in enumerate(zip(halves, best, strict=True))
                if half.attempts
            ),
        )


def _way(attempt: Attempt) -> str:
    begun = ", begun from the other half's" if attempt.of_other_half else ""
    return f"{attempt.recipe} mapping{begun}"


def _is_majority(found: Difference) -> bool:
    return bool(found.agrees.sum() >= SPLIT.majority * np.isfinite(found.rotation).sum())


def _denies(found: Difference) -> Bool[np.ndarray, " V"]:
    return np.isfinite(found.rotation) & ~found.agrees


def _ways(
    halves: Sequence[Half], found: Sequence[Sequence[Difference]], count: int
) -> Int[np.ndarray, " V"]:
    """Recipes that agree with the model, in either half."""
    agrees: dict[str, Bool[np.ndarray, " V"]] = {}
    for half, differences in zip(halves, found, strict=True):
        for attempt, d in zip(half.attempts, differences, strict=True):
            own = d.agrees & _is_majority(d)
            agrees[attempt.recipe] = agrees.get(attempt.recipe, np.zeros(count, bool)) | own
    return np.sum([np.zeros(count, np.int64), *agrees.values()], axis=0)


def _rivals(
    halves: Sequence[Half], found: Sequence[Sequence[Difference]], count: int
) -> tuple[Int[np.ndarray, " V"], Float[np.ndarray, " V"]]:
    """Rivals of each photo, those that place several others elsewhere included; and how near the
    best that places itself elsewhere comes."""
    rivals, here = np.zeros(count, np.int64), np.zeros(count)
    for half, differences in zip(halves, found, strict=True):
        for attempt, d in zip(half.attempts, differences, strict=True):
            near = 1 - (half.attempts[0].score - attempt.score) / SPLIT.rival
            if near >= 0:
                denied = _denies(d)
                several = denied.sum() >= max(SPLIT.several, SPLIT.several_share * count)
                rivals += np.ones(count, np.int64) if several else denied
                here = np.maximum(here, near * denied)
    return rivals, here


def _per_photo(
    table: MatchTable, rows: Bool[np.ndarray, " M"], count: int
) -> Int[np.ndarray, " V"]:
    return np.bincount(table.photos[rows].ravel(), minlength=count)


def _largest(values: Sequence[Float[np.ndarray, " V"]]) -> Float[np.ndarray, " V"]:
    """The largest that is known."""
    stacked = np.stack(values)
    largest = np.where(np.isnan(stacked), -np.inf, stacked).max(0)
    return np.where(np.isfinite(largest), largest, np.nan)
