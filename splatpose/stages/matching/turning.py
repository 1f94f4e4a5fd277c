"""Photos that match the others only when they are turned in their plane.

Asked only where the matches fall into groups of photos that share next to nothing: photos of the
smaller groups are turned, and matched with those of the other groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from ...events import EventSink, Message, Progress
from ...features.cascade import CASCADE, Cascade, MatchedPair, Matches, Pair
from ...features.magsac import fit_robustly
from ...features.matcher import Features, Matcher, error_px
from ...features.nearest_neighbours import mutual_nearest
from ...features.threads import one_thread_each
from ...features.turned import ANGLES, TurnedFeatures, extract_turned, join_keypoints
from ...geometry.graphs import component_labels
from ...io.photos import read_photo
from ...scene.capture import Capture
from ...tolerance import Tolerance
from .config import MatchingConfig
from .pairs import exhaustive_pairs

_MOST_PHOTOS = 60
"""Photos that are turned at most: each costs as much as eight that are not."""
_CONNECTED = 40
"""Matches that agree for two photos to be of one group: fewer are often false."""
_MIN_INLIERS = 30
"""Matches that agree for a pair to overlap when one photo is turned: seven angles are seven chances
for coincidence."""
_SAME_PX = 1.5
"""Distance within which a keypoint of a turned photo is one of the photo as given, in pixels at
working size."""
_LEAST = 15
_UNUSUAL = 1.5
"""Agreeing nearest neighbours at the best angle, and how many times those at the usual one: of
photos that do not overlap, a dozen or three agree at every angle."""
_NEAR = 2 / 1024
"""Largest error of these, over the longer side."""
_BATCH = 16

Candidate = tuple[int, int]
"""A photo as given, and one of another group, to be turned."""


@dataclass(frozen=True)
class Unaligned:
    """Keypoints and matches of a capture as matchers found them."""

    keypoints: Sequence[Float[np.ndarray, "_ 2"]]
    """In pixels of the photos as given."""
    pairs: dict[Pair, MatchedPair]
    """By photo indices, i < j."""


def match_turned(
    capture: Capture,
    config: MatchingConfig,
    matcher: Matcher,
    features: Sequence[Features],
    found: Unaligned,
    emit: EventSink,
) -> Unaligned:
    """Adds pairs of which one photo had to be turned, where groups of photos lack connection.

    Args:
        capture: the photos.
        config: how they were matched.
        matcher: with learned descriptors; others know turned photos as they are.
        features: of the photos as given.
        found: what matched as given.
        emit: is told progress, and which photos were turned.
    """
    if matcher.descriptors is None:
        return found
    candidates = _candidates(found.pairs, features, config.exhaustive_limit)
    turned = _extract(capture, matcher, sorted({photo for _, photo in candidates}), emit)
    candidates = [candidate for candidate in candidates if candidate[1] in turned]
    likely = _likely_angles(features, turned, candidates, matcher.descriptors.min_cosine)
    names = [photo.name for photo in capture.photos]
    cascade = Cascade(
        matcher,
        [*features, *(one.features for one in likely.values())],
        [*names, *(names[photo] for _, photo in likely)],
        config.max_error,
        config.min_inliers,
    )
    asked = [(fixed, len(features) + row) for row, (fixed, _) in enumerate(likely)]
    answers = dict(zip(likely, cascade.match(asked), strict=True))
    if told := cascade.check():
        emit(Message("matching", told, "warning"))
    good = {c: one for c, one in answers.items() if _is_better(one, found.pairs.get(_sorted(c)))}
    _tell({photo: names[photo] for _, photo in good}, emit)
    for (fixed, photo), one in good.items():
        same_px = error_px(_SAME_PX, [features[photo]], matcher.working_size)
        found = _joined(found, fixed, photo, one, likely[fixed, photo], same_px)
    return found


def _sorted(candidate: Candidate) -> Pair:
    return min(candidate), max(candidate)


def _is_better(turned: MatchedPair, given: MatchedPair | None) -> bool:
    """Whether a pair overlaps with one photo turned, and more than with both as given."""
    return len(turned.inliers) >= max(_MIN_INLIERS, 1 + (len(given.inliers) if given else 0))


def _candidates(
    pairs: dict[Pair, MatchedPair], features: Sequence[Features], exhaustive_limit: int
) -> list[Candidate]:
    """Pairs of photos of different groups, the one of the smaller group second; photos without
    keypoints have none when they are turned either."""
    num_photos = len(features)
    strong = [p for p, one in pairs.items() if len(one.inliers) >= _CONNECTED]
    label = component_labels(np.array(strong, np.int64).reshape(-1, 2), num_photos)
    size = np.bincount(label, minlength=1)[label]
    few = num_photos <= exhaustive_limit
    asked = exhaustive_pairs(num_photos).tolist() if few else sorted(pairs)
    seen = [len(f) > 0 for f in features]
    apart = [(i, j) for i, j in asked if label[i] != label[j] and seen[i] and seen[j]]
    ordered = [(j, i) if size[i] < size[j] else (i, j) for i, j in apart]
    photos = sorted({photo for _, photo in ordered}, key=lambda photo: (size[photo], photo))
    kept = set(photos[:_MOST_PHOTOS])
    return [candidate for candidate in ordered if candidate[1] in kept]


def _extract(
    capture: Capture, matcher: Matcher, photos: Sequence[int], emit: EventSink
) -> dict[int, list[TurnedFeatures]]:
    """Features of each photo at each of `ANGLES`, but for those that cannot be turned."""
    tolerance = Tolerance()

    def extract(index: int) -> list[TurnedFeatures]:
        photo = capture.photos[index]
        pixels = read_photo(photo.path, bits=photo.bits)
        return [extract_turned(matcher, pixels, angle) for angle in ANGLES]

    def attempt(index: int) -> list[TurnedFeatures] | None:
        return tolerance.attempt(capture.photos[index].name, partial(extract, index), None)

    turned: dict[int, list[TurnedFeatures]] = {}
    for start in range(0, len(photos), _BATCH):
        part = photos[start:][:_BATCH]
        found = zip(part, one_thread_each(attempt, part), strict=True)
        turned |= {index: one for index, one in found if one is not None}
        done = min(start + _BATCH, len(photos))
        emit(Progress("matching", done, len(photos), "photos turned: they match no others"))
    tolerance.check()
    if told := tolerance.told("could not be turned"):
        emit(Message("matching", told, "warning"))
    return turned


def _likely_angles(
    features: Sequence[Features],
    turned: dict[int, list[TurnedFeatures]],
    candidates: Sequence[Candidate],
    min_cosine: float,
) -> dict[Candidate, TurnedFeatures]:
    """The angle at which nearest neighbours of the strongest keypoints agree more than usual, for
    each candidate that has one."""
    count = CASCADE.network_keypoints

    def agreeing(first: Features, second: Features) -> int:
        first, second = first.strongest(count), second.strongest(count)
        rows = mutual_nearest(first.descriptors, second.descriptors, min_cosine)
        x1, x2 = first.keypoints[rows[:, 0]], second.keypoints[rows[:, 1]]
        geometry = fit_robustly(x1, x2, _NEAR * max(second.width, second.height))
        return 0 if geometry is None else int(geometry.inliers.sum())

    def best(candidate: Candidate) -> TurnedFeatures | None:
        fixed, photo = candidate
        counts = [agreeing(features[fixed], one.features) for one in turned[photo]]
        usual = np.median([*counts, agreeing(features[fixed], features[photo])])
        k = int(np.argmax(counts))
        return turned[photo][k] if counts[k] >= max(_LEAST, _UNUSUAL * usual) else None

    found = zip(candidates, one_thread_each(best, candidates), strict=True)
    return {candidate: one for candidate, one in found if one is not None}


def _joined(
    found: Unaligned,
    fixed: int,
    photo: int,
    one: MatchedPair,
    turned: TurnedFeatures,
    same_px: float,
) -> Unaligned:
    """Adds a pair, and those keypoints of the turned photo that take part and are new."""
    used = np.unique(one.putative[:, 1])
    keypoints = list(found.keypoints)
    keypoints[photo], rows = join_keypoints(keypoints[photo], turned.positions[used], same_px)

    def in_order(matches: Matches) -> Matches:
        moved = np.stack([matches[:, 0], rows[np.searchsorted(used, matches[:, 1])]], 1)
        return moved if fixed < photo else moved[:, ::-1]

    matched = MatchedPair(
        _sorted((fixed, photo)),
        in_order(one.putative),
        in_order(one.inliers),
        f"{one.way}, one photo turned by {turned.degrees} degrees",
    )
    return Unaligned(keypoints, {**found.pairs, matched.pair: matched})


def _tell(names: dict[int, str], emit: EventSink) -> None:
    if names:
        shown = ", ".join(names[photo] for photo in sorted(names))
        emit(Message("matching", f"Turned in their plane, these photos match the others: {shown}."))
