"""Focal lengths that EXIF gives, beside those that the photos themselves call for."""

from __future__ import annotations

import numpy as np

from ...scene.capture import Capture
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import focal_ratios

_FAR_OFF = 1.25
"""Ratio of the two that no focusing makes."""


def left_by_the_estimate(capture: Capture, model: SparseModel) -> list[str]:
    """A sentence on each camera whose focal length is far from what EXIF says."""
    ratios = focal_ratios(model.cameras)
    sentences = []
    for number, group in enumerate(capture.groups):
        photos = [i for i, photo in enumerate(capture.photos) if photo.group == number]
        placed = [i for i in photos if model.registered[i]]
        prior = group.focal_prior
        if prior is None or not placed:
            continue
        side = max(group.width, group.height)
        # Of several lenses EXIF may be of any.
        lenses = side * ratios[np.unique(model.camera_index[placed])]
        found = float(lenses[np.abs(np.log(lenses / prior)).argmin()])
        if max(found / prior, prior / found) > _FAR_OFF:
            sentences.append(
                f"EXIF gives {group.label} a focal length of {prior:.0f} px, and the "
                f"matches of its {len(placed)} photos call for {found:.0f} px, which is what the "
                "poses use: EXIF is of another lens or zoom, the photos are cropped, or the poses "
                "are wrong"
            )
    return sentences
