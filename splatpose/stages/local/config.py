"""Settings of the local optimisation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from ...bounds import COUNT, RATE, SHARE, SIDE, WEIGHT, WORKERS, Bounds
from ...keys import UNKEYED


@dataclass(frozen=True)
class LocalConfig:
    """How relative poses are refined in clusters of neighbouring views."""

    steps: Annotated[int, COUNT] = 0
    """Most steps in which a cluster's Gaussians and poses are optimised; 0 leaves the relative
    poses as two views give them."""
    max_size: Annotated[int, SIDE] = 160
    """Long side of the photos in a cluster, in pixels."""
    cluster_size: Annotated[int, Bounds(3, 8)] = 8
    """Most photos in a cluster, 3 to 8."""
    neighbours: Annotated[int, Bounds(1, 1_000_000)] = 4
    """Each photo's strongest pairs, this many, are sure to be inside a cluster."""
    gaussians: Annotated[int, Bounds(1, 100_000_000)] = 2000
    """Gaussians of a cluster: its tracks and, where they are fewer, points of prior depth or
    sampled in front of the cameras."""
    start: Annotated[float, Bounds(0, 0.8)] = 0.15
    """Share of the steps in which the Gaussians take shape before the poses move."""
    lr_poses: Annotated[float, RATE] = 0.06
    """Largest learning rate of a pose, in pixels that its photo's picture shifts."""
    lr_depth: Annotated[float, RATE] = 2e-3
    """Learning rate of the scale and shift of a photo's depth map, relative to its depths."""
    match_weight: Annotated[float, WEIGHT] = 0.01
    """Weight of the matches' mean Huber loss (bends at 1 pixel of a photo whose longer side has
    1000) beside the photometric loss, for every 100 matched keypoints in a photo: where matches
    are few, pixels decide."""
    depth_weight: Annotated[float, WEIGHT] = 0.04
    """First weight of the difference between rendered and prior depth, relative to the depth."""
    cloud_weight: Annotated[float, WEIGHT] = 1.0
    """First weight of the distance between the point clouds of two photos' prior depth, relative
    to their depth."""
    surface_weight: Annotated[float, WEIGHT] = 1.0
    """First weight of the colour difference between a photo and its prior depth's points as the
    other photo shows them."""
    anneal: Annotated[float, SHARE] = 0.6
    """Share of the steps after which the three weights of prior depth have come down to zero."""
    settled: Annotated[float, Bounds(0, 1000)] = 0.02
    """The optimisation stops when pictures move by less than this in 50 steps, in pixels of a
    photo whose longer side has 1000."""
    held_out_share: Annotated[float, Bounds(0.01, 0.9)] = 0.15
    """Share of each pair's matches that is kept from the optimisation to judge it."""
    min_standard_errors: Annotated[float, Bounds(-1000, 1000)] = 1.0
    """Gain on the held-out matches, in its own standard errors, without which a cluster's poses
    stay as they were."""
    workers: Annotated[int, WORKERS] = field(default=2, metadata=UNKEYED)
    """Clusters that are optimised side by side, each in a process of its own with one thread.
    Does not change the result."""
