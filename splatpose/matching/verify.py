"""Geometric verification of matches by COLMAP's two-view estimation, several pairs at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pycolmap
import torch
from jaxtyping import Float, Int

from ..types import Capture
from .database import PairMatches, camera_of
from .features import PhotoMatches
from .stage import MatchingConfig


class Verifier:
    """Finds the matches of a pair of photos that one relative pose explains.

    Photos whose focal length is known are verified with an essential matrix, others with a
    fundamental one; planes and pure rotations are labelled as such.

    Args:
        capture: the photos and their cameras.
        config: thresholds.
        working_size: longer side in pixels at which the photos were matched.
        seed: of RANSAC.
    """

    def __init__(
        self, capture: Capture, config: MatchingConfig, working_size: int, seed: int
    ) -> None:
        self._photos = capture.photos
        self._cameras = [camera_of(group, i + 1) for i, group in enumerate(capture.groups)]
        self._config = config
        self._working_size = working_size
        self._seed = seed

    def verify(
        self, keypoints: Sequence[Float[np.ndarray, "_ 2"]], pairs: Sequence[PhotoMatches]
    ) -> list[PairMatches]:
        """Verifies each pair; the result does not depend on the number of threads.

        Args:
            keypoints: for each photo, in pixels of the photo as given.
            pairs: putative matches.
        """
        with ThreadPoolExecutor(torch.get_num_threads()) as executor:
            return list(executor.map(lambda pair: self._verify(keypoints, *pair), pairs))

    def _verify(
        self,
        keypoints: Sequence[Float[np.ndarray, "_ 2"]],
        first: int,
        second: int,
        matches: Int[np.ndarray, "M 2"],
    ) -> PairMatches:
        if len(matches) < self._config.min_inliers:
            return PairMatches(first, second, matches, pycolmap.TwoViewGeometry())
        a, b = self._photos[first], self._photos[second]
        geometry = pycolmap.estimate_two_view_geometry(
            self._cameras[a.group],
            keypoints[first].astype(np.float64),
            self._cameras[b.group],
            keypoints[second].astype(np.float64),
            matches.astype(np.uint32),
            self._options(max(a.width, a.height, b.width, b.height)),
        )
        return PairMatches(first, second, matches, geometry)

    def _options(self, size: int) -> pycolmap.TwoViewGeometryOptions:
        options = pycolmap.TwoViewGeometryOptions()
        options.min_num_inliers = self._config.min_inliers
        options.multiple_models = False
        # The error is set at working size; keypoints of larger photos are coarser in proportion.
        options.ransac.max_error = self._config.max_error * max(1.0, size / self._working_size)
        options.ransac.random_seed = self._seed
        options.ransac.num_threads = 1
        return options
