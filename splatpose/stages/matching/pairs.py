"""Which pairs of photos are worth matching.

Few photos: every pair. Many: for each photo its neighbours in the order of the names, and outside
of these the most similar photos by a global descriptor pooled from its local features, so that the
number of pairs grows with the number of photos and not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

SUBSET = 1024
"""Descriptors of a photo that take part in pooling, the strongest."""
WORDS = 64
"""Visual words of the pooled descriptor."""
_KMEANS_STEPS = 15


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
