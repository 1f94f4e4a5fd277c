"""Photos whose true cameras are known, whatever format they came in.

Only what measures reads this: the pipeline is given the folder of photos and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class Dataset:
    """V photos with their true cameras (OpenCV axes, pixel centres at halves)."""

    name: str
    images: Path
    """Folder of the photos."""
    names: tuple[str, ...]
    """Paths of the photos relative to `images`, forward slashes, in the order of the truth."""
    cam_from_world: Float[np.ndarray, "V 4 4"]
    """True poses in the data set's own units; NaN where the truth does not know a photo."""
    K: Float[np.ndarray, "V 3 3"]
    """Calibration matrices in pixels of the photos as given; NaN where unknown."""
    sizes: Int[np.ndarray, "V 2"]
    """Width and height in pixels that `K` belongs to; 0 where unknown."""
    place: Int[np.ndarray, " V"]
    """Number of the place each photo shows. Photos of different places have no common frame: poses
    across them cannot be right."""
    test: Bool[np.ndarray, " V"] | None = None
    """Held-out photos of the data set, where it names them."""
