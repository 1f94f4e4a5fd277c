"""Features of a photo that is turned in its plane, and where they lie in the photo as given.

Learned descriptors know the same thing only while it is turned by less than about forty degrees:
photos taken upside down or sideways, and things on a table seen from another side of it, match
once one of the photos is turned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.spatial import KDTree

from .matcher import Features, Matcher

ANGLES = (45, 90, 135, 180, 225, 270, 315)
"""Degrees by which photos are turned, clockwise: no step is wider than what descriptors bridge."""


@dataclass(frozen=True)
class TurnedFeatures:
    """Features of a turned photo."""

    degrees: int
    """By which the photo is turned, clockwise."""
    features: Features
    """In the frame of the turned photo, which a matching network must see."""
    positions: Float[np.ndarray, "K 2"]
    """The same keypoints in pixels of the photo as given."""


def extract_turned(
    matcher: Matcher, photo: UInt8[np.ndarray, "H W 3"], degrees: int
) -> TurnedFeatures:
    """Features of an RGB photo turned clockwise about its centre, on a canvas that holds all of it
    and is black elsewhere."""
    height, width = photo.shape[:2]
    to_turned = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), -degrees, 1)
    cosine, sine = np.abs(to_turned[0, :2])
    size = (round(width * cosine + height * sine), round(width * sine + height * cosine))
    to_turned[:, 2] += (np.array(size) - [width, height]) / 2
    features = matcher.extract(cv2.warpAffine(photo, to_turned, size))
    back = cv2.invertAffineTransform(to_turned)
    # OpenCV's pixel centres are whole numbers.
    positions = (features.keypoints - 0.5) @ back[:, :2].T + back[:, 2] + 0.5
    # The corners of the photo are corners of the canvas's content, too.
    inside = ((positions > 0) & (positions < [width, height])).all(1)
    features = replace(
        features,
        keypoints=features.keypoints[inside],
        descriptors=features.descriptors[inside],
    )
    return TurnedFeatures(degrees, features, positions[inside])


def join_keypoints(
    keypoints: Float[np.ndarray, "K 2"],
    others: Float[np.ndarray, "N 2"],
    max_distance_px: float,
) -> tuple[Float[np.ndarray, "J 2"], Int[np.ndarray, " N"]]:
    """Adds keypoints that were found in another way; where one lies on one that is there already,
    it is the same.

    Args:
        keypoints: those that are there, in pixels.
        others: in the same pixels.
        max_distance_px: of a keypoint from the one that it is.

    Returns:
        All keypoints, the first K as they were, and the row of each of `others`: no two share one.
    """
    rows = np.full(len(others), -1)
    if len(keypoints) and len(others):
        distance, nearest = (np.asarray(x) for x in KDTree(keypoints).query(others))
        order = np.lexsort((distance, nearest))
        first = order[np.unique(nearest[order], return_index=True)[1]]
        same = first[distance[first] <= max_distance_px]
        rows[same] = nearest[same]
    new = rows < 0
    rows[new] = len(keypoints) + np.arange(new.sum())
    return np.concatenate([keypoints, others[new]]), rows
