"""Relative poses of all overlapping pairs, each with the kind of its geometry and a covariance."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int

from ...scene.camera import Camera
from ..correspondences import REFERENCE_SIDE, MatchTable, focal_ratios, overlapping, pair_samples
from .pair_geometry import PairFit, PairKind, fit_pair, refine_pair

_MATCHES_A_PAIR = 400


@dataclass(frozen=True)
class RelativePoses:
    """cam2_from_cam1 of E pairs, up to the lengths of the translations."""

    pairs: Int[np.ndarray, "E 2"]
    row: Int[np.ndarray, " E"]
    """Row of `MatchTable.pairs` of each."""
    kind: Int[np.ndarray, " E"]
    """`PairKind` of each."""
    rotation: Float[np.ndarray, "E 3 3"]
    direction: Float[np.ndarray, "E 3"]
    """Unit translation of cam2_from_cam1; arbitrary for rotation-only pairs."""
    covariance: Float[np.ndarray, "E 6 6"]
    """Covariance of (rotation vector on the left, change of the direction), in rad^2."""
    parallax: Float[np.ndarray, " E"]
    """Median angle between the rays of a match, in degrees; 0 for rotation-only pairs."""
    noise: Float[np.ndarray, " E"]
    """Standard deviation of the matches' distance from the model, in pixels at `REFERENCE_SIDE`."""
    inliers: Int[np.ndarray, " E"]
    inlier_share: Float[np.ndarray, " E"]
    gric: Float[np.ndarray, "E 3"]
    """GRIC of essential matrix, homography and rotation; the smallest is to be believed."""

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def rotation_sigma(self) -> Float[np.ndarray, " E"]:
        """Standard deviation of the rotation about its least certain axis, in radians."""
        return np.sqrt(np.linalg.eigvalsh(self.covariance[:, :3, :3])[:, -1])

    @property
    def direction_sigma(self) -> Float[np.ndarray, " E"]:
        """Standard deviation of the direction where it is least certain, in radians."""
        return np.sqrt(np.linalg.eigvalsh(self.covariance[:, 3:, 3:])[:, -1])

    @property
    def moving(self) -> Bool[np.ndarray, " E"]:
        """Pairs whose translation means something."""
        return (self.kind != PairKind.ROTATION_ONLY) & (self.kind != PairKind.WEAK)

    def subset(self, keep: Bool[np.ndarray, " E"]) -> RelativePoses:
        """Only the pairs that `keep` marks."""
        return RelativePoses(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))

    def replaced(self, other: RelativePoses) -> RelativePoses:
        """With the rows of `other` in the place of those of the same pairs, and its other pairs."""
        rest = self.subset(~np.isin(self.row, other.row))
        order = np.argsort(np.concatenate([rest.row, other.row]), kind="stable")
        return RelativePoses(
            *(
                np.concatenate([getattr(rest, name), getattr(other, name)])[order]
                for name in self.__dataclass_fields__
            )
        )


def relative_poses(
    table: MatchTable,
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    *,
    min_matches: int,
    seed: int,
    workers: int | None = None,
) -> RelativePoses:
    """Fits and labels every pair that has enough verified matches.

    Args:
        cameras: calibrated as well as they can be before any reconstruction.
        camera_index: of each photo.
        min_matches: pairs with fewer verified matches are left out.
        workers: threads. Does not change the result.
    """
    pairs = overlapping(table, min_matches)
    samples, focal = _samples(table, pairs, cameras, camera_index)
    with ThreadPoolExecutor(workers or os.cpu_count()) as executor:
        found = list(executor.map(partial(fit_pair, seed=seed), samples, focal))
    return stacked(table, pairs, found)


def refined_relative_poses(
    table: MatchTable,
    rows: Int[np.ndarray, " E"],
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
    rotation: Float[np.ndarray, "E 3 3"],
    direction: Float[np.ndarray, "E 3"],
) -> RelativePoses:
    """Fits pairs once more, from poses that other pairs lead to; weak where they deny those.

    Args:
        rows: of `table.pairs`, those to fit.
        rotation, direction: of cam2_from_cam1 of each, to start from.
    """
    samples, focal = _samples(table, rows, cameras, camera_index)
    found = [refine_pair(*pair) for pair in zip(samples, focal, rotation, direction, strict=True)]
    return stacked(table, rows, found)


def _samples(
    table: MatchTable,
    pairs: Int[np.ndarray, " E"],
    cameras: Sequence[Camera],
    camera_index: Int[np.ndarray, " V"],
) -> tuple[list[Float[np.ndarray, "_ 2 2"]], Float[np.ndarray, " E"]]:
    """Normalised coordinates of each pair's matches; pixels at `REFERENCE_SIDE` of their unit."""
    samples = pair_samples(table, pairs, cameras, camera_index, _MATCHES_A_PAIR)
    return samples, REFERENCE_SIDE * focal_ratios(cameras)[camera_index[table.pairs[pairs]]].mean(1)


def stacked(
    table: MatchTable, pairs: Int[np.ndarray, " E"], found: Sequence[PairFit]
) -> RelativePoses:
    """Fits of pairs as arrays.

    Args:
        pairs: rows of `table.pairs`, one for each fit.
    """
    return RelativePoses(
        pairs=table.pairs[pairs].astype(np.int64).reshape(-1, 2),
        row=pairs,
        kind=np.array([f.kind for f in found], np.int64),
        rotation=np.array([f.rotation for f in found]).reshape(-1, 3, 3),
        direction=np.array([f.direction for f in found]).reshape(-1, 3),
        covariance=np.array([f.covariance for f in found]).reshape(-1, 6, 6),
        parallax=np.array([f.parallax for f in found], np.float64),
        noise=np.array([f.noise for f in found], np.float64),
        inliers=np.array([f.inliers for f in found], np.int64),
        inlier_share=np.array([f.inlier_share for f in found], np.float64),
        gric=np.array([f.gric for f in found]).reshape(-1, 3),
    )
