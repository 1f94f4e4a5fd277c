"""What is said of each photo: registered or not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..geometry.groups import groups_of
from ..scene.evidence import PhotoEvidence, PlacedBy
from ..scene.sparse_model import SparseModel
from .correspondences import MatchTable
from .match_consistency import Explanation, per_photo
from .reprojection import reprojection_errors
from .thresholds import EVIDENCE

_PLACED: dict[PlacedBy, str] = {
    "mapping": "placed",
    "late": "placed late, from the finished model",
    "splat": "placed on the splat's depth",
    "none": "placed",
}


@dataclass(frozen=True)
class Record:
    """All that is known at the end."""

    model: SparseModel
    table: MatchTable
    explanation: Explanation
    groups: Sequence[Sequence[int]]
    late: frozenset[int]
    contradicted: frozenset[int]


def photo_evidence(record: Record) -> list[PhotoEvidence]:
    """Evidence and a sentence for every photo."""
    model = record.model
    verified, share = per_photo(record.table, record.explanation.explained, len(model.names))
    error = median_errors(model)
    result = []
    for photo, name in enumerate(model.names):
        registered = bool(model.registered[photo])
        placed_by: PlacedBy = "none"
        if registered:
            placed_by = "late" if photo in record.late else "mapping"
            reason = _why_registered(placed_by, int(verified[photo]), float(share[photo]))
        else:
            reason = _why_left_out(record, photo, int(verified[photo]))
        result.append(
            PhotoEvidence(
                name=name,
                registered=registered,
                reason=reason,
                verified_matches=int(verified[photo]),
                inlier_share=float(share[photo]) if registered else float("nan"),
                reprojection_error=float(error[photo]),
                placed_by=placed_by,
            )
        )
    return result


def updated_evidence(photo: PhotoEvidence, share: float, error: float) -> PhotoEvidence:
    """Evidence of a photo whose pose was refined since.

    Args:
        share: of its verified matches that the poses explain now.
        error: median reprojection error now, in pixels.
    """
    if not photo.registered:
        return photo
    reason = _why_registered(photo.placed_by, photo.verified_matches, share)
    return replace(photo, reason=reason, inlier_share=share, reprojection_error=error)


def placed_on_splat(photo: PhotoEvidence) -> PhotoEvidence:
    """Evidence of a photo that was left out and is not any more; for `updated_evidence`."""
    return replace(photo, registered=True, reason=_PLACED["splat"], placed_by="splat")


def _why_registered(placed_by: PlacedBy, verified: int, share: float) -> str:
    how = _PLACED[placed_by]
    if share < EVIDENCE.weak_share:
        return f"{how}, but only {100 * share:.0f} % of its {verified} matches agree with its pose"
    if verified < EVIDENCE.weak_matches:
        return f"{how} by few matches ({verified})"
    return f"{how}: {100 * share:.0f} % of its {verified} matches agree with its pose"


def _why_left_out(record: Record, photo: int, verified: int) -> str:
    if verified == 0:
        return "no other photo matches it: it shows something else, or is blurred or textureless"
    group = next(group for group in record.groups if photo in group)
    if len(group) == 1:
        return f"too few matches with any other photo ({verified} in all)"
    if not record.model.registered[list(group)].any():
        return f"matches only {len(group) - 1} photos that share nothing with the rest"
    if photo in record.contradicted:
        return f"most of its {verified} matches contradict every pose found for it"
    return f"its {verified} matches meet too few points of the model to place it"


def median_errors(model: SparseModel) -> Float[np.ndarray, " V"]:
    """Median reprojection error of each photo's observations in pixels, NaN without any."""
    result = np.full(len(model.names), np.nan)
    errors, photos = reprojection_errors(model), model.observations[:, 1]
    for own in groups_of(photos):
        result[photos[own[0]]] = np.median(errors[own])
    result[~model.registered] = np.nan
    return result
