"""Geometric verification of matches by COLMAP's two-view estimation, several pairs at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pycolmap
from jaxtyping import Float

from ...features.matcher import PhotoMatches, error_px
from ...features.threads import one_thread_each
from ...io.colmap_database import PairMatches, camera_of
from ...scene.capture import Capture
from ...tolerance import Tolerance


class Verifier:
    """Finds the matches of a pair of photos that one relative pose explains.

    Photos whose focal length is known are verified with an essential matrix, others with a
    fundamental one; planes and pure rotations are labelled as such.

    Args:
        capture: the photos and their cameras.
        working_size: longer side in pixels at which the photos were matched.
        min_inliers: fewest inliers of two photos that count as overlapping.
        seed: of RANSAC.
    """

    def __init__(self, capture: Capture, working_size: int, min_inliers: int, seed: int) -> None:
        self._photos = capture.photos
        self._cameras = [camera_of(group, i) for i, group in enumerate(capture.groups)]
        self._min_inliers = min_inliers
        self._working_size = working_size
        self._seed = seed
        self.tolerance = Tolerance()
        """Pairs that could not be asked; they count as without overlap."""

    def verify(
        self,
        keypoints: Sequence[Float[np.ndarray, "_ 2"]],
        pairs: Sequence[PhotoMatches],
        max_error: float | Sequence[float],
    ) -> list[PairMatches]:
        """Verifies each pair; the result does not depend on the number of threads.

        Args:
            keypoints: for each photo, in pixels of the photo as given.
            pairs: putative matches.
            max_error: largest distance to the epipolar line in pixels at working size, for all
                pairs or for each.
        """
        errors = max_error if isinstance(max_error, Sequence) else [max_error] * len(pairs)
        tasks = list(zip(pairs, errors, strict=True))
        return one_thread_each(lambda task: self._try(keypoints, *task), tasks)

    def _try(
        self,
        keypoints: Sequence[Float[np.ndarray, "_ 2"]],
        pair: PhotoMatches,
        max_error: float,
    ) -> PairMatches:
        first, second, matches = pair
        name = f"{self._photos[first].name} with {self._photos[second].name}"
        nothing = PairMatches(first, second, matches, pycolmap.TwoViewGeometry())
        ask = partial(self._verify, keypoints, pair, max_error)
        return self.tolerance.attempt(name, ask, nothing)

    def _verify(
        self,
        keypoints: Sequence[Float[np.ndarray, "_ 2"]],
        pair: PhotoMatches,
        max_error: float,
    ) -> PairMatches:
        first, second, matches = pair
        if len(matches) < self._min_inliers:
            return PairMatches(first, second, matches, pycolmap.TwoViewGeometry())
        a, b = self._photos[first], self._photos[second]
        geometry = pycolmap.estimate_two_view_geometry(
            self._cameras[a.group],
            keypoints[first].astype(np.float64),
            self._cameras[b.group],
            keypoints[second].astype(np.float64),
            matches.astype(np.uint32),
            self._options(error_px(max_error, (a, b), self._working_size)),
        )
        return PairMatches(first, second, matches, geometry)

    def _options(self, max_error: float) -> pycolmap.TwoViewGeometryOptions:
        options = pycolmap.TwoViewGeometryOptions()
        options.min_num_inliers = self._min_inliers
        options.multiple_models = False
        options.ransac.max_error = max_error
        options.ransac.random_seed = self._seed
        options.ransac.num_threads = 1
        return options
