"""Which photos are crops of others: parts of the same exposure, no finer than the original."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from .copies import Copy
from .looks import Look, detail

READ_SIZE = 640
"""Long side in pixels at which photos are compared."""
_MOST_PAIRS = 2500
"""Most pairs of photos that are compared; those of one name come first."""
_FEATURES, _MANY, _FEW_PAIRS = 350, 1000, 600
"""Corners of a photo, and how many where there are no more than so many pairs."""
_FEWEST_INLIERS = 20
_MOST_BITS = 40
"""Most bits of 256 in which the descriptors of a corner of one exposure differ."""
_MOST_ROTATION = 0.02
"""Largest sine of the angle by which a crop's sides may differ from its original's."""
_LEAST_SCALE = 0.93
"""Original pixels in one of the crop's: below, it shows more than the original does (a zoom)."""
_SAME = 0.9
"""Least correlation of a crop's detail with its original's."""

Grey = UInt8[np.ndarray, "_ _"]
Feature = tuple[Float[np.ndarray, "_ 2"], UInt8[np.ndarray, "_ 32"]]


def find_crops(looks: Sequence[Look], read: Callable[[int], Grey | None]) -> list[Copy]:
    """Crops among photos that are not of the usual size.

    Args:
        looks: photos that are no copies of each other.
        read: a photo in grey, at most `READ_SIZE` pixels long; None where it cannot be read.
    """
    pairs = _pairs(looks)
    many = _MANY if len(pairs) <= _FEW_PAIRS else _FEATURES
    pictures: dict[int, Grey | None] = {i: read(i) for i in sorted({k for p in pairs for k in p})}
    features = {i: _features(grey, many) for i, grey in pictures.items() if grey is not None}
    best: dict[int, tuple[float, int]] = {}
    for crop, whole in pairs:
        if crop not in features or whole not in features:
            continue
        matrix = _placed(features[crop], features[whole])
        one, other = pictures[crop], pictures[whole]
        if matrix is None or one is None or other is None:
            continue
        likeness = _likeness(one, other, matrix, looks[crop], looks[whole])
        best[crop] = max(best.get(crop, (_SAME, -1)), (likeness, whole))
    return [Copy(crop, whole, "crop") for crop, (_, whole) in best.items() if whole >= 0]


def _pairs(looks: Sequence[Look]) -> list[tuple[int, int]]:
    """Photos that may be crops, with photos that they may be crops of."""
    sizes = Counter(look.size_class for look in looks)
    if len(sizes) < 2:
        return []
    usual, often = sizes.most_common(1)[0]
    odd = [i for i, look in enumerate(looks) if 2 * often <= len(looks) or look.size_class != usual]
    pairs = [
        (i, j)
        for i, j in product(odd, range(len(looks)))
        if looks[i].width * looks[i].height < 0.98 * looks[j].width * looks[j].height
        and looks[i].width <= 1.02 * looks[j].width
        and looks[i].height <= 1.02 * looks[j].height
    ]
    pairs.sort(key=lambda p: looks[p[0]].stem not in looks[p[1]].stem)
    return pairs[:_MOST_PAIRS]


def _features(grey: Grey, many: int) -> Feature:
    points, descriptors = cv2.ORB.create(many).detectAndCompute(grey, np.empty(0, np.uint8))
    if descriptors is None:
        return np.empty((0, 2)), np.empty((0, 32), np.uint8)
    return np.array([point.pt for point in points], np.float64), descriptors


def _placed(crop: Feature, whole: Feature) -> Float[np.ndarray, "2 3"] | None:
    """Where a crop lies in the whole, by matched corners; None where it does not."""
    if min(len(crop[0]), len(whole[0])) < _FEWEST_INLIERS:
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(crop[1], whole[1])
    matches = [match for match in matches if match.distance <= _MOST_BITS]
    if len(matches) < _FEWEST_INLIERS:
        return None
    a = crop[0][[m.queryIdx for m in matches]]
    b = whole[0][[m.trainIdx for m in matches]]
    matrix, inliers = cv2.estimateAffinePartial2D(a, b, ransacReprojThreshold=2.0)
    if matrix is None or inliers.sum() < _FEWEST_INLIERS:
        return None
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    return matrix if abs(matrix[1, 0]) <= _MOST_ROTATION * scale else None


def _likeness(
    crop: Grey, whole: Grey, matrix: Float[np.ndarray, "2 3"], one: Look, other: Look
) -> float:
    """Correlation of a crop's detail with that of its place in the whole; 0 for what is no crop."""
    per_pixel = matrix[0, 0] * (other.width / whole.shape[1]) / (one.width / crop.shape[1])
    height, width = crop.shape
    corners = np.array([[0, 0, 1], [width, height, 1]]) @ matrix.T
    inside = (corners > -2).all() and (corners < np.array(whole.shape[::-1]) + 2).all()
    if not inside or per_pixel < _LEAST_SCALE:
        return 0.0
    # Corners are found to a third of a pixel; the pictures themselves say where to a hundredth.
    start = matrix.astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    try:
        _, fine = cv2.findTransformECC(crop, whole, start, cv2.MOTION_AFFINE, stop)
    except cv2.error:  # it does not converge: the pictures differ
        return 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(whole, fine, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return float((detail(crop) * detail(cut)).sum())
