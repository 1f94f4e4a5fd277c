"""Views for short trainings: some of them, or smaller."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool

from ..scene.views import Views

_WHOLE = 0.999
"""Share of existing pixels under a small one that makes it exist."""


def with_views(views: Views, chosen: Bool[np.ndarray, " V"]) -> Views:
    """Only the chosen views; of those that are left out no pixel can be looked at."""
    index = np.flatnonzero(chosen)
    return replace(
        views,
        names=tuple(views.names[i] for i in index),
        images=tuple(views.images[i] for i in index),
        masks=tuple(views.masks[i] for i in index),
        Ks=views.Ks[index],
        cam_from_world=views.cam_from_world[index],
        held_out=views.held_out[index],
        exposures=None if views.exposures is None else views.exposures[index],
        depths=None if views.depths is None else tuple(views.depths[i] for i in index),
    )


def reduced(views: Views, max_size: int) -> Views:
    """The views scaled down to a long side of at most `max_size` pixels."""
    images, masks, Ks = [], [], []
    for image, mask, K in zip(views.images, views.masks, views.Ks, strict=True):
        height, width = image.shape[:2]
        scale = min(1.0, max_size / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        images.append(small)
        if mask is not None and scale < 1:
            share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
            mask = share > _WHOLE
        masks.append(mask)
        Ks.append(np.diag([size[0] / width, size[1] / height, 1.0]) @ K)
    return replace(views, images=tuple(images), masks=tuple(masks), Ks=np.array(Ks))
