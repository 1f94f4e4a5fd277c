"""Which pairs of photos are worth matching.

Few photos: every pair. Many: for each photo its neighbours in the order of the names, and outside
of these the most similar photos by a global descriptor pooled from its local features, so that the
number of pairs grows with the number of photos and not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from ...geometry.graphs import common_neighbors

SUBSET = 1024
"""Descriptors of a photo that take part in pooling, the strongest."""
WORDS = 64
"""Visual words of the pooled descriptor."""
_KMEANS_STEPS = 15
SUGGESTING = 60
"""Matches that agree in a pair, for it to suggest others: weaker ones are often false."""
_PARTNERS = 2
"""Best matching photos of each that are suggested."""
_FEW_COMMON = 4
"""Photos that match both of a pair, from which on it suggests nothing: neighbours in an ordered
capture have as many."""


def exhaustive_pairs(count: int) -> Int[np.ndarray, "P 2"]:
    """All pairs i < j in ascending order."""
    return np.stack(np.triu_indices(count, 1), 1).astype(np.int64)


def sequence_pairs(count: int, window: int) -> Int[np.ndarray, "P 2"]:
    """Each photo with the `window` photos after it."""
    pairs = [(i, i + step) for step in range(1, window + 1) for i in range(count - step)]
    return _sorted(np.array(pairs, np.int64).reshape(-1, 2))


def retrieval_pairs(
    pooled: Float[np.ndarray, "V D"], neighbours: int, window: int = 0
) -> Int[np.ndarray, "P 2"]:
    """Each photo with the `neighbours` most similar others. Ties go to the earlier photo.

    Args:
        pooled: unit descriptors of the photos.
        neighbours: pairs each photo asks for; a pair asked for by both counts once.
        window: photos so near in order are left out: `sequence_pairs` gives them anyway, and in
            the frames of a video they would be all that is found.
    """
    count = len(pooled)
    pairs = [np.zeros((0, 2), np.int64)]
    for i in range(count):
        near = slice(max(0, i - window), i + window + 1)
        similarity = pooled @ pooled[i]
        similarity[near] = -np.inf
        keep = min(neighbours, int(np.isfinite(similarity).sum()))
        best = np.argsort(-similarity, kind="stable")[:keep]
        pairs.append(np.stack([np.full(keep, i), best], 1))
    return _sorted(np.concatenate(pairs))


def select_pairs(
    descriptors: Sequence[Float[np.ndarray, "_ D"]],
    *,
    exhaustive_limit: int,
    neighbours: int,
    window: int,
) -> Int[np.ndarray, "P 2"]:
    """Pairs i < j to match, in ascending order.

    Args:
        descriptors: of each photo, as unit vectors, strongest first.
        exhaustive_limit: up to this many photos every pair is taken.
        neighbours: most similar photos, outside the window, taken for each photo beyond that.
        window: photos taken on either side of each photo in the order of the names.
    """
    count = len(descriptors)
    if count <= exhaustive_limit:
        return exhaustive_pairs(count)
    pooled = pool_descriptors(descriptors)
    return _sorted(
        np.concatenate([retrieval_pairs(pooled, neighbours, window), sequence_pairs(count, window)])
    )


def suggested_pairs(
    found: Int[np.ndarray, "P 2"],
    matches: Int[np.ndarray, " P"],
    tried: Int[np.ndarray, "Q 2"],
    *,
    num_photos: int,
    most: int,
) -> Int[np.ndarray, "R 2"]:
    """Pairs that were not tried and that pairs which matched suggest, in ascending order.

    Where two photos match that few other photos join, as where a walk comes back to a place, what
    matches the one best should match the other too (query expansion; Chum et al., ICCV 2007).

    Args:
        found: pairs that matched, i < j.
        matches: of each, that agree.
        tried: pairs that need not be tried again.
        most: suggestions that each photo makes, those by the strongest matches.
    """
    strong = matches >= SUGGESTING
    pairs, matches = found[strong], matches[strong]
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    weight = np.concatenate([matches, matches])
    best: list[list[tuple[int, int]]] = [[] for _ in range(num_photos)]
    for row in np.lexsort((ends[:, 1], -weight, ends[:, 0])).tolist():
        if len(best[ends[row, 0]]) < _PARTNERS:
            best[ends[row, 0]].append((int(ends[row, 1]), int(weight[row])))
    common = common_neighbors(pairs, num_photos)
    known = {(i, j) for i, j in tried.tolist()}
    support: dict[tuple[int, int], int] = {}
    for (i, j), own in zip(ends.tolist(), weight.tolist(), strict=True):
        if common[i, j] < _FEW_COMMON:
            for partner, other in best[j]:
                pair = (min(i, partner), max(i, partner))
                if i != partner and pair not in known:
                    support[pair] = max(support.get(pair, 0), min(own, other))
    left = np.full(num_photos, most)
    chosen = []
    for i, j in sorted(support, key=lambda pair: (-support[pair], pair)):
        if left[i] > 0 or left[j] > 0:
            left[[i, j]] -= 1
            chosen.append((i, j))
    return _sorted(np.array(chosen, np.int64).reshape(-1, 2))


def pool_descriptors(
    descriptors: Sequence[Float[np.ndarray, "_ D"]],
) -> Float[np.ndarray, "V E"]:
    """One unit vector a photo: residuals of its descriptors to visual words of this very capture,
    each word normalised (VLAD; Arandjelovic and Zisserman, CVPR 2013)."""
    subsets = [d[:SUBSET].astype(np.float32) for d in descriptors]
    words = _visual_words(np.concatenate(subsets))
    return np.stack([_vlad(d, words) for d in subsets])


def _visual_words(
    sample: Float[np.ndarray, "N D"], limit: int = 50_000
) -> Float[np.ndarray, "W D"]:
    """k-means centres. Deterministic: it starts from descriptors evenly spread over the photos."""
    sample = sample[:: max(1, len(sample) // limit)]
    count = min(WORDS, len(sample))
    if count == 0:
        return np.zeros((1, sample.shape[1]), np.float32)
    words = sample[np.linspace(0, len(sample) - 1, count).astype(int)].copy()
    for _ in range(_KMEANS_STEPS):
        nearest = _nearest_word(sample, words)
        for w in range(count):
            if (members := sample[nearest == w]).size:
                words[w] = members.mean(0)
    return words


def _vlad(descriptors: Float[np.ndarray, "K D"], words: Float[np.ndarray, "W D"]):
    pooled = np.zeros_like(words)
    if len(descriptors):
        nearest = _nearest_word(descriptors, words)
        np.add.at(pooled, nearest, descriptors - words[nearest])
        pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-9)
    return (pooled / max(np.linalg.norm(pooled), 1e-9)).ravel()


def _nearest_word(
    descriptors: Float[np.ndarray, "K D"], words: Float[np.ndarray, "W D"]
) -> Int[np.ndarray, " K"]:
    return (descriptors @ words.T - 0.5 * (words**2).sum(1)).argmax(1)


def _sorted(pairs: Int[np.ndarray, "Q 2"]) -> Int[np.ndarray, "P 2"]:
    """Each unordered pair once, i < j, ascending."""
    return np.unique(np.sort(pairs, axis=1), axis=0).reshape(-1, 2)
