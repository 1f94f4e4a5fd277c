"""The geometry of two photos from matches many of which are false, in milliseconds.

MAGSAC++ (Barath et al., CVPR 2020; OpenCV's) needs neither cameras nor a precise threshold. What it
finds decides which matches are worth keeping; cameras are asked later, when matches are precise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float

_CONFIDENCE = 0.999
_MAX_TRIALS = 10_000
_MAX_PLANE_TRIALS = 2_000
_SAMPLE = 8
_PLANAR_SHARE = 0.8
"""Share of the matches on epipolar lines from which on a homography tells all (COLMAP's rule)."""


@dataclass(frozen=True)
class RobustGeometry:
    """What most matches of two photos agree on."""

    kind: Literal["epipolar", "homography"]
    """A homography where nearly all lies in one plane, or the camera only turned."""
    matrix: Float[np.ndarray, "3 3"]
    """Fundamental matrix, from pixels to lines in the second photo, or homography."""
    inliers: Bool[np.ndarray, " M"]


def fit_robustly(
    x1: Float[np.ndarray, "M 2"], x2: Float[np.ndarray, "M 2"], max_error_px: float
) -> RobustGeometry | None:
    """The geometry of two photos, or None where there is none; the same for the same matches.

    Args:
        x1, x2: matched points in pixels.
        max_error_px: largest error of an inlier.
    """
    if len(x1) < _SAMPLE:
        return None
    F, on_line = _fundamental(x1, x2, max_error_px)
    if F is None or F.shape != (3, 3):
        return None
    inliers = on_line.ravel() > 0
    H, on_plane = _homography(x1, x2, max_error_px)
    if H is not None and on_plane.sum() >= _PLANAR_SHARE * inliers.sum():
        return RobustGeometry("homography", H, on_plane.ravel() > 0)
    return RobustGeometry("epipolar", F, inliers)


def _fundamental(x1: np.ndarray, x2: np.ndarray, max_error_px: float) -> tuple:
    """Matrix and mask, or None twice."""
    try:
        return cv2.findFundamentalMat(
            x1, x2, cv2.USAC_MAGSAC, max_error_px, _CONFIDENCE, _MAX_TRIALS
        )
    except cv2.error:  # degenerate samples end in failed assertions here and there
        return None, None


def _homography(x1: np.ndarray, x2: np.ndarray, max_error_px: float) -> tuple:
    """Matrix and mask, or None twice."""
    try:
        return cv2.findHomography(
            x1,
            x2,
            cv2.USAC_MAGSAC,
            max_error_px,
            maxIters=_MAX_PLANE_TRIALS,
            confidence=_CONFIDENCE,
        )
    except cv2.error:
        return None, None
