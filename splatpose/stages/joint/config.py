"""Settings of the joint optimisation, and of the gate that judges it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...bounds import COUNT, RATE, SIDE, WEIGHT, Bounds


@dataclass(frozen=True)
class JointConfig:
    """How poses are refined together with Gaussians, and what the refinement must show."""

    steps: Annotated[int, COUNT] = 0
    """Steps of the training in which poses, tracks and Gaussians move together; two more of the
    same length judge the result. 0 leaves the poses as they are."""
    max_size: Annotated[int, SIDE] = 480
    """Long side of the photos in these trainings, in pixels."""
    gaussians: Annotated[int, Bounds(1, 100_000_000)] = 6000
    """Gaussians in these trainings: the sparse points, and where they are fewer, points sampled
    in front of the cameras. Their number stays as it is."""
    start: Annotated[float, Bounds(0, 0.8)] = 0.3
    """Share of the steps in which the Gaussians take shape before the poses move."""
    lr_poses: Annotated[float, RATE] = 0.2
    """Largest learning rate of a pose, in pixels that its photo's picture shifts. Rotations and
    translations are scaled alike by focal length and the scene's depth."""
    track_weight: Annotated[float, WEIGHT] = 0.003
    """Weight of the tracks' Huber loss (bends at 1 pixel of a photo whose longer side has 1000)
    beside the photometric loss."""
    validation_every: Annotated[int, Bounds(2, 1_000_000)] = 8
    """One training photo in this many, two at least, is kept from these trainings to judge them;
    the held-out photos are never among them."""
    held_out_share: Annotated[float, Bounds(0.01, 0.9)] = 0.1
    """Share of the tracks that is kept from the optimisation to judge it."""
    min_gain: Annotated[float, Bounds(-1000, 1000)] = 0.1
    """Gain in PSNR on the validation photos without which the poses are rolled back, in dB."""
    min_standard_errors: Annotated[float, Bounds(-1000, 1000)] = 1.0
    """Gain that keeps moved cameras, in its own standard errors over the validation photos, so that
    one photo does not decide against the others."""
    match_tolerance: Annotated[float, Bounds(0, 1e9)] = 0.05
    """Growth of the held-out tracks' error above which the poses are rolled back, as a share."""
