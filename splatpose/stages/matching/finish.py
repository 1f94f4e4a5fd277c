"""From what matchers found to verified matches: keypoints aligned on the photos, pairs verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ...events import EventSink, Message, Progress
from ...features.matcher import PhotoMatches
from ...io.colmap_database import PairMatches
from ...scene.capture import Capture
from .config import MatchingConfig
from .match_pairs import BATCH
from .photos import GrayPhotos, refine_matches
from .turning import Unaligned
from .verify import Verifier


@dataclass(frozen=True)
class Aligned:
    """Matches that are ready to be verified."""

    keypoints: Sequence[Float[np.ndarray, "_ 2"]]
    """In pixels of the photos as given."""
    matches: Sequence[PhotoMatches]
    errors: Sequence[float]
    """Largest distance to the epipolar line that each pair is verified with."""


def aligned(
    capture: Capture, config: MatchingConfig, found: Unaligned, photos_kept: int, emit: EventSink
) -> Aligned:
    """Keypoints aligned on the photos, unless `config.refine` says that they stay.

    Args:
        found: keypoints and matches as matchers found them.
        photos_kept: grey photos that are held in memory at a time.
    """
    keypoints = found.keypoints
    matches = [(*pair, one.inliers) for pair, one in sorted(found.pairs.items())]
    if not config.refine:
        return Aligned(keypoints, matches, [config.max_error] * len(matches))
    emit(Message("matching", "Aligning matched keypoints on the photos."))
    photos = GrayPhotos(capture, config.refine_size, photos_kept)
    keypoints, matches, precise = refine_matches(
        keypoints, matches, photos, config.min_precise, config.min_confirmed
    )
    errors = [config.precise_error if p else config.max_error for p in precise]
    return Aligned(keypoints, matches, errors)


def verified(
    verifier: Verifier, ready: Aligned, found: Unaligned, emit: EventSink
) -> Iterator[list[PairMatches]]:
    """All pairs, verified batch by batch, with what matchers found in them.

    Args:
        found: the same matches before they were aligned.
    """
    total = len(ready.matches)
    for start in range(0, total, BATCH):
        part = slice(start, start + BATCH)
        pairs = verifier.verify(ready.keypoints, ready.matches[part], ready.errors[part])
        putative = [found.pairs[pair.first, pair.second].putative for pair in pairs]
        both = zip(pairs, putative, strict=True)
        yield [replace(pair, putative=matches) for pair, matches in both]
        emit(Progress("matching", min(start + BATCH, total), total, "pairs of photos verified"))
    verifier.tolerance.check()
    if text := verifier.tolerance.told("could not be verified"):
        emit(Message("matching", text, "warning"))
