"""Features that know a thing only while it is not turned, as learned ones do, without weights."""

from __future__ import annotations

import cv2
import numpy as np

from splatpose.features.matcher import DescriptorThresholds, Features
from splatpose.features.sift import SiftMatcher


class UprightMatcher(SiftMatcher):
    """SIFT whose descriptors are all taken upright."""

    name = "xfeat"
    descriptors = DescriptorThresholds(min_cosine=0.8, guided_cosine=0.8)

    def extract(self, photo: np.ndarray) -> Features:
        gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        sift = cv2.SIFT.create(enable_precise_upscale=True)
        found = sorted(sift.detect(gray, None), key=lambda k: -k.size)
        for keypoint in found:
            keypoint.angle = 0
        # Several orientations of one point are one here.
        places = {tuple(np.round(k.pt, 2)): k for k in found}
        kept, described = sift.compute(gray, list(places.values())[: self.max_keypoints])
        unit = self.similarity(described)
        xy = np.array([k.pt for k in kept], np.float32) + 0.5
        return Features(xy, unit, photo.shape[1], photo.shape[0])
